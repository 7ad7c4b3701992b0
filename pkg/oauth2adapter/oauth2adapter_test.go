package oauth2adapter_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/oauth2adapter"
)

// clients are the ways by which oauth2 makes a client of a token source.
var clients = []struct {
	name string
	make func(world, oauth2.TokenSource) *http.Client
	// keeps is when a token is replaced, before its expiry.
	keeps time.Duration
}{
	{"a Transport", transport, 225 * time.Second},
	{"NewClient, which keeps the token once more", func(w world, s oauth2.TokenSource) *http.Client {
		ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: w})
		return oauth2.NewClient(ctx, s)
	}, 10 * time.Second},
}

func transport(w world, s oauth2.TokenSource) *http.Client {
	return &http.Client{Transport: &oauth2.Transport{Source: s, Base: w}}
}

func TestATokenIsReplacedBeforeItExpires(t *testing.T) {
	t.Parallel()
	for _, tt := range clients {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				credentials := w.credentials(t)
				client := tt.make(w, oauth2adapter.FromCredentials(t.Context(), credentials))
				call(t, client)
				until(credentials.KeptToken().Expiry, tt.keeps+time.Second)
				call(t, client)
				if n := w.Count("google-sts", ""); n != 1 {
					t.Errorf("%d exchanges while the token was fresh, want 1", n)
				}
				time.Sleep(2 * time.Second)
				call(t, client)
				if n := w.Count("google-sts", ""); n != 2 {
					t.Errorf("%d exchanges once it was not, want 2", n)
				}
				time.Sleep(12 * time.Hour)
				call(t, client)
			})
		})
	}
}

func TestAnErrorKeepsItsType(t *testing.T) {
	t.Parallel()
	for _, tt := range clients {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.Fault(fakecloud.Fault{Service: "iamcredentials", Status: http.StatusForbidden, Body: `{"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}`})
			_, err := tt.make(w, oauth2adapter.FromCredentials(t.Context(), w.credentials(t))).Get(api)
			failed, ok := errors.AsType[*externalaccount.RefreshError](err)
			if !ok || failed.Leg != externalaccount.LegImpersonate || failed.Retryable {
				t.Fatalf("%v, want a RefreshError", err)
			}
			keepsSecrets(t, w, err)
		})
	}
}

// stuck are credentials that never have a token.
type stuck struct{ externalaccount.AnyCredentials }

func (stuck) CachedToken(ctx context.Context) (externalaccount.Token, error) {
	<-ctx.Done()
	return externalaccount.Token{}, ctx.Err()
}

func TestACallThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := oauth2adapter.FromCredentials(t.Context(), stuck{}).Token()
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Minute {
			t.Errorf("%v after %v, want %v", err, took, time.Minute)
		}
	})
}

func TestTheContextOfATokenSourceEndsItsCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.Fault(fakecloud.Fault{Service: "google-sts", Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		source := oauth2adapter.FromCredentials(ctx, w.credentials(t))
		began := time.Now()
		_, err := source.Token()
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// oauth2.ReuseTokenSource writes into the tokens that it is given, each with a
// lock of its own; -race tells if they are the same token.
func TestNoTwoCallersShareAToken(t *testing.T) {
	t.Parallel()
	w := newWorld()
	source := oauth2adapter.FromCredentials(t.Context(), w.credentials(t))
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := oauth2.ReuseTokenSource(nil, source).Token(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := w.Count("google-sts", ""); n != 1 {
		t.Errorf("%d exchanges, want 1", n)
	}
}
