package lambdaapi

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAnInitialisationThatFailsFailsTheStart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ function, want string }{
		{"exit in init", "Runtime.ExitError: Runtime exited with error: exit status 7"},
		{"post init error", "Config.Wrong: no audience"},
	} {
		t.Run(test.function, func(t *testing.T) {
			t.Parallel()
			_, err := Start(t.Context(), function(t, test.function))
			var failed *FunctionError
			if !errors.As(err, &failed) || failed.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestAnInitialisationThatFailsAtAColdStartIsTheResult(t *testing.T) {
	t.Parallel()
	f := function(t, "echo")
	e := start(t, f)
	e.Kill()
	f.Env[functionVariable] = "exit in init" // the environment holds the same map
	result := invoke(t, e, `{}`)
	if result.Error == nil || result.Error.Type != "Runtime.ExitError" {
		t.Errorf("got %v", result.Error)
	}
}

func TestTheStartIsBoundedByItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Start(ctx, function(t, "hang in init")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestASlowInitialisationIsMeasured(t *testing.T) {
	t.Parallel()
	e := start(t, function(t, "slow init"))
	result := invoke(t, e, `{}`)
	if result.InitDuration < 150*time.Millisecond || result.InitDuration != e.InitDuration() {
		t.Errorf("init duration %v in the result, %v of the environment", result.InitDuration, e.InitDuration())
	}
}

func TestABootstrapThatCannotRunFailsTheStart(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(text, []byte("not a program"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]Function{
		"none given":    {},
		"missing":       {Bootstrap: filepath.Join(t.TempDir(), "bootstrap")},
		"not a program": {Bootstrap: text},
	} {
		if _, err := Start(t.Context(), f); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
