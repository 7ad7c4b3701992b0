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
	"github.com/wifmint/wifmint/pkg/internal/adaptertest"
	"github.com/wifmint/wifmint/pkg/oauth2adapter"
)

// clients are the ways by which oauth2 makes a client of a token source.
var clients = []struct {
	name string
	make func(adaptertest.World, oauth2.TokenSource) *http.Client
	// left is how much is left of a token when it is replaced.
	left time.Duration
}{
	{"a Transport", transport, 225 * time.Second},
	{"NewClient, which keeps the token once more", func(w adaptertest.World, s oauth2.TokenSource) *http.Client {
		ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: w})
		return oauth2.NewClient(ctx, s)
	}, 10 * time.Second},
}

func transport(w adaptertest.World, s oauth2.TokenSource) *http.Client {
	return &http.Client{Transport: &oauth2.Transport{Source: s, Base: w}}
}

func TestATokenIsReplacedBeforeItExpires(t *testing.T) {
	t.Parallel()
	for _, tt := range clients {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			adaptertest.ReplacesATokenBeforeItExpires(t, tt.left, func(t *testing.T, w adaptertest.World, c externalaccount.AnyCredentials) *http.Client {
				return tt.make(w, oauth2adapter.FromCredentials(t.Context(), c))
			})
		})
	}
}

func TestAnErrorKeepsItsType(t *testing.T) {
	t.Parallel()
	for _, tt := range clients {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			adaptertest.KeepsAnErrorsType(t, func(t *testing.T, w adaptertest.World, c externalaccount.AnyCredentials) *http.Client {
				return tt.make(w, oauth2adapter.FromCredentials(t.Context(), c))
			})
		})
	}
}

func TestACallThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	adaptertest.GivesUpACallThatHangs(t, func(t *testing.T) error {
		_, err := oauth2adapter.FromCredentials(t.Context(), adaptertest.Stuck{}).Token()
		return err
	})
}

func TestTheContextOfATokenSourceEndsItsCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := adaptertest.NewWorld()
		w.Fault(fakecloud.Fault{Service: "google-sts", Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		source := oauth2adapter.FromCredentials(ctx, adaptertest.Credentials(t, w))
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
	w := adaptertest.NewWorld()
	source := oauth2adapter.FromCredentials(t.Context(), adaptertest.Credentials(t, w))
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
