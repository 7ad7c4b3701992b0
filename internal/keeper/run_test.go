package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
)

func TestADueTargetCostsThreeCallsAndAFreshOneASingleCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		k := w.keeper()

		report := w.wantRun(k, Event{}, "minted")
		w.wantCalls("GetSecretValue token PutSecretValue")
		if got := report.Results[0]; *got.SecondsRemaining < 3590 || len(got.TokenSHA256) != 12 || got.VersionID == "" {
			t.Errorf("result %+v", got)
		}
		w.wantRun(k, Event{}, "fresh")
		w.wantCalls("GetSecretValue")

		time.Sleep(20 * time.Minute)
		w.wantRun(k, Event{}, "minted")
		w.wantCalls("GetSecretValue token PutSecretValue")
	})
}

func TestManyTargetsAreReadTwentyAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 45)
		k := w.keeper()
		report, err := w.run(t.Context(), k, Event{})
		if err != nil || report.Summary != (Summary{Targets: 45, Minted: 45}) {
			t.Fatalf("%+v, %v", report.Summary, err)
		}
		w.cloud.ResetCalls()
		report, err = w.run(t.Context(), k, Event{})
		if err != nil || report.Summary != (Summary{Targets: 45, Fresh: 45}) {
			t.Fatalf("%+v, %v", report.Summary, err)
		}
		w.wantCalls("BatchGetSecretValue BatchGetSecretValue BatchGetSecretValue")
	})
}

func TestOneTargetFailsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 3)
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "PutSecretValue", Resource: "s1", Status: 400,
			Body: `{"__type":"AccessDeniedException","Message":"no"}`})
		report, err := w.run(t.Context(), w.keeper(), Event{})
		if outcomes(report) != "minted failed minted" {
			t.Fatalf("got %s", outcomes(report))
		}
		var failed *RunError
		if !errors.As(err, &failed) {
			t.Fatalf("got %v, want a *RunError", err)
		}
		var message Report
		if err := json.Unmarshal([]byte(err.Error()), &message); err != nil {
			t.Fatal(err)
		}
		if len(message.Results) != 1 || message.Results[0].Target != "t1" || message.Summary.Minted != 2 {
			t.Errorf("the error's document is %s", err)
		}
		if e := message.Results[0].Error; e.Leg != "store" || e.Code != "AccessDeniedException" || e.Retryable || e.HTTPStatus != 400 {
			t.Errorf("failure %+v", e)
		}
	})
}

func TestGoogleGoesDownAndComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 2)
		k := w.keeper()
		w.wantRun(k, Event{}, "minted minted")
		before := w.stored("s0")
		time.Sleep(25 * time.Minute)

		back := w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Status: 503})
		report, err := w.run(t.Context(), k, Event{})
		if err == nil || outcomes(report) != "failed failed" {
			t.Fatalf("%s, %v", outcomes(report), err)
		}
		for _, r := range report.Results {
			if r.Error.Leg != "sts" || !r.Error.Retryable || r.Error.HTTPStatus != 503 {
				t.Errorf("failure %+v", r.Error)
			}
			if *r.SecondsRemaining < 30*60 {
				t.Errorf("the report does not tell the token that is still there: %+v", r)
			}
		}
		if after := w.stored("s0"); !after.Value.Equal(before.Value) {
			t.Error("the stored token changed while Google was down")
		}
		back()
		w.wantRun(k, Event{}, "minted minted")
	})
}

func TestAHangEndsBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ service, operation, leg string }{
		{"google-sts", "", "sts"},
		{"secretsmanager", "GetSecretValue", "store"},
		{"secretsmanager", "PutSecretValue", "store"},
	} {
		t.Run(tc.service+" "+tc.operation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newTestWorld(t, 1)
				w.cloud.Fault(fakecloud.Fault{Service: tc.service, Operation: tc.operation, Hang: true})
				ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
				defer cancel()
				report, err := w.run(ctx, w.keeper(), Event{})
				if ctx.Err() != nil {
					t.Fatal("the run outlived its deadline")
				}
				if err == nil || outcomes(report) != "failed" {
					t.Fatalf("%s, %v", outcomes(report), err)
				}
				if e := report.Results[0].Error; e.Leg != tc.leg || e.Code != "timeout" || !e.Retryable {
					t.Errorf("failure %+v", e)
				}
			})
		})
	}
}

func TestWhatThereIsNoTimeForIsDeferredEarliestExpiryFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 60)
		k := w.keeper()
		// Tokens minted in an order of their own: the last target's is the oldest.
		for i := 59; i >= 0; i-- {
			w.wantRun(k, Event{Targets: []string{fmt.Sprintf("t%d", i)}}, "minted")
			time.Sleep(2 * time.Second)
		}
		time.Sleep(30 * time.Minute)
		w.cloud.ResetCalls()
		w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Latency: time.Second})

		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		report, err := w.run(ctx, k, Event{})
		if err != nil {
			t.Fatalf("deferring is no failure: %v", err)
		}
		s := report.Summary
		if s.Minted == 0 || s.Deferred == 0 || s.Minted+s.Deferred != 60 {
			t.Fatalf("summary %+v", s)
		}
		// Exactly the oldest were taken: the last s.Minted targets of the document.
		for i, r := range report.Results {
			if want := i >= 60-s.Minted; (r.Outcome == Minted) != want {
				t.Errorf("t%d ended %s with %d minted", i, r.Outcome, s.Minted)
			}
		}
	})
}

func TestAPanicIsOneTargetsFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 3)
		k := w.keeper()
		k.Minting = minting(func(ctx context.Context, target Target) (MintedToken, error) {
			switch target.Name {
			case "t0":
				panic("with " + plantedKey)
			case "t1":
				var none []int
				_ = none[len(target.Name)]
			}
			return w.mint(ctx, target)
		})
		report, err := w.run(t.Context(), k, Event{})
		if err == nil || outcomes(report) != "failed failed minted" {
			t.Fatalf("%s, %v", outcomes(report), err)
		}
		if m := report.Results[1].Error.Message; !strings.Contains(m, "index out of range") {
			t.Errorf("the runtime's own panic is not told: %q", m)
		}
	})
}

func TestForceRefreshesWhatIsFresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		k := w.keeper()
		w.wantRun(k, Event{}, "minted")
		before := w.stored("s0")
		time.Sleep(time.Minute)
		w.wantRun(k, Event{Force: true}, "minted")
		if after := w.stored("s0"); after.Value.Equal(before.Value) {
			t.Error("the token is the same")
		}
	})
}

func TestAForcedWorseTokenIsNotStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		k := w.keeper()
		w.wantRun(k, Event{}, "minted")
		before := w.stored("s0")
		k.Minting = minting(func(context.Context, Target) (MintedToken, error) {
			return MintedToken{secret.New("ya29.worse"), time.Now().Add(10 * time.Minute)}, nil
		})
		w.wantRun(k, Event{Force: true}, "superseded")
		if after := w.stored("s0"); !after.Value.Equal(before.Value) {
			t.Error("a token that expires sooner replaced a better one")
		}
	})
}

func TestAChangedDocumentReplacesABetterTokenAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		w.wantRun(w.keeper(), Event{}, "minted")
		w.env.Config.Targets[0].Scopes = []string{bigquery}
		k := w.keeper()
		k.Minting = minting(func(context.Context, Target) (MintedToken, error) {
			return MintedToken{secret.New("ya29.narrow"), time.Now().Add(10 * time.Minute)}, nil
		})
		w.wantRun(k, Event{}, "minted")
		if got := w.stored("s0"); !slices.Equal(got.Scopes, []string{bigquery}) {
			t.Errorf("stored scopes %v", got.Scopes)
		}
	})
}

func TestAStoreThatFailsAfterThePutTookEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		k := w.keeper()
		// Every try of the first run fails after its effect.
		back := w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "PutSecretValue", Status: 500, AfterEffect: true})
		report, err := w.run(t.Context(), k, Event{})
		if err == nil || report.Results[0].Error.Leg != "store" || !report.Results[0].Error.Retryable {
			t.Fatalf("%+v, %v", report.Results[0], err)
		}
		back()
		w.wantRun(k, Event{}, "fresh")
		// One try fails after its effect: the SDK's retry is the same put.
		time.Sleep(25 * time.Minute)
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "PutSecretValue", Status: 500, AfterEffect: true, Times: 1})
		w.wantRun(k, Event{}, "minted")
	})
}

func TestTwoMintersAtOnceWriteOnce(t *testing.T) {
	t.Parallel()
	rounds := 1000
	if testing.Short() {
		rounds = 50
	}
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		a, b := w.keeper(), w.keeper()
		for round := range rounds {
			w.cloud.ResetCalls()
			var wg sync.WaitGroup
			reports := make([]*Report, 2)
			for i, k := range []*Keeper{a, b} {
				wg.Go(func() {
					var err error
					if reports[i], err = w.run(t.Context(), k, Event{}); err != nil {
						t.Errorf("round %d: %v", round, err)
					}
				})
			}
			wg.Wait()
			minted := 0
			for _, r := range reports {
				minted += r.Summary.Minted
			}
			if minted != 1 {
				t.Fatalf("round %d: %d minted: %s, %s", round, minted, outcomes(reports[0]), outcomes(reports[1]))
			}
			time.Sleep(25 * time.Minute)
		}
		if s, _ := w.cloud.Secret("s0"); len(s.Versions) > 150 {
			t.Errorf("%d versions are left", len(s.Versions))
		}
	})
}

func TestARunLogsEachTargetAndItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		w.wantRun(w.keeper(), Event{}, "minted")
		var kinds []string
		for line := range strings.Lines(w.output.String()) {
			var fields map[string]any
			if json.Unmarshal([]byte(line), &fields) != nil {
				continue
			}
			switch {
			case fields["_aws"] != nil:
				kinds = append(kinds, "metrics")
				if fields["function"] != "minter" || fields["target"] != "t0" || fields["SecondsRemaining"].(float64) < 3590 ||
					fields["Minted"] != 1.0 || fields["Failed"] != 0.0 || fields["MintLatency"] == nil {
					t.Errorf("metrics line %s", line)
				}
			case fields["msg"] != nil:
				kinds = append(kinds, fields["msg"].(string))
			}
		}
		if got := strings.Join(kinds, " "); got != "target metrics invocation" {
			t.Errorf("lines: %s", got)
		}
	})
}
