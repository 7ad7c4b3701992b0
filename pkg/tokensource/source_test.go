package tokensource_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

func TestWhatASecretMayHoldInsteadOfAToken(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		prepare func(*world)
		says    string
	}{
		"no such secret":            {func(*world) {}, "does not exist or holds nothing yet"},
		"a password":                {func(w *world) { w.cloud.PutSecret(name, planted) }, "not JSON"},
		"a newer version's token":   {func(w *world) { w.cloud.PutSecret(name, `{"version":2}`) }, "newer wifmint"},
		"a token that has expired":  {func(w *world) { w.holds(w.minted(1)); time.Sleep(2 * time.Hour) }, "last token's expiry: 2000-01-01T01:00:00Z"},
		"a token that soon expires": {func(w *world) { w.holds(w.minted(1)); time.Sleep(time.Hour - 29*time.Second) }, "less than 30s left"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				tc.prepare(w)
				_, err := w.source().Token(t.Context())
				if e := wantError(t, err, true, tc.says); e.Secret != name || !strings.Contains(e.Error(), name) {
					t.Errorf("%v does not name the secret", e)
				}
			})
		})
	}
}

func TestASourceWithoutASecretSaysSo(t *testing.T) {
	t.Parallel()
	_, err := new(tokensource.Source).Token(t.Context())
	wantError(t, err, false, "Source.Secret is empty")
}

func TestTokensByKindAndAudience(t *testing.T) {
	t.Parallel()
	const audience = "https://api.example.run.app"
	w := newWorld()
	id := w.idToken(audience)
	w.holds(id)
	source := w.source()
	wantToken(t, id)(source.Token(t.Context()))
	wantToken(t, id)(source.IDToken(t.Context(), audience))
	_, err := source.IDToken(t.Context(), audience+"/")
	wantError(t, err, false, `an ID token for "https://api.example.run.app", not for "https://api.example.run.app/"`)

	w.holds(w.minted(1))
	_, err = w.source().IDToken(t.Context(), audience)
	wantError(t, err, false, "an access token of reports@p.iam.gserviceaccount.com, not an ID token")
	_, err = (&tokensource.Source{Secret: "other", Reader: w.store()}).IDToken(t.Context(), audience)
	wantError(t, err, true, "does not exist")
}

func TestAnotherAudienceOfTheTargetIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const old, next = "https://old.example.run.app", "https://next.example.run.app"
		w := newWorld()
		w.holds(w.idToken(old))
		source := w.source()
		_, err := source.IDToken(t.Context(), next)
		wantError(t, err, false, "not for")
		token := w.idToken(next)
		w.holds(token)
		time.Sleep(5 * time.Second)
		wantToken(t, token)(source.IDToken(t.Context(), next))

		w.cloud.ResetCalls()
		for range 1000 {
			_, err := source.IDToken(t.Context(), old)
			wantError(t, err, false, "not for")
		}
		if n := w.reads(); n > 1 {
			t.Errorf("%d reads, want one in five seconds at most", n)
		}
	})
}

func TestAReadThatWasGivenUpDoesNotReplaceItsSuccessors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		stale, renewed := w.minted(1), w.minted(2)
		stale.Principal = "former@p.iam.gserviceaccount.com"
		var reads atomic.Int32
		// It pays no attention to its context.
		source := &tokensource.Source{Secret: name, Reader: readerFunc(func(context.Context, string) (tokenstore.Current, error) {
			token := renewed
			if reads.Add(1) == 1 {
				token = stale
				time.Sleep(10 * time.Second)
			}
			return tokenstore.Current{SecretID: name, ARN: "arn", VersionID: "v", Token: token}, nil
		})}
		hasty, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := source.Token(hasty); err == nil {
			t.Error("no error for who gave up")
		}
		wantToken(t, renewed)(source.Token(t.Context()))
		time.Sleep(time.Minute)
		wantToken(t, renewed)(source.Token(t.Context()))
	})
}

func TestTheBetterOfTwoTokens(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		change func(*tokenstore.Token)
		better bool // than the stale one
	}{
		"one that lives longer":                {func(t *tokenstore.Token) { t.Expiry = t.Expiry.Add(time.Second) }, true},
		"one that does not":                    {func(t *tokenstore.Token) { t.Expiry = t.Expiry.Add(-time.Second) }, false},
		"another account's, even if it dies":   {func(t *tokenstore.Token) { t.Principal, t.Expiry = "x@p", t.Expiry.Add(-time.Second) }, true},
		"one with fewer scopes, if it does":    {func(t *tokenstore.Token) { t.Scopes, t.Expiry = []string{"x"}, t.Expiry.Add(-time.Second) }, true},
		"one with less than 30 s, whosesoever": {func(t *tokenstore.Token) { t.Principal, t.Expiry = "x@p", t.Expiry.Add(-time.Minute) }, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, stale, source := cachedWorld(t)
				other := w.minted(2)
				tc.change(&other)
				w.holds(other)
				passUntilLeft(stale, 60*time.Second)
				want := stale
				if tc.better {
					want = other
				}
				wantToken(t, want)(source.Token(t.Context()))
			})
		})
	}
}

