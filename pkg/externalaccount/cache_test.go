package externalaccount

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/secret"
)

// scoped are credentials that CachedToken works with.
func (w *wire) scoped(t *testing.T) *Credentials {
	return w.credentials(t, nil, Options{Scopes: []string{bigquery}})
}

func cached(t *testing.T, c *Credentials) Token {
	t.Helper()
	token, err := c.CachedToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (w *wire) exchanges() int { return w.Count("google-sts", "") }

func TestTheStateOfATokenIsByItsExpiry(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		token Token
		want  TokenState
		text  string
	}{
		{"none", Token{}, Invalid, "invalid"},
		{"without a value", Token{Expiry: now.Add(time.Hour)}, Invalid, "invalid"},
		{"more than 225 s", Token{Value: secret.New("t"), Expiry: now.Add(226 * time.Second)}, Fresh, "fresh"},
		{"what a token lives at most", Token{Value: secret.New("t"), Expiry: now.Add(12*time.Hour + 15*time.Minute)}, Fresh, "fresh"},
		{"longer than any token lives", Token{Value: secret.New("t"), Expiry: now.Add(12*time.Hour + 15*time.Minute + 1)}, Stale, "stale"},
		{"for ever", Token{Value: secret.New("t"), Expiry: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}, Stale, "stale"},
		{"225 s", Token{Value: secret.New("t"), Expiry: now.Add(225 * time.Second)}, Stale, "stale"},
		{"1 s", Token{Value: secret.New("t"), Expiry: now.Add(time.Second)}, Stale, "stale"},
		{"expired now", Token{Value: secret.New("t"), Expiry: now}, Invalid, "invalid"},
	} {
		if got := tt.token.State(now); got != tt.want || got.String() != tt.text {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestATokenIsKeptUntilItIsStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := w.scoped(t)
		if c.TokenState() != Invalid || !c.KeptToken().Value.IsZero() || w.exchanges() != 0 {
			t.Error("there is a token before the first call")
		}
		first := cached(t, c)
		time.Sleep(time.Until(first.Expiry) - staleBefore - time.Second)
		if again := cached(t, c); !again.Value.Equal(first.Value) || c.TokenState() != Fresh || w.exchanges() != 1 {
			t.Errorf("a %v token was replaced, %d exchanges", c.TokenState(), w.exchanges())
		}
		time.Sleep(time.Second)
		if c.TokenState() != Stale {
			t.Errorf("it is %v", c.TokenState())
		}
		second := cached(t, c)
		if second.Value.Equal(first.Value) || c.TokenState() != Fresh || !c.KeptToken().Value.Equal(second.Value) {
			t.Error("a stale token was not replaced")
		}
		time.Sleep(2 * time.Hour)
		if c.TokenState() != Invalid {
			t.Errorf("it is %v", c.TokenState())
		}
		if third := cached(t, c); third.Value.Equal(second.Value) || w.exchanges() != 3 {
			t.Errorf("%d exchanges, want 3", w.exchanges())
		}
	})
}

func TestAnExpiredTokenIsNotReturned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := w.scoped(t)
		cached(t, c)
		time.Sleep(time.Hour)
		w.Fault(fakecloud.Fault{Service: "google-sts", Status: 403})
		token, err := c.CachedToken(t.Context())
		if !token.Value.IsZero() {
			t.Errorf("got %v", token)
		}
		expectRefreshError(t, err, LegSTS, false, isA[*googlests.Error])
	})
}

func TestARefreshReplacesAFreshToken(t *testing.T) {
	t.Parallel()
	w := newWire()
	c := w.scoped(t)
	first := cached(t, c)
	second, err := c.Refresh(t.Context())
	if err != nil || second.Value.Equal(first.Value) || !cached(t, c).Value.Equal(second.Value) {
		t.Errorf("refreshed to %v, %v", second, err)
	}
}

// Google has refused it, whatever its expiry says.
func TestARefreshReplacesATokenThatSeemsToLastLonger(t *testing.T) {
	t.Parallel()
	w := newWire()
	expiry := time.Now().Add(12 * time.Hour)
	u := w.user(t, false, workforceLogin, map[string]string{"expiry": `"` + expiry.Format(time.RFC3339) + `"`}, Options{})
	if got := userToken(t, u); got.Value.Reveal() != plantedAccess {
		t.Errorf("it began with %v", got)
	}
	second, err := u.Refresh(t.Context())
	if err != nil || !userToken(t, u).Value.Equal(second.Value) {
		t.Errorf("refreshed to %v, %v", second, err)
	}
}

