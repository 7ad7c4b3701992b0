package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/lambdaapi"
)

func TestTheFunctionGetsTokensInItsInitialisationAndInInvocations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("ya29.first", time.Hour)
	e := w.start()
	w.put("ya29.second", time.Hour)
	for range 3 {
		got := w.invoke(e)
		for when, a := range map[string]answer{"the initialisation": got.Init, "the invocation": got.Now} {
			if a.Status != http.StatusOK || a.Token != "ya29.first" || a.ExpiresIn < 3500 || a.ExpiresIn > 3600 {
				t.Errorf("in %s the answer was %+v", when, a)
			}
		}
	}
	if reads := w.cloud.Count("secretsmanager", "GetSecretValue"); reads != 1 {
		t.Errorf("the secret was read %d times", reads)
	}
	if out := w.collected(); out != "" {
		t.Errorf("it printed %s", out)
	}
}

func TestNothingIsReadForAFunctionThatAsksForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.function.Env["GCE_METADATA_HOST"] = "127.0.0.1:1"
	e := w.start()
	w.invoke(e)
	if calls := w.cloud.Calls(); len(calls) != 0 {
		t.Errorf("there were %d calls", len(calls))
	}
	if want := `"GCE_METADATA_HOST":"` + w.function.Env["WIFMINT_METADATA_ADDR"] + `"`; !strings.Contains(w.collected(), want) {
		t.Errorf("no warning tells to set %s:\n%s", want, w.collected())
	}
}

// A token is given out as long as it has half a minute left, which these have at
// first and not after the freeze. With WIFMINT_REQUIRE=all the freeze outlasts them.
func TestAfterAThawTheFirstAnswerIsAFreshTokenOrAnError(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("freezes the processes by signals")
	}
	const life = 33 * time.Second
	frozen := 4 * time.Second
	if os.Getenv("WIFMINT_REQUIRE") == "all" {
		frozen = life + 2*time.Second
	}
	for name, refreshed := range map[string]bool{"the secret holds a fresh one": true, "the secret holds the same": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.function.Freeze = true
			w.put("ya29.old", life)
			e := w.start()
			if got := w.invoke(e); got.Now.Token != "ya29.old" {
				t.Fatalf("before the freeze the answer was %+v", got.Now)
			}
			time.Sleep(frozen) // the processes are stopped: there is no clock of theirs to turn
			if refreshed {
				w.put("ya29.fresh", time.Hour)
			}
			got := w.invoke(e).Now
			if refreshed && (got.Token != "ya29.fresh" || got.ExpiresIn < 3500) {
				t.Errorf("the answer was %+v", got)
			}
			if !refreshed && (got.Token != "" || got.Status != http.StatusServiceUnavailable) {
				t.Errorf("the answer was %+v", got)
			}
		})
	}
}

func TestItEndsWithoutAnErrorWhenLambdaEndsIt(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a shell tells the exit status")
	}
	w := newWorld(t)
	w.put("ya29.first", time.Hour)
	shell := filepath.Join(t.TempDir(), name)
	script := fmt.Sprintf("#!/bin/sh\n%q\necho it ended with $?\n", extensionPath(t))
	if err := os.WriteFile(shell, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	w.function.Extensions = []string{shell}
	e := w.start()
	w.invoke(e)
	begun := time.Now()
	e.Close()
	if got := w.collected(); got != "it ended with 0\n" {
		t.Errorf("the output is %q", got)
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestAWrongEnvironmentFailsTheStartAndSaysWhatToWrite(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for _, test := range []struct{ name, variable, value, want string }{
		{"no secret", "WIFMINT_SECRETS", "", "write the names or ARNs of the secrets"},
		{"an empty name", "WIFMINT_SECRETS", "a, ", "reading WIFMINT_SECRETS: making the metadata server: a secret's name is empty"},
		{"a name twice", "WIFMINT_SECRETS", "a, a", "is named twice"},
		{"every interface", "WIFMINT_METADATA_ADDR", "0.0.0.0:2774", "loopback address, such as 127.0.0.1:2774"},
		{"no port", "WIFMINT_METADATA_ADDR", "127.0.0.1", "such as 127.0.0.1:2774"},
		{"a port that is taken", "WIFMINT_METADATA_ADDR", taken.Addr().String(), "reading WIFMINT_METADATA_ADDR: listening for metadata requests"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.function.Env[test.variable] = test.value
			e, err := lambdaapi.Start(t.Context(), w.function)
			if err == nil {
				e.Close()
				t.Fatal("the function starts")
			}
			w.collect(err.Error())
			for _, want := range []string{"Extension.InitError", "wifmint-metadata: exit status 1", "Extension.ConfigError", test.want} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			if out := w.collected(); strings.Count(out, test.want) != 2 {
				t.Errorf("the log does not tell the reason too:\n%s", out)
			}
		})
	}
}
