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
	"github.com/wifmint/wifmint/pkg/secret"
)

func TestADueTokenCostsOneGetAndOnePut(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.holding(t, "s", w.minted(1))
	w.pass(30 * time.Minute)
	store := newStore(w.cloud)

	current := read(t, store, "s")
	next := w.minted(2)
	got, err := store.Write(t.Context(), current, next, w.due)
	if err != nil {
		t.Fatal(err)
	}
	w.wantCalls(t, "GetSecretValue PutSecretValue")

	if got.Outcome != Written || !equalTokens(got.Current.Token, next) || !equalTokens(w.stored(t, "s"), next) {
		t.Errorf("got %+v, want %v written", got, next)
	}
	again := read(t, store, "s")
	if got.Current.VersionID == current.VersionID || got.Current.VersionID != again.VersionID || got.Current.ARN != again.ARN || got.Current.SecretID != "s" {
		t.Errorf("got %+v, a fresh read gives %+v", got.Current, again)
	}
}

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

func TestOfConcurrentCreatorsExactlyOneCreates(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T, *world, string){
		"the secret does not exist":      func(*testing.T, *world, string) {},
		"the secret exists but is empty": createEmpty,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			store := newStore(w.cloud)
			store.Create = true
			for round := range 20 {
				name := fmt.Sprintf("s%d", round)
				prepare(t, w, name)
				results, errs := make([]WriteResult, 4), make([]error, 4)
				var wg sync.WaitGroup
				for i := range results {
					wg.Go(func() {
						results[i], errs[i] = store.Write(context.Background(), Current{SecretID: name}, w.minted(i), w.due)
					})
				}
				wg.Wait()
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				if ids := versionIDs(t, w, name); len(ids) != 1 {
					t.Fatalf("versions %v, want one", ids)
				}
				stored := w.stored(t, name)
				for _, r := range results {
					if r.Current.VersionID == "" || !equalTokens(r.Current.Token, stored) {
						t.Fatalf("a writer ended %+v, but the secret holds %v", r, stored)
					}
				}
			}
		})
	}
}

func TestAWorseTokenNeverReplacesABetterOne(t *testing.T) {
	t.Parallel()
	w := newWorld()
	good := w.minted(1)
	for name, tc := range map[string]struct {
		next Token
		want Outcome
	}{
		"one that expires sooner":              {change(good, func(t *Token) { t.Value, t.Expiry = secret.New("x"), t.Expiry.Add(-time.Second) }), Superseded},
		"one that expires at the same time":    {change(good, func(t *Token) { t.Value = secret.New("x") }), Superseded},
		"one that expires later in the second": {change(good, func(t *Token) { t.Value, t.Expiry = secret.New("x"), t.Expiry.Add(time.Second-1) }), Superseded},
		"one that expires later":               {change(good, func(t *Token) { t.Value, t.Expiry = secret.New("x"), t.Expiry.Add(time.Second) }), Written},
		"a sooner one with other scopes": {change(good, func(t *Token) {
			t.Value, t.Expiry, t.Scopes = secret.New("x"), t.Expiry.Add(-time.Minute), []string{"b"}
		}), Written},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.holding(t, "s", good)
			store := newStore(w.cloud)
			current := read(t, store, "s")
			w.cloud.ResetCalls()

			got, err := store.Write(t.Context(), current, tc.next, func(Current) bool { return true })
			if err != nil || got.Outcome != tc.want {
				t.Fatalf("got %+v, %v, want outcome %d", got, err, tc.want)
			}
			if tc.want == Superseded {
				w.wantCalls(t, "")
				if !equalTokens(got.Current.Token, good) || !equalTokens(w.stored(t, "s"), good) {
					t.Errorf("got %+v, the secret holds %v, want %v", got, w.stored(t, "s"), good)
				}
			}
		})
	}
}

// A token that was put there by hand, or by a machine whose clock was wrong, must
// not keep good ones out for years.
func TestATokenThatClaimsTooMuchIsNotABetterOne(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		minted, expiry time.Duration // of the stored token, from now
		want           Outcome
	}{
		"minted tomorrow":                {24 * time.Hour, 25 * time.Hour, Written},
		"good for twenty years":          {0, 20 * 365 * 24 * time.Hour, Written},
		"minted by a clock that is fast": {4 * time.Minute, time.Hour + 4*time.Minute, Superseded},
		"good for Google's twelve hours": {0, 12 * time.Hour, Superseded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			claims := change(w.minted(1), func(t *Token) { t.MintedAt, t.Expiry = w.now.Add(tc.minted), w.now.Add(tc.expiry) })
			w.holding(t, "s", claims)
			store := newStore(w.cloud)
			next := w.minted(2)
			got, err := store.Write(t.Context(), read(t, store, "s"), next, func(Current) bool { return true })
			if err != nil || got.Outcome != tc.want {
				t.Fatalf("got %+v, %v, want outcome %d", got, err, tc.want)
			}
			if want := map[Outcome]Token{Written: next, Superseded: claims}[tc.want]; !equalTokens(w.stored(t, "s"), want) {
				t.Errorf("the secret holds %v, want %v", w.stored(t, "s"), want)
			}
		})
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
			w := newWorld()
			w.holding(t, "s", w.minted(1))
			w.pass(time.Hour)
			store := newStore(w.cloud)
			current := read(t, store, "s")
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

