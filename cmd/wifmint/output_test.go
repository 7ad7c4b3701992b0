package main

import (
	"errors"
	"strings"
	"testing"
)

// full is a disk with no room for more.
type full struct{ writes int }

func (f *full) Write([]byte) (int, error) {
	f.writes++
	return 0, errors.New("no space left")
}

func TestResultsThatCannotBeWrittenAreAFailure(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--help"},
		{"token", "--help"},
		{"validate", "testdata/broken.json"},
		{"local", "--json"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			var stderr strings.Builder
			stdout := &full{}
			w := &world{ctx: t.Context(), stdout: stdout, stderr: &stderr, getenv: func(string) string { return "" }}
			if code := run(args, w); code != exitFailed {
				t.Errorf("exit %d, want %d", code, exitFailed)
			}
			if want := "wifmint: writing the results: no space left\n"; stderr.String() != want {
				t.Errorf("standard error is %q, want %q", stderr.String(), want)
			}
			if stdout.writes != 1 {
				t.Errorf("it wrote %d times", stdout.writes)
			}
		})
	}
}
