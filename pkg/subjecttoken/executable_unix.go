//go:build unix

package subjecttoken

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// ownGroup makes the program the leader of a process group, which is killed as
// a whole, and which a terminal's interrupts do not reach.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills the program and all of its group, or the program alone if it
// is in the group of this process.
func killGroup(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		return cmd.Process.Kill()
	}
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
