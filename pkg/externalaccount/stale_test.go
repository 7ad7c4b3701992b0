package externalaccount

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func TestAStaleTokenOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := w.scoped(t)
		first := cached(t, c)
		time.Sleep(time.Until(first.Expiry) - 200*time.Second)
		mend := w.Fault(fakecloud.Fault{Service: "google-sts", Status: 403})
		for range 3 { // of which the first alone asks Google
			if got := cached(t, c); !got.Value.Equal(first.Value) {
				t.Error("there is another token")
			}
		}
		if w.exchanges() != 2 {
			t.Errorf("%d exchanges, want 2", w.exchanges())
		}
		if _, err := c.Refresh(t.Context()); err == nil || c.TokenState() != Stale {
			t.Errorf("refreshing: %v; then it is %v", err, c.TokenState())
		}
		time.Sleep(staleRetry)
		mend()
		if got := cached(t, c); got.Value.Equal(first.Value) {
			t.Error("the stale token was not replaced after the outage")
		}
	})
}

// staleOf has credentials keep a token that is good for another 200 s.
func staleOf(t *testing.T, c AnyCredentials) Token {
	t.Helper()
	token, err := c.CachedToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(token.Expiry) - 200*time.Second)
	return token
}

func TestWhatHangsDelaysOneHolderOfAGoodTokenAndNotForLong(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ patience, want time.Duration }{
		{30 * time.Second, 5 * time.Second},
		{2 * time.Second, 500 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWire()
			c := w.scoped(t)
			first := staleOf(t, c)
			w.Fault(fakecloud.Fault{Service: "google-sts", Hang: true})
			ctx, cancel := context.WithTimeout(t.Context(), tt.patience)
			defer cancel()
			var waited atomic.Int32
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					began := time.Now()
					if got, err := c.CachedToken(ctx); err != nil || !got.Value.Equal(first.Value) {
						t.Errorf("%v, %v", got, err)
					}
					switch took := time.Since(began); took {
					case 0:
					case tt.want:
						waited.Add(1)
					default:
						t.Errorf("waited for %v, want %v", took, tt.want)
					}
				})
			}
			all.Wait()
			if waited.Load() != 1 || w.exchanges() != 2 {
				t.Errorf("%d of them waited, %d exchanges", waited.Load(), w.exchanges())
			}
		})
	}
}

func TestWhoHasGivenUpDoesNotTakeTheTurnToReplaceAStaleToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := w.scoped(t)
		first := staleOf(t, c)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if got, err := c.CachedToken(gone); err != nil || !got.Value.Equal(first.Value) {
			t.Errorf("%v, %v", got, err)
		}
		if got := cached(t, c); got.Value.Equal(first.Value) {
			t.Error("the stale token was not replaced")
		}
	})
}

func TestARevokedTokenIsNotReturned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		u := w.user(t, false, googleLogin, nil, Options{})
		staleOf(t, u)
		w.Fault(fakecloud.Fault{Service: "google-sts", Latency: 3 * time.Second})
		var all sync.WaitGroup
		all.Go(func() {
			if err := u.Revoke(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		_, err := u.CachedToken(t.Context()) // while it is being revoked
		expectRefreshError(t, err, LegConfig, false, isA[*ConfigError])
		all.Wait()
	})
}