// After a change to the config document AWSPREVIOUS is a token that nobody should
// have any more.
func TestAWSPREVIOUSStandsInForTheSameIdentityOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		before := w.minted(1)
		before.Scopes = []string{"https://www.googleapis.com/auth/cloud-platform"}
		before.Expiry = before.Expiry.Add(time.Hour)
		w.holds(before)
		w.holds(w.minted(2))
		time.Sleep(time.Hour)
		_, err := w.source().Token(t.Context())
		wantError(t, err, true, "less than 30s left")
	})
	synctest.Test(t, func(t *testing.T) {
		w, _, source := cachedWorld(t)
		time.Sleep(time.Hour)
		wide := w.minted(2)
		wide.Scopes = []string{"https://www.googleapis.com/auth/cloud-platform"}
		w.holds(wide)
		w.cloud.PutSecret(name, planted)
		_, err := source.Token(t.Context())
		wantError(t, err, true, "not JSON")
		wantToken(t, wide)(w.source().Token(t.Context())) // who never had another
	})
}

// One that claims to be good for years is used, and soon replaced.
func TestAnIncredibleTokenKeepsNoOtherOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		byHand := w.minted(1)
		byHand.Expiry = byHand.Expiry.AddDate(100, 0, 0)
		w.holds(byHand)
		source := w.source()
		wantToken(t, byHand)(source.Token(t.Context()))
		wantToken(t, byHand)(source.Token(t.Context()))
		minted := w.minted(2)
		w.holds(minted)
		time.Sleep(5 * time.Second)
		wantToken(t, minted)(source.Token(t.Context()))
	})
}

// frozen is a Reader and a clock: the process is frozen for a while after Secrets
// Manager has answered, and before anybody looks at the answer.
type frozen struct {
	token    tokenstore.Token
	now      time.Time
	sleeping time.Duration
}

func (f *frozen) ReadStage(context.Context, string, string) (tokenstore.Current, error) {
	return tokenstore.Current{VersionID: "1", Token: f.token}, nil
}

// Now falls asleep once it was asked so often.
func (f *frozen) clock(asked int) func() time.Time {
	return func() time.Time {
		if asked--; asked == 0 {
			f.now = f.now.Add(f.sleeping)
		}
		return f.now
	}
}

// Whenever the process is frozen, the first answer after the thaw is fresh or an error.
func TestNoFreezeLetsAnExpiredTokenThrough(t *testing.T) {
	t.Parallel()
	w := newWorld()
	token := w.minted(1)
	for left, from := range map[string]time.Duration{"a cold start": 0, "a stale token": time.Hour - 100*time.Second, "an old one": time.Hour - 20*time.Second} {
		t.Run(left, func(t *testing.T) {
			t.Parallel()
			for asked := 1; asked < 20; asked++ {
				f := &frozen{token: token, now: token.MintedAt, sleeping: 2 * time.Hour}
				source := &tokensource.Source{Secret: name, Reader: f, Now: func() time.Time { return f.now }}
				if from > 0 {
					wantToken(t, token)(source.Token(t.Context()))
					f.now = f.now.Add(from)
				}
				source.Now = f.clock(asked)
				got, err := source.Token(t.Context())
				// The last time that the clock was asked is when it was judged.
				if err == nil && f.now.After(got.Expiry.Add(-30*time.Second)) {
					t.Errorf("frozen at the clock's reading %d: a token that expired at %v is returned at %v", asked, got.Expiry, f.now)
				}
				if err != nil {
					wantError(t, err, true, "")
				}
			}
		})
	}
}

func TestWhoWasFrozenWhileWaitingIsToldSo(t *testing.T) {
	t.Parallel()
	w := newWorld()
	f := &frozen{token: w.minted(1), now: w.minted(1).MintedAt, sleeping: 2 * time.Hour}
	// The clock is asked for a failure that is recent, for the read's beginning, to
	// judge the token and to keep it; and then by the caller.
	for asked := 1; ; asked++ {
		f.now = f.token.MintedAt
		_, err := (&tokensource.Source{Secret: name, Reader: f, Now: f.clock(asked)}).Token(t.Context())
		if err == nil {
			t.Fatal("the caller does not look at the clock once more")
		}
		if strings.Contains(err.Error(), "stood still") {
			wantError(t, err, true, "try again")
			return
		}
	}
}

// A wait must not become as long as the clock was set back.
func TestAClockThatIsSetBackDelaysNoRead(t *testing.T) {
	t.Parallel()
	w := newWorld()
	token := w.minted(1)
	now := token.MintedAt.Add(time.Minute)
	down := true
	source := &tokensource.Source{Secret: name, Now: func() time.Time { return now }, Reader: readerFunc(func(context.Context, string) (tokenstore.Current, error) {
		if down {
			return tokenstore.Current{}, errors.New("down")
		}
		return tokenstore.Current{VersionID: "1", Token: token}, nil
	})}
	_, err := source.Token(t.Context())
	wantError(t, err, true, "down")
	down = false
	now = now.Add(-time.Second)
	wantToken(t, token)(source.Token(t.Context()))
}

// The monotonic clock may stand still while a token expires.
func TestExpiriesAreThoseOfTheWallClock(t *testing.T) {
	t.Parallel()
	w := newWorld()
	token := w.minted(1)
	token.Expiry = time.Now().Add(time.Hour)
	if !strings.Contains(token.Expiry.String(), "m=") {
		t.Fatal("there is no monotonic clock reading to lose")
	}
	source := &tokensource.Source{Secret: name, Reader: readerFunc(func(context.Context, string) (tokenstore.Current, error) {
		return tokenstore.Current{VersionID: "1", Token: token}, nil
	})}
	got, err := source.Token(t.Context())
	wantToken(t, token)(got, err)
	if s := got.Expiry.String(); strings.Contains(s, "m=") {
		t.Errorf("the expiry is %s", s)
	}
}
