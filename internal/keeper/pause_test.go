package keeper

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// pause is what a person's pause does, from a machine of its own.
func (w *testWorld) pause(secretID string) {
	_, err := w.env.Store.Pause(context.Background(), secretID, tokenstore.Pause{Target: "reports", At: time.Now().UTC(), Reason: "leaked"})
	if err != nil {
		w.t.Errorf("pausing: %v", err)
	}
}

func (w *testWorld) resume(secretID string) {
	w.t.Helper()
	if p, err := w.env.Store.Resume(context.Background(), secretID, time.Now()); p == nil || err != nil {
		w.t.Fatalf("resuming: %v, %v", p, err)
	}
}

// wantPaused checks that no label but AWSPENDING is on a token.
func (w *testWorld) wantPaused(secretID string) {
	w.t.Helper()
	for _, stage := range []string{"AWSCURRENT", "AWSPREVIOUS"} {
		current, err := w.env.Store.ReadStage(context.Background(), secretID, stage)
		if err != nil || current.VersionID != "" && current.Pause() == nil {
			w.t.Errorf("%s is no tombstone: %+v, %v", stage, current, err)
		}
	}
}

func TestAPausedTargetIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 2)
		k := w.keeper()
		w.wantRun(k, Event{}, "minted minted")
		w.pause("s1")
		for name, event := range map[string]Event{
			"a tick":         {Targets: []string{"t1"}},
			"one with force": {Targets: []string{"t1"}, Force: true},
		} {
			time.Sleep(3 * time.Hour) // the token of before has expired
			w.cloud.ResetCalls()
			report, err := w.run(t.Context(), k, event)
			if err != nil || report.Summary != (Summary{Targets: 1, Paused: 1}) || outcomes(report) != "paused" {
				t.Errorf("%s: %+v, %v", name, report, err)
			}
			w.wantCalls("GetSecretValue")
		}
		w.wantRun(k, Event{}, "minted paused")
		w.wantPaused("s1")

		w.resume("s1")
		w.wantRun(k, Event{}, "fresh minted")
	})
}

// What a pause looks like from outside: the response, the log, the metrics.
func TestAPausedTargetIsToldApartFromAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		k := w.keeper()
		w.wantRun(k, Event{}, "minted")
		report, _ := w.run(t.Context(), k, Event{})
		if b, _ := json.Marshal(report); strings.Contains(string(b), "paused") || strings.Contains(w.output.String(), "aused") {
			t.Errorf("nothing is paused, but it says so: %s\n%s", b, w.output.String())
		}
		w.pause("s0")
		before := len(w.output.String())
		report, _ = w.run(t.Context(), k, Event{})
		b, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		if want := `{"function":"minter","summary":{"targets":1,"minted":0,"fresh":0,"superseded":0,"failed":0,"deferred":0,"paused":1},` +
			`"results":[{"target":"t0","secret":"s0","outcome":"paused"}]}`; string(b) != want {
			t.Errorf("the response is\n%s\nwant\n%s", b, want)
		}
		told := w.output.String()[before:]
		for _, want := range []string{
			`"level":"WARN","msg":"target","function":"minter","target":"t0","secret":"s0","outcome":"paused","paused_at":"2000-01-01T00:00:00Z","reason":"leaked"}`,
			`"Metrics":[{"Name":"Minted","Unit":"Count"},{"Name":"Failed","Unit":"Count"},{"Name":"Paused","Unit":"Count"}]}]},"function":"minter","target":"t0","Minted":0,"Failed":0,"Paused":1}`,
		} {
			if !strings.Contains(told, want) {
				t.Errorf("neither log nor metrics have %s:\n%s", want, told)
			}
		}
	})
}

// Whatever call a run is at, a pause that happens then is the last word.
func TestAPauseWinsOverARunWhereverItCutsIn(t *testing.T) {
	t.Parallel()
	for cut, want := range []string{"paused", "paused", "paused", "minted"} {
		t.Run(fmt.Sprintf("after %d calls", cut), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newTestWorld(t, 1)
				k := w.keeper()
				w.wantRun(k, Event{}, "minted")
				time.Sleep(30 * time.Minute)
				w.atCall(cut, func() { w.pause("s0") })
				report, err := w.run(t.Context(), k, Event{})
				if err != nil || outcomes(report) != want {
					t.Errorf("got %+v, %v; want %s", report, err, want)
				}
				w.wantPaused("s0")
			})
		})
	}
}

