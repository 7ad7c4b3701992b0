package lambdaapi

import (
	"debug/buildinfo"
	"strings"
	"testing"
)

func TestBuildMakesWhatTheMakefileMakes(t *testing.T) {
	t.Parallel()
	bootstrap, err := Build(t.Context(), "../..", "./internal/lambdaapi/testdata/hello", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	for key, want := range map[string]string{"-tags": "lambda.norpc", "-trimpath": "true", "CGO_ENABLED": "0"} {
		if settings[key] != want {
			t.Errorf("%s is %q, want %q", key, settings[key], want)
		}
	}

	e, err := Start(t.Context(), Function{Bootstrap: bootstrap})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if result := invoke(t, e, `"you"`); string(result.Payload) != `"hello you"` {
		t.Errorf("answer %s, error %v", result.Payload, result.Error)
	}
}

func TestABuildThatFailsShowsWhatTheCompilerSaid(t *testing.T) {
	t.Parallel()
	_, err := Build(t.Context(), "../..", "./no/such/function", t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "no/such/function") || !strings.Contains(err.Error(), "directory not found") {
		t.Errorf("got %v", err)
	}
}
