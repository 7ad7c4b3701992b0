package tokenstore

import (
	"strings"
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
				w, store, current := dueWorld(t)
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
	const secrets = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
	current := Current{SecretID: "s", ARN: secrets + "s-AbCdEf", VersionID: "v1"}
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
		// What is cut off, and what is not.
		{Current{SecretID: "app-AbCdEf"}, 0, "429e2595-1d67-82cc-8e41-d10ab80cea4d"},
		{Current{SecretID: secrets + "app-db/api"}, 0, "21afa2b3-05c1-82a1-9e8a-d8edb2f7d012"},
		{Current{SecretID: secrets + "-AbCdEf"}, 0, "b3ec24b5-0582-8de4-bce7-1777cb84f636"},
		{Current{SecretID: secrets + "s:t-AbCdEf"}, 0, "ba58206f-2f1b-88e9-b441-78b6d3cf4487"},
		{Current{SecretID: "x" + current.ARN[1:]}, 0, "74255afd-d8d0-8e7b-940b-6d8ad52121dc"},
		{Current{SecretID: "arn:aws:secretsmanager:eu-west-1:123456789012:secret"}, 0, "411f4f82-ab1e-8015-8bbd-0ee5f417869c"},
	} {
		got := requestToken(tc.current, tc.counter)
		if got != tc.want {
			t.Errorf("requestToken(%v, %d) = %q, want %q", tc.current, tc.counter, got, tc.want)
		}
	}
}