// atCall has f happen after so many calls of the functions from now on.
func (w *testWorld) atCall(calls int, f func()) {
	if calls == 0 {
		f()
		return
	}
	n, done := 0, false
	w.cloud.OnCall(func(c fakecloud.Call) {
		if c.Service == "aws-sts" || done { // Google's
			return
		}
		if n++; n == calls {
			done = true
			f()
		}
	})
}

// A rotation under way when its secret is paused ends well, with the tombstone in
// place, nothing pending and the next one free to begin.
func TestARotationChangesNothingOfAPausedSecret(t *testing.T) {
	t.Parallel()
	const all = 13 // calls of a rotation, see TestARotationTakesFourSteps
	for cut := range all + 1 {
		t.Run(fmt.Sprintf("paused after %d calls", cut), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newRotatorWorld(t, accessTarget("reports"))
				k := w.rotator()
				w.wantRun(k, Event{}, "minted")
				time.Sleep(30 * time.Minute)
				version := w.startRotation("wifmint/reports")
				w.atCall(cut, func() { w.pause("wifmint/reports") })
				if err := w.rotateThrough(k, "wifmint/reports", version); err != nil {
					t.Error(err)
				}
				if cut == 0 {
					w.wantNoTokensSince(30 * time.Minute)
				}
				w.wantPaused("wifmint/reports")
				if labels := w.labels("wifmint/reports", version); strings.Contains(labels, "AWSPENDING") {
					t.Errorf("the version is labelled %s", labels)
				}
				if err := w.rotate(k, "finishSecret", "wifmint/reports", version); err != nil {
					t.Errorf("finishSecret once more: %v", err)
				}
				w.resume("wifmint/reports")
				if err := w.rotateThrough(k, "wifmint/reports", w.startRotation("wifmint/reports")); err != nil {
					t.Errorf("the rotation after resuming: %v", err)
				}
				w.stored("wifmint/reports")
			})
		})
	}
}

// wantNoTokensSince checks that Google has issued nothing lately.
func (w *testWorld) wantNoTokensSince(ago time.Duration) {
	w.t.Helper()
	for _, token := range w.cloud.IssuedTokens() {
		if time.Since(token.IssuedAt) < ago {
			w.t.Errorf("a token was minted: %s", token.Kind)
		}
	}
}

// Five runs, a rotation and a pause, all at once over a slow
// network, in any order: the pause is what stays.
func TestAPauseIsWhatStays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newRotatorWorld(t, accessTarget("reports"))
				k := w.rotator()
				w.wantRun(k, Event{}, "minted")
				time.Sleep(30 * time.Minute)
				version := w.startRotation("wifmint/reports")
				random := rand.New(rand.NewPCG(seed, 7))
				for _, late := range []time.Duration{7, 31, 110, 530} {
					w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Probability: random.Float64() / 2, Latency: late * time.Millisecond, AfterEffect: random.IntN(2) == 0})
				}
				var wg sync.WaitGroup
				for i := range 7 {
					late := time.Duration(random.IntN(700)) * time.Millisecond
					wg.Go(func() {
						time.Sleep(late)
						switch i {
						case 0:
							w.pause("wifmint/reports")
						case 1:
							if err := w.rotateThrough(k, "wifmint/reports", version); err != nil {
								t.Errorf("rotating: %v", err)
							}
						default:
							if _, err := w.run(t.Context(), w.rotator(), Event{}); err != nil {
								t.Errorf("running: %v", err)
							}
						}
					})
				}
				wg.Wait()
				w.wantPaused("wifmint/reports")
				w.wantRun(k, Event{Force: true}, "paused")
				w.resume("wifmint/reports")
				report, err := w.run(t.Context(), k, Event{})
				if err != nil || !slices.Contains([]string{"minted", "superseded"}, outcomes(report)) {
					t.Errorf("the run after resuming: %+v, %v", report, err)
				}
			})
		})
	}
}
