package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func TestOfConcurrentWritersExactlyOneWrites(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ writers, rounds int }{{2, 1000}, {8, 40}} {
		t.Run(fmt.Sprintf("%d writers in %d rounds", tc.writers, tc.rounds), func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.holding(t, "s", w.minted(0))
			store := newStore(w.cloud)
			for round := range tc.rounds {
				w.pass(21 * time.Minute) // due again; and old versions are removed as they age
				before := len(w.cloud.Calls())
				oneWritesOthersAreSuperseded(t, w, store, tc.writers, round)
				effects := 0
				for _, c := range w.cloud.Calls()[before:] {
					if c.Operation == "PutSecretValue" && c.Err == "" {
						effects++
					}
				}
				if effects != 1 {
					t.Fatalf("round %d: %d puts took effect, want 1", round, effects)
				}
				if round%100 == 99 {
					w.cloud.ResetCalls()
				}
			}
		})
	}
}

// oneWritesOthersAreSuperseded has writers that saw the same version write at once.
func oneWritesOthersAreSuperseded(t *testing.T, w *world, store *Store, writers, round int) {
	t.Helper()
	current := read(t, store, "s")
	if !w.due(current) {
		t.Fatalf("round %d: the token is not due", round)
	}
	results, errs := make([]WriteResult, writers), make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			results[i], errs[i] = store.Write(context.Background(), current, w.minted(1000*round+i), w.due)
		})
	}
	wg.Wait()

	if err := errors.Join(errs...); err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	written := 0
	stored := w.stored(t, "s")
	for _, r := range results {
		if r.Outcome == Written {
			written++
		}
		if !equalTokens(r.Current.Token, stored) {
			t.Fatalf("round %d: a writer ended %v with %v, but the secret holds %v", round, r.Outcome, r.Current.Token, stored)
		}
	}
	if written != 1 {
		t.Fatalf("round %d: %d writers think they wrote, want 1", round, written)
	}
}

func TestAConflictIsDecidedByWhatTheSecretHoldsNow(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		// other is the token that somebody else wrote first.
		other func(*Token)
		due   bool
		want  Outcome
	}{
		"a token that is not due stands":                       {func(*Token) {}, false, Superseded},
		"a token that is due but expires later stands":         {func(t *Token) { t.Expiry = t.Expiry.Add(time.Minute) }, true, Superseded},
		"a token that is due and expires sooner goes":          {func(t *Token) { t.Expiry = t.Expiry.Add(-time.Minute) }, true, Written},
		"a due token for somebody else goes":                   {func(t *Token) { t.Principal, t.Expiry = "x", t.Expiry.Add(time.Hour) }, true, Written},
		"a token for somebody else that is not due stands too": {func(t *Token) { t.Principal = "x" }, false, Superseded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, store, current := dueWorld(t)
			other := change(w.minted(2), tc.other)
			if _, err := store.Write(t.Context(), current, other, w.due); err != nil {
				t.Fatal(err)
			}
			w.cloud.ResetCalls()

			next := w.minted(3)
			got, err := store.Write(t.Context(), current, next, func(c Current) bool {
				if c.VersionID == current.VersionID || !equalTokens(c.Token, other) {
					t.Errorf("due was asked about %+v", c)
				}
				return tc.due
			})
			if err != nil || got.Outcome != tc.want {
				t.Fatalf("got %+v, %v, want outcome %d", got, err, tc.want)
			}
			want, calls := other, "PutSecretValue GetSecretValue"
			if tc.want == Written {
				want, calls = next, calls+" PutSecretValue"
			}
			w.wantCalls(t, calls)
			if !equalTokens(got.Current.Token, want) || !equalTokens(w.stored(t, "s"), want) {
				t.Errorf("got %+v, the secret holds %v, want %v", got, w.stored(t, "s"), want)
			}
		})
	}
}

// The first try fails without effect, somebody else writes, and the SDK's second
// try is refused.
func TestAConflictOnARetryIsASuperseding(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store, current := dueWorld(t)
		theirs := w.minted(2)
		w.cloud.Fault(fakecloud.Fault{Operation: "PutSecretValue", Times: 1, Status: 500})
		w.cloud.OnCall(func(c fakecloud.Call) {
			if c.Status == 500 {
				if _, err := newStore(w.cloud).Write(context.Background(), current, theirs, w.due); err != nil {
					t.Error(err)
				}
			}
		})
		got, err := store.Write(t.Context(), current, w.minted(3), w.due)
		if err != nil || got.Outcome != Superseded || !equalTokens(got.Current.Token, theirs) {
			t.Errorf("got %+v, %v, want it superseded by %v", got, err, theirs)
		}
	})
}

func TestARepeatedWriteThatWasReplacedMeanwhileEndsSuperseded(t *testing.T) {
	t.Parallel()
	w, store, first := dueWorld(t)
	mine := w.minted(2)
	if _, err := store.Write(t.Context(), first, mine, w.due); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Hour)
	theirs := w.minted(3)
	if _, err := store.Write(t.Context(), read(t, store, "s"), theirs, w.due); err != nil {
		t.Fatal(err)
	}

	// Secrets Manager calls this put a success and does nothing.
	got, err := store.Write(t.Context(), first, mine, w.due)
	if err != nil || got.Outcome != Superseded || !equalTokens(got.Current.Token, theirs) || !equalTokens(w.stored(t, "s"), theirs) {
		t.Errorf("got %+v, %v, want it superseded by %v", got, err, theirs)
	}
}

func TestALabelMovedBackDoesNotStopTheWrites(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.holding(t, "s", w.minted(0))
	store := newStore(w.cloud)
	for i := range maxRounds - 1 {
		w.pass(time.Hour)
		next := w.minted(i + 1)
		got, err := store.Write(t.Context(), read(t, store, "s"), next, w.due)
		if err != nil || got.Outcome != Written || !equalTokens(w.stored(t, "s"), next) {
			t.Fatalf("after moving the label back %d times: %+v, %v", i, got, err)
		}
		moveLabelBack(t, w, "s")
	}
	w.pass(time.Hour)
	if _, err := store.Write(t.Context(), read(t, store, "s"), w.minted(100), w.due); err != nil {
		t.Fatal(err)
	}
	moveLabelBack(t, w, "s")

	w.pass(time.Hour)
	current := read(t, store, "s")
	_, err := store.Write(t.Context(), current, w.minted(101), w.due)
	e := wantError(t, err, "Contention", true)
	if !strings.Contains(e.Message, current.VersionID) || !strings.Contains(e.Message, "by hand") {
		t.Errorf("the message does not tell the way out: %s", e.Message)
	}

	// Which it does: any new version starts anew.
	w.cloud.PutSecret("s", "anything")
	if got, err := store.Write(t.Context(), read(t, store, "s"), w.minted(102), w.due); err != nil || got.Outcome != Written {
		t.Errorf("got %+v, %v", got, err)
	}
}
