package subjecttoken

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
)

// Executable gets the token from a program, which prints it on its standard
// output in the JSON of Google's specification (https://google.aip.dev/auth/4117,
// "executable-sourced credentials").
//
// Since a credential file then decides what runs, nothing does unless
// GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES is "1". There is no shell: Command is
// split at white space, as Google's Go and Python libraries do, so quotes and
// backslashes are ordinary characters and a path cannot have a space in it.
//
// The program gets this process's environment, whatever secrets that holds,
// and the variables GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE, _TOKEN_TYPE, _ID,
// _INTERACTIVE, _REVOKE, _IMPERSONATED_EMAIL and _OUTPUT_FILE, the last two only
// if there is one. Its standard input is empty and its standard error, which may
// hold secrets, goes nowhere. It may print 1 MiB; a program that prints more,
// takes longer than it may, or whose caller gives up is killed with every process
// of its process group. One run of an Executable goes on at a time.
//
// Use a pointer, and change no field after the first call.
type Executable struct {
	// Command is the program's path, or its name in PATH, and its arguments; required.
	Command string
	// Timeout bounds a run: 5 s to 2 min; zero means 30 s.
	Timeout time.Duration
	// OutputFile is where the program keeps its last answer. One that is still
	// valid is taken in place of a run. The program writes it; here it is only read.
	OutputFile string
	// Interactive lets the program ask the user: it gets this process's terminal,
	// InteractiveTimeout, and OutputFile to answer in. It is for workforce pools.
	// At a terminal it stays in this process's group, and is killed alone.
	Interactive bool
	// InteractiveTimeout bounds an interactive run: 30 s to 30 min; required for one.
	InteractiveTimeout time.Duration
	// Audience, SubjectTokenType and ImpersonatedEmail, which may be empty, are
	// what the program is told. An answer of another kind (SAML for OIDC) than
	// SubjectTokenType is refused.
	Audience, SubjectTokenType, ImpersonatedEmail string
	// Getenv looks up GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES; nil means os.Getenv.
	Getenv func(string) string
	// Environ is what the program's environment is made from; nil means os.Environ.
	Environ func() []string
	// Stdin and Stderr are the terminal of an interactive program, whose output
	// goes to Stderr: Stdout is for the results of this process. Nil means the
	// process's own.
	Stdin, Stderr *os.File
	// Now is the clock that expiries are compared with; nil means time.Now.
	Now func() time.Time

	once sync.Once
	turn chan struct{}
}

var _ Source = (*Executable)(nil)

// The bounds of Google's libraries.
const (
	defaultRun                        = 30 * time.Second
	leastRun, mostRun                 = 5 * time.Second, 2 * time.Minute
	leastInteractive, mostInteractive = 30 * time.Second, 30 * time.Minute
)

const (
	executableVariables = "GOOGLE_EXTERNAL_ACCOUNT_"
	allowExecutables    = executableVariables + "ALLOW_EXECUTABLES"
)

// SubjectToken fails with an *Error: Code and Message are the program's own
// where it told them. Only a timeout is retryable.
func (e *Executable) SubjectToken(ctx context.Context) (secret.Text, error) {
	if flaw := e.flaw(); flaw != "" {
		return secret.Text{}, executableError(flaw)
	}
	leave, err := e.enter(ctx)
	if err != nil {
		return secret.Text{}, err
	}
	defer leave()
	if token, err := e.kept(); err != nil || !token.IsZero() {
		return token, err
	}
	output, err := e.run(ctx, e.timeout(), false)
	if err != nil {
		return secret.Text{}, err
	}
	from := "the program's output"
	if len(output) == 0 && e.OutputFile != "" {
		from = e.OutputFile
		if output, err = readFile(e.OutputFile); err != nil {
			return secret.Text{}, &Error{Source: sourceExecutable, Reason: "the program printed nothing; reading executable.output_file instead", Err: err}
		}
	}
	answer, flaw := readResponse(output)
	return e.token(answer, flaw, from)
}

// Revoke has the program forget what it keeps, such as a login: it is run with
// GOOGLE_EXTERNAL_ACCOUNT_REVOKE=1. As in Google's libraries that is for
// interactive use only. It fails with an *Error.
func (e *Executable) Revoke(ctx context.Context) error {
	flaw := e.flaw()
	if !e.Interactive {
		flaw = cmp.Or(flaw, "only an interactive program can revoke; set Executable.Interactive")
	}
	if flaw != "" {
		return executableError(flaw)
	}
	leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	output, err := e.run(ctx, e.timeout(), true)
	if err != nil {
		return err
	}
	answer, flaw := readResponse(output)
	switch {
	case flaw != "":
		return executableError("the program's output " + flaw)
	case !answer.success:
		return answer.refusal()
	}
	return nil
}