func TestARepeatedWriteThatWasReplacedMeanwhileEndsSuperseded(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.holding(t, "s", w.minted(1))
	w.pass(time.Hour)
	store := newStore(w.cloud)
	first := read(t, store, "s")
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

func TestAWriteWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	reset := fakecloud.Fault{Service: "secretsmanager", Operation: "PutSecretValue", Reset: true, AfterEffect: true}
	for name, tc := range map[string]struct {
		fault fakecloud.Fault
		times int
		calls string
		code  string // "" when the write ends well
	}{
		"once is repeated without a second effect": {reset, 1, "PutSecretValue PutSecretValue", ""},
		"once by a 503 is repeated likewise": {
			fakecloud.Fault{Operation: "PutSecretValue", Status: 503, Body: "<html>", AfterEffect: true}, 1, "PutSecretValue PutSecretValue", ""},
		"once by a cut body is repeated likewise": {
			fakecloud.Fault{Operation: "PutSecretValue", TruncateBody: 10}, 1, "PutSecretValue PutSecretValue", ""},
		"once by a hang is repeated likewise": {
			fakecloud.Fault{Operation: "PutSecretValue", Hang: true, AfterEffect: true}, 1, "PutSecretValue PutSecretValue", ""},
		"every time is an error that says try again": {reset, 0, "PutSecretValue PutSecretValue PutSecretValue", "Unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.holding(t, "s", w.minted(1))
				w.pass(time.Hour)
				store := newStore(w.cloud)
				current := read(t, store, "s")
				w.cloud.ResetCalls()
				tc.fault.Times = tc.times
				w.cloud.Fault(tc.fault)

				next := w.minted(2)
				got, err := store.Write(t.Context(), current, next, w.due)
				w.wantCalls(t, tc.calls)
				if tc.code != "" {
					wantError(t, err, tc.code, true)
				} else if err != nil || got.Outcome != Written {
					t.Errorf("got %+v, %v, want it written", got, err)
				}
				if ids := versionIDs(t, w, "s"); len(ids) != 2 || !equalTokens(w.stored(t, "s"), next) {
					t.Errorf("the secret holds %v in versions %v, want %v in two", w.stored(t, "s"), ids, next)
				}
				if fresh := read(t, store, "s"); w.due(fresh) {
					t.Errorf("the next run would find it due: %+v", fresh)
				}
			})
		})
	}
}

// The first try fails without effect, somebody else writes, and the SDK's second
// try is refused.
func TestAConflictOnARetryIsASuperseding(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.holding(t, "s", w.minted(1))
		w.pass(time.Hour)
		store := newStore(w.cloud)
		current := read(t, store, "s")
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

func TestCreatingASecret(t *testing.T) {
	t.Parallel()
	w := newWorld()
	store := newStore(w.cloud)
	store.Create, store.KMSKeyID, store.Description = true, "alias/tokens", "kept fresh by wifmint"
	store.Tags = map[string]string{"team": "data", "stage": ""}

	next := w.minted(1)
	got, err := store.Write(t.Context(), read(t, store, "wifmint/new"), next, w.due)
	if err != nil {
		t.Fatal(err)
	}
	w.wantCalls(t, "GetSecretValue PutSecretValue CreateSecret")
	if again := read(t, store, "wifmint/new"); got.Outcome != Written || got.Current.ARN != again.ARN || got.Current.VersionID != again.VersionID ||
		!equalTokens(got.Current.Token, next) || !equalTokens(again.Token, next) {
		t.Errorf("got %+v, a fresh read gives %+v", got, again)
	}
	s, _ := w.cloud.Secret("wifmint/new")
	if s.KMSKeyID != store.KMSKeyID || s.Description != store.Description || len(s.Tags) != 2 || s.Tags["team"] != "data" {
		t.Errorf("created %+v", s)
	}
}

func TestASecretWithoutAValueNeedsNoPermissionToCreate(t *testing.T) {
	t.Parallel()
	w := newWorld()
	createEmpty(t, w, "s")
	w.cloud.ResetCalls()
	store := newStore(w.cloud)
	got, err := store.Write(t.Context(), read(t, store, "s"), w.minted(1), w.due)
	if err != nil || got.Outcome != Written {
		t.Fatalf("got %+v, %v", got, err)
	}
	w.wantCalls(t, "GetSecretValue PutSecretValue")
}

func TestACreationWhoseAnswerIsLostIsRepeatedWithoutASecondEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.cloud.Fault(fakecloud.Fault{Operation: "CreateSecret", Times: 1, Status: 500, AfterEffect: true})
		store := newStore(w.cloud)
		store.Create = true
		got, err := store.Write(t.Context(), Current{SecretID: "s"}, w.minted(1), w.due)
		if err != nil || got.Outcome != Written || len(versionIDs(t, w, "s")) != 1 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// Some of AWS's imitations answer a repeated creation so.
func TestOurOwnTokenFoundAfterAConflictWasWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.cloud.Fault(fakecloud.Fault{Operation: "CreateSecret", Times: 1, Status: 400, AfterEffect: true,
			Body: `{"__type":"ResourceExistsException","message":"The operation failed because the secret s already exists."}`})
		store := newStore(w.cloud)
		store.Create = true
		next := w.minted(1)
		got, err := store.Write(t.Context(), Current{SecretID: "s"}, next, w.due)
		if err != nil || got.Outcome != Written || !equalTokens(got.Current.Token, next) || got.Current.VersionID == "" {
			t.Errorf("got %+v, %v, want it written", got, err)
		}
	})
}

