package lambdaapi

import (
	"os"
	"os/exec"
	"time"
)

// process is the runtime or an extension, with everything that it started.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it is reaped, its group killed and its output read
}

// startProcess starts cmd in a process group of its own. ended is called with
// how it ended, before exited is closed.
func startProcess(cmd *exec.Cmd, output func(line string), ended func(status string)) (*process, error) {
	lines := &lineWriter{emit: output}
	if output != nil {
		cmd.Stdout, cmd.Stderr = lines, lines
	}
	cmd.WaitDelay = terminationGrace // who left the group and kept the output open is not waited for
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // how it ended is in ProcessState
		killGroup(cmd.Process)
		lines.close()
		ended(cmd.ProcessState.String())
	}()
	return p, nil
}

// signal sends a signal to the group, unless the process is gone.
func (p *process) signal(send func(*os.Process)) {
	select {
	case <-p.exited:
	default:
		send(p.cmd.Process)
	}
}

// kill returns when nothing of the process is left.
func (p *process) kill() {
	p.signal(killGroup)
	<-p.exited
}

// end returns when nothing of the process is left: when it has exited or, after
// the deadline or when cut is closed, has been killed.
func (p *process) end(deadline time.Time, cut <-chan struct{}) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
	case <-cut:
	}
	p.kill()
}
