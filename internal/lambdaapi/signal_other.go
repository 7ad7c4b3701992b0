//go:build !unix

package lambdaapi

import (
	"os"
	"os/exec"
)

// Without process groups and signals the process itself is killed, at once,
// and never frozen.

func ownGroup(*exec.Cmd) {}

func killGroup(p *os.Process) { _ = p.Kill() }

func terminateGroup(p *os.Process) { _ = p.Kill() }

func freezeGroup(*os.Process) {}

func thawGroup(*os.Process) {}
