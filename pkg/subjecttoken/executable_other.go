//go:build !unix

package subjecttoken

import "os/exec"

// Without process groups the program alone is killed. What it started ends
// when it finds its standard output closed.

func ownGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
