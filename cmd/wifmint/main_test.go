package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"wifmint": main})
}

// TestScripts runs testdata/script: what a person types and sees. $CHECKOUT is
// this checkout.
func TestScripts(t *testing.T) {
	t.Parallel()
	checkout, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("CHECKOUT", checkout)
			// What the go command needs, for "local" builds the functions.
			for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOSUMDB", "GOTOOLCHAIN"} {
				value, err := exec.Command("go", "env", name).Output()
				if err != nil {
					return err
				}
				env.Setenv(name, strings.TrimSpace(string(value)))
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a command that has to exit with a code: exits 2 wifmint validate x.
// Its output is for stdout and stderr, as that of exec is.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command...")
	}
	var exit *exec.ExitError
	got := 0
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("running %s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("%s exited with %d, not %d; standard error:\n%s", args[1], got, want, ts.ReadFile("stderr"))
	}
}

// The README's example of validate is what validate prints.
func TestREADMEShowsWhatValidateSays(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	w := &world{ctx: t.Context(), stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
	if code := run([]string{"validate", "testdata/broken.json"}, w); code != exitUsage {
		t.Errorf("exit %d", code)
	}
	want := stdout.String() + strings.ReplaceAll(stderr.String(), "testdata/", "")
	if !strings.Contains(string(readme), "validate broken.json\n"+want) {
		t.Errorf("the README does not show:\n%s", want)
	}
}
