package subjecttoken

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"
)

// pipeGrace is how long a program that has ended may have left its standard
// output open, in the hands of a process that it started. What was printed by
// then is its answer.
const pipeGrace = time.Second

// run runs the program and returns what it printed, without the white space
// around it. An interactive one prints to the terminal, unless it revokes.
func (e *Executable) run(ctx context.Context, timeout time.Duration, revoke bool) ([]byte, error) {
	limit, kill := context.WithTimeout(ctx, timeout)
	defer kill()
	output := &cappedOutput{overflow: kill}
	words := strings.Fields(e.Command)
	cmd := exec.CommandContext(limit, words[0], words[1:]...)
	cmd.Env = e.environment(revoke)
	cmd.Stdout = output
	cmd.WaitDelay = pipeGrace
	cmd.Cancel = func() error { return killGroup(cmd) }
	if e.Interactive {
		e.connectTerminal(cmd, revoke)
	}
	if !sharesTerminal(cmd) {
		ownGroup(cmd)
	}
	err := cmd.Run()
	printed := bytes.TrimSpace(output.content.Bytes())
	if err == nil || errors.Is(err, exec.ErrWaitDelay) && limit.Err() == nil {
		return printed, nil
	}
	if cmd.Process != nil && limit.Err() != nil {
		_ = killGroup(cmd) // whoever outlived the program itself
	}
	switch {
	case output.full:
		return nil, executableError(fmt.Sprintf("the program printed more than %d bytes and was killed", maxContent))
	case ctx.Err() != nil:
		return nil, gaveUp(ctx, sourceExecutable, "gave up waiting for the program, which was killed")
	case limit.Err() != nil:
		return nil, e.late(timeout)
	}
	return nil, e.failed(err, printed)
}

// cappedOutput keeps what a program prints, until it is too much.
type cappedOutput struct {
	content  bytes.Buffer
	full     bool
	overflow func()
}

func (o *cappedOutput) Write(p []byte) (int, error) {
	if o.content.Len()+len(p) > maxContent {
		o.full = true
		o.overflow()
		return 0, errors.New("too much output")
	}
	return o.content.Write(p)
}

func (e *Executable) connectTerminal(cmd *exec.Cmd, revoke bool) {
	stdin, stderr := e.Stdin, e.Stderr
	if stdin == nil {
		stdin = os.Stdin
	}
	if stderr == nil {
		stderr = os.Stderr
	}
	cmd.Stdin, cmd.Stderr = stdin, stderr
	if !revoke {
		cmd.Stdout = stderr
	}
}

// sharesTerminal reports whether the program reads from a terminal. In a
// process group of its own it would be stopped when it does.
func sharesTerminal(cmd *exec.Cmd) bool {
	stdin, ok := cmd.Stdin.(*os.File)
	if !ok {
		return false
	}
	info, err := stdin.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (e *Executable) late(timeout time.Duration) *Error {
	field, most := "timeout_millis", mostRun
	if e.Interactive {
		field, most = "interactive_timeout_millis", mostInteractive
	}
	return &Error{
		Source: sourceExecutable,
		Reason: fmt.Sprintf("the program did not end within %v and was killed; credential_source.executable.%s may be up to %d",
			timeout, field, most.Milliseconds()),
		Retryable: true,
	}
}

// failed is the error of a program that could not be started or that ended
// with a failure, which it may have told.
func (e *Executable) failed(err error, printed []byte) *Error {
	if _, ran := errors.AsType[*exec.ExitError](err); ran {
		answer, flaw := readResponse(printed)
		if flaw == "" && !answer.success {
			return answer.refusal()
		}
		return executableError("the program ended with " + err.Error() + " and without telling why on its standard output; " +
			"run it by hand: what it writes to standard error is not shown here, as it may hold secrets")
	}
	reason := "the program of credential_source.executable.command cannot be started"
	if strings.ContainsAny(e.Command, `"'\`) && (errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist)) {
		reason += " (the command is split at white space; quotes and backslashes are part of its words)"
	}
	return &Error{Source: sourceExecutable, Reason: reason, Err: err}
}