func TestAMissingSecretIsNotCreatedUnlessAllowed(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gone-AbCdEf"
	for name, tc := range map[string]struct {
		create bool
		id     string
	}{
		"not allowed":   {false, "s"},
		"only an ARN":   {true, arn},
		"neither of it": {false, arn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			store := newStore(w.cloud)
			store.Create = tc.create
			_, err := store.Write(t.Context(), read(t, store, tc.id), w.minted(1), w.due)
			e := wantError(t, err, "NotFound", false)
			if !strings.Contains(e.Error(), `"create_secrets": true`) || e.SecretID != tc.id {
				t.Errorf("got %v", e)
			}
			w.wantCalls(t, "GetSecretValue PutSecretValue")
			if len(w.cloud.Secrets()) != 0 {
				t.Error("a secret was created")
			}
		})
	}
}

func TestWhatIsNoStoredTokenIsReplacedAndKeptAsThePreviousVersion(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.cloud.PutSecret("s", `{"username":"admin"}`)
	store := newStore(w.cloud)
	next := w.minted(1)
	got, err := store.Write(t.Context(), read(t, store, "s"), next, w.due)
	if err != nil || got.Outcome != Written || !equalTokens(w.stored(t, "s"), next) {
		t.Fatalf("got %+v, %v", got, err)
	}
	s, _ := w.cloud.Secret("s")
	if previous, ok := s.Labelled("AWSPREVIOUS"); !ok || previous.Value != `{"username":"admin"}` {
		t.Errorf("the previous version is %+v", previous)
	}
}

func TestATokenThatCannotBeStoredCostsNoCall(t *testing.T) {
	t.Parallel()
	w := newWorld()
	store := newStore(w.cloud)
	for code, token := range map[string]Token{
		"TooLarge":     change(w.minted(1), func(t *Token) { t.Value = secret.New(planted + strings.Repeat("x", MaxSize)) }),
		"InvalidToken": change(w.minted(1), func(t *Token) { t.Value = secret.Text{} }),
	} {
		_, err := store.Write(t.Context(), Current{SecretID: "s"}, token, w.due)
		wantError(t, err, code, false)
	}
	w.wantCalls(t, "")
}

func TestRequestTokensAreAPromiseToOtherReleases(t *testing.T) {
	t.Parallel()
	// Computed with another language's SHA-256 and UUID.
	current := Current{SecretID: "s", ARN: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s-AbCdEf", VersionID: "v1"}
	for _, tc := range []struct {
		current Current
		counter int
		want    string
	}{
		{current, 0, "8d4c7401-b821-8311-9d77-85708e46d230"},
		{current, 1, "23a93132-4289-8340-9372-42a50b41527b"},
		{Current{SecretID: "s"}, 0, "ba2d1daa-f1e3-80e8-beaf-ed24a9294a60"},
		// A secret that holds nothing tells no ARN, whichever way it was asked for.
		{Current{SecretID: current.ARN}, 0, "ba2d1daa-f1e3-80e8-beaf-ed24a9294a60"},
		{Current{SecretID: strings.TrimSuffix(current.ARN, "-AbCdEf")}, 0, "ba2d1daa-f1e3-80e8-beaf-ed24a9294a60"},
	} {
		got := requestToken(tc.current, tc.counter)
		if got != tc.want {
			t.Errorf("requestToken(%v, %d) = %q, want %q", tc.current, tc.counter, got, tc.want)
		}
	}
}
