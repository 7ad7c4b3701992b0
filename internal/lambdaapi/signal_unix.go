//go:build unix

package lambdaapi

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup makes the command the leader of a process group, which can be
// signalled as a whole and does not get the terminal's interrupts.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// The group's id is the leader's process id. Errors mean that it is gone already.

func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

func terminateGroup(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGTERM)
	_ = syscall.Kill(-p.Pid, syscall.SIGCONT) // a frozen process would not see the SIGTERM
}

func freezeGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGSTOP) }

func thawGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGCONT) }