// flaw tells why nothing may be run, "" if it may.
func (e *Executable) flaw() string {
	getenv := e.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	switch {
	case len(strings.Fields(e.Command)) == 0:
		return "credential_source.executable.command is empty; write the program's path and its arguments"
	case getenv(allowExecutables) != "1":
		return "a credential file may run programs only where you allow it: set " + allowExecutables + "=1"
	case e.Timeout != 0 && (e.Timeout < leastRun || e.Timeout > mostRun):
		return "credential_source.executable.timeout_millis must be from 5000 to 120000"
	case e.InteractiveTimeout != 0 && (e.InteractiveTimeout < leastInteractive || e.InteractiveTimeout > mostInteractive):
		return "credential_source.executable.interactive_timeout_millis must be from 30000 to 1800000"
	case !e.Interactive:
		return ""
	case e.InteractiveTimeout == 0:
		return "an interactive program needs credential_source.executable.interactive_timeout_millis"
	case e.OutputFile == "":
		return "an interactive program needs credential_source.executable.output_file to answer in"
	case !strings.Contains(e.Audience, "/workforcePools/"):
		return "an interactive program is for workforce pools, and the audience is none"
	}
	return ""
}

func (e *Executable) timeout() time.Duration {
	if e.Interactive {
		return e.InteractiveTimeout
	}
	return cmp.Or(e.Timeout, defaultRun)
}

// enter waits until no other run goes on: two would write the same output
// file, or talk to the user both at once.
func (e *Executable) enter(ctx context.Context) (leave func(), err error) {
	e.once.Do(func() { e.turn = make(chan struct{}, 1) })
	select {
	case e.turn <- struct{}{}:
		return func() { <-e.turn }, nil
	case <-ctx.Done():
		return nil, gaveUp(ctx, sourceExecutable, "gave up waiting for another run of the program to end")
	}
}

// kept returns the token of the output file if there is one that is valid. A
// file that is missing, empty, expired, or that tells a failure is no error: the
// program will write another.
func (e *Executable) kept() (secret.Text, error) {
	if e.OutputFile == "" {
		return secret.Text{}, nil
	}
	content, err := readFile(e.OutputFile)
	content = bytes.TrimSpace(content)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(content) == 0:
		return secret.Text{}, nil
	case err != nil:
		return secret.Text{}, &Error{Source: sourceExecutable, Reason: "reading credential_source.executable.output_file", Err: err}
	}
	answer, flaw := readResponse(content)
	if flaw == "" && (!answer.success || answer.expired(e.Now)) {
		return secret.Text{}, nil
	}
	return e.token(answer, flaw, e.OutputFile)
}

// token is the token of an answer, or what is wrong with the place that it is from.
func (e *Executable) token(answer response, flaw, from string) (secret.Text, error) {
	if flaw == "" && !answer.success {
		return secret.Text{}, answer.refusal()
	}
	var token secret.Text
	if flaw == "" {
		token, flaw = answer.token()
	}
	switch {
	case flaw != "":
	case e.OutputFile != "" && answer.expires.IsZero():
		flaw = "has no expiration_time, which is needed where credential_source.executable.output_file is set"
	case answer.expired(e.Now):
		flaw = "has a token that expired at " + answer.expires.UTC().Format(time.RFC3339) + "; is this machine's clock right?"
	case e.SubjectTokenType != "" && (e.SubjectTokenType == SAML2TokenType) != (answer.tokenType == SAML2TokenType):
		flaw = fmt.Sprintf("has a token of type %s, while the credential file's subject_token_type is %q", answer.tokenType, e.SubjectTokenType)
	default:
		return token, nil
	}
	return secret.Text{}, executableError(from + " " + flaw)
}

// environment is the program's. Variables of Google's that this process was
// given as a program itself are not passed on: they tell another audience.
func (e *Executable) environment(revoke bool) []string {
	parent := e.Environ
	if parent == nil {
		parent = os.Environ
	}
	env := slices.DeleteFunc(slices.Clone(parent()), func(v string) bool {
		return strings.HasPrefix(v, executableVariables) && !strings.HasPrefix(v, allowExecutables+"=")
	})
	set := func(name, value string) { env = append(env, executableVariables+name+"="+value) }
	set("AUDIENCE", e.Audience)
	set("TOKEN_TYPE", e.SubjectTokenType)
	set("ID", e.ImpersonatedEmail)
	set("INTERACTIVE", zeroOrOne(e.Interactive))
	set("REVOKE", zeroOrOne(revoke))
	if e.ImpersonatedEmail != "" {
		set("IMPERSONATED_EMAIL", e.ImpersonatedEmail)
	}
	if e.OutputFile != "" {
		set("OUTPUT_FILE", e.OutputFile)
	}
	return env
}

func zeroOrOne(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func executableError(reason string) *Error { return &Error{Source: sourceExecutable, Reason: reason} }