func TestATokenThatComesTooLateReplacesNoBetterOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began, calls := time.Now(), 0
		h := &holder{scopes: []string{platform}}
		h.mint = func(ctx context.Context, _ []string) (Token, error) {
			if calls++; calls > 1 {
				return Token{Value: secret.New("second"), Expiry: began.Add(2 * time.Hour)}, nil
			}
			<-ctx.Done()
			time.Sleep(time.Second)
			return Token{Value: secret.New("first"), Expiry: began.Add(time.Hour)}, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.CachedToken(ctx); err == nil {
			t.Error("there is a token after one second")
		}
		for range 2 { // before and after the first comes in
			if got, err := h.CachedToken(t.Context()); err != nil || got.Value.Reveal() != "second" {
				t.Errorf("%v, %v", got.Value.Reveal(), err)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestConcurrentCallersShareOneRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.Fault(fakecloud.Fault{Service: "google-sts", Latency: 3 * time.Second})
		c := w.scoped(t)
		began := time.Now()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := c.CachedToken(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if w.exchanges() != 1 || time.Since(began) != 3*time.Second {
			t.Errorf("%d exchanges in %v", w.exchanges(), time.Since(began))
		}
	})
}

func TestEachCallerKeepsItsOwnDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.Fault(fakecloud.Fault{Service: "google-sts", Latency: 3 * time.Second})
		c := w.scoped(t)
		began := time.Now()
		var all sync.WaitGroup
		for _, patience := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				_, err := c.CachedToken(ctx)
				if want := min(patience, 3*time.Second); time.Since(began) != want {
					t.Errorf("who has %v waited for %v", patience, time.Since(began))
				}
				if patience > 3*time.Second {
					if err != nil {
						t.Errorf("who has %v: %v", patience, err)
					}
					return
				}
				expectRefreshError(t, err, "", true, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) })
			})
			synctest.Wait() // so that it is the least patient who starts it
		}
		all.Wait()
		if w.exchanges() != 1 {
			t.Errorf("%d exchanges", w.exchanges())
		}
	})
}

// The synctest bubble fails if a goroutine is left when its function returns.
func TestNothingIsLeftBehindWhenAllCallersAreGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		remove := w.Fault(fakecloud.Fault{Service: "google-sts", Hang: true})
		c := w.scoped(t)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				_, err := c.CachedToken(ctx)
				expectRefreshError(t, err, "", false, func(err error) bool { return errors.Is(err, context.Canceled) })
			})
		}
		synctest.Wait()
		cancel()
		all.Wait()
		began := time.Now()
		synctest.Wait() // the making has ended, and no clock had to go on for it
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the making ended %v after its last caller left", waited)
		}
		remove()
		cached(t, c)
	})
}

func TestWhoComesAfterTheLastHasGivenUpStartsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.Fault(fakecloud.Fault{Service: "google-sts", Latency: 3 * time.Second, Times: 1})
		c := w.scoped(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.CachedToken(ctx); err == nil {
			t.Error("there is a token after one second")
		}
		cached(t, c)
	})
}

// Readers take no lock. What they read is one token, not parts of two.
func TestATokenIsReplacedAsAWhole(t *testing.T) {
	t.Parallel()
	first := time.Now().Add(time.Hour).Truncate(time.Second)
	made := 0
	h := &holder{scopes: []string{platform}}
	h.mint = func(context.Context, []string) (Token, error) {
		made++
		return Token{Value: secret.New(strconv.Itoa(made)), Expiry: first.Add(time.Duration(made) * time.Second)}, nil
	}
	var all sync.WaitGroup
	for _, call := range []func(context.Context) (Token, error){h.CachedToken, h.CachedToken, h.Refresh} {
		all.Go(func() {
			for range 200 {
				got, err := call(t.Context())
				if want := strconv.Itoa(int(got.Expiry.Sub(first) / time.Second)); err != nil || got.Value.Reveal() != want {
					t.Errorf("%s with the expiry of %s, %v", got.Value.Reveal(), want, err)
				}
			}
		})
	}
	all.Wait()
}

// Another's comes between a caller's look at the kept one and the making of a new one.
func TestATokenThatJustCameIsNotReplaced(t *testing.T) {
	t.Parallel()
	made, looked := 0, false
	h := &holder{scopes: []string{platform}}
	h.mint = func(context.Context, []string) (Token, error) {
		made++
		return Token{Value: secret.New("token"), Expiry: time.Now().Add(time.Hour)}, nil
	}
	h.clock = func() time.Time {
		if !looked {
			looked = true
			if _, err := h.CachedToken(t.Context()); err != nil {
				t.Error(err)
			}
		}
		return time.Now()
	}
	if _, err := h.CachedToken(t.Context()); err != nil || made != 1 {
		t.Errorf("%d made, %v", made, err)
	}
}

// A machine that sleeps, or a function that is frozen, wakes up with the answer.
func TestATokenThatExpiredOnTheWayIsNotReturned(t *testing.T) {
	t.Parallel()
	for _, call := range []func(*holder, context.Context) (Token, error){(*holder).CachedToken, (*holder).Refresh} {
		for sleeps, want := range map[int]string{1: "second", 2: ""} {
			now, made := time.Now(), 0
			h := &holder{scopes: []string{platform}, clock: func() time.Time { return now }}
			h.mint = func(context.Context, []string) (Token, error) {
				token := Token{Value: secret.New([]string{"first", "second"}[made]), Expiry: now.Add(time.Hour)}
				if made++; made <= sleeps {
					now = now.Add(3 * time.Hour)
				}
				return token, nil
			}
			got, err := call(h, t.Context())
			if got.Value.Reveal() != want {
				t.Errorf("after %d sleeps: %q, %v", sleeps, got.Value.Reveal(), err)
			}
			if want == "" {
				expectRefreshError(t, err, "", true, func(err error) bool { return strings.Contains(err.Error(), "stood still; try again") })
			}
		}
	}
}

func TestThereIsNoTokenWithoutScopes(t *testing.T) {
	t.Parallel()
	w := newWire()
	_, err := w.credentials(t, nil, Options{}).CachedToken(t.Context())
	expectRefreshError(t, err, LegConfig, false, func(err error) bool {
		return err.Error() == "making a token: there are no scopes; set Options.Scopes or use WithScopes"
	})
	if len(w.sent) > 0 {
		t.Errorf("%d messages", len(w.sent))
	}
}
