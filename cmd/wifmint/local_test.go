package main

import (
	"os"
	"strings"
	"testing"
)

// Not parallel, for the sake of PATH.
func TestLocalWithoutGoTellsToInstallIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var stdout, stderr strings.Builder
	w := &world{ctx: t.Context(), stdout: &stdout, stderr: &stderr, getenv: os.Getenv}
	if code := run([]string{"local"}, w); code != exitFailed {
		t.Errorf("exit %d", code)
	}
	if !strings.Contains(stderr.String(), "install Go 1.26") || strings.Count(stderr.String(), "\n") != 1 {
		t.Errorf("standard error is %q", stderr.String())
	}
	if out := stdout.String(); strings.Contains(out, "logged") || strings.Contains(out, "0 targets") {
		t.Errorf("standard output is %q", out)
	}
}
