package adaptertest

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// ClientOf is a client of a library's that takes its tokens from credentials.
type ClientOf func(*testing.T, World, externalaccount.AnyCredentials) *http.Client

// ReplacesATokenBeforeItExpires checks that a client sends the next token when so
// much is left of the one it has.
func ReplacesATokenBeforeItExpires(t *testing.T, left time.Duration, clientOf ClientOf) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld()
		credentials := Credentials(t, w)
		client := clientOf(t, w, credentials)
		Call(t, client)
		Until(credentials.KeptToken().Expiry, left+time.Second)
		Call(t, client)
		if n := w.Count("google-sts", ""); n != 1 {
			t.Errorf("%d exchanges while the token was fresh, want 1", n)
		}
		time.Sleep(2 * time.Second)
		Call(t, client)
		if n := w.Count("google-sts", ""); n != 2 {
			t.Errorf("%d exchanges once it was not, want 2", n)
		}
		time.Sleep(12 * time.Hour)
		Call(t, client)
	})
}

// KeepsAnErrorsType checks that the library hands on what the credentials say.
func KeepsAnErrorsType(t *testing.T, clientOf ClientOf) {
	t.Helper()
	w := NewWorld()
	w.Fault(fakecloud.Fault{Service: "iamcredentials", Status: http.StatusForbidden, Body: `{"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}`})
	_, err := clientOf(t, w, Credentials(t, w)).Get(API)
	failed, ok := errors.AsType[*externalaccount.RefreshError](err)
	if !ok || failed.Leg != externalaccount.LegImpersonate || failed.Retryable {
		t.Fatalf("%v, want a RefreshError", err)
	}
	w.KeepsSecrets(t, err)
}

// Stuck are credentials that never have a token, and tell nothing else.
type Stuck struct{ externalaccount.AnyCredentials }

func (Stuck) QuotaProject() string   { return "" }
func (Stuck) UniverseDomain() string { return "" }

func (Stuck) CachedToken(ctx context.Context) (externalaccount.Token, error) {
	<-ctx.Done()
	return externalaccount.Token{}, ctx.Err()
}

// GivesUpACallThatHangs checks that [Stuck] credentials hold nobody up for more
// than a minute.
func GivesUpACallThatHangs(t *testing.T, token func(*testing.T) error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := token(t)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Minute {
			t.Errorf("%v after %v, want %v", err, took, time.Minute)
		}
	})
}
