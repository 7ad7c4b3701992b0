package cloudauthadapter_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/httptransport"

	"github.com/wifmint/wifmint/pkg/cloudauthadapter"
	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// client is how the client libraries that speak HTTP make theirs.
func (w world) client(t *testing.T, credentials *auth.Credentials, universe string) *http.Client {
	t.Helper()
	client, err := httptransport.NewClient(&httptransport.Options{
		Credentials: credentials, UniverseDomain: universe, BaseRoundTripper: w, DisableTelemetry: true,
		Headers: http.Header{}, // without them the quota project gets lost
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestATokenIsReplacedBeforeItExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		credentials := w.credentials(t)
		client := w.client(t, cloudauthadapter.FromCredentials(credentials).Credentials(), "")
		call(t, client)
		until(credentials.KeptToken().Expiry, 226*time.Second)
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
}

// What goes on after an answer is frozen with a Lambda function.
func TestNothingGoesOnBehindARequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		credentials := w.credentials(t)
		client := w.client(t, cloudauthadapter.FromCredentials(credentials).Credentials(), "")
		call(t, client)
		until(credentials.KeptToken().Expiry, 200*time.Second)
		w.Fault(fakecloud.Fault{Service: "google-sts", Latency: 3 * time.Second})
		began := time.Now()
		call(t, client)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("a request with a stale token took %v: it did not wait for the next", took)
		}
		made := w.Count("", "")
		time.Sleep(time.Minute)
		if n := w.Count("", "") - made; n != 0 {
			t.Errorf("%d calls after the request", n)
		}
	})
}

func TestNobodyElseKeepsTheToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		credentials := w.credentials(t)
		adapted := cloudauthadapter.FromCredentials(credentials).Credentials()
		call(t, w.client(t, adapted, ""))
		next, err := credentials.Refresh(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if used, err := adapted.Token(t.Context()); err != nil || used.Value != next.Value.Reveal() || !used.Expiry.Equal(next.Expiry) {
			t.Errorf("the token from before the refresh is in use, %v", err)
		}
	})
}

func TestAnErrorKeepsItsType(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.Fault(fakecloud.Fault{Service: "iamcredentials", Status: http.StatusForbidden, Body: `{"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}`})
	_, err := w.client(t, cloudauthadapter.FromCredentials(w.credentials(t)).Credentials(), "").Get(api)
	failed, ok := errors.AsType[*externalaccount.RefreshError](err)
	if !ok || failed.Leg != externalaccount.LegImpersonate || failed.Retryable {
		t.Fatalf("%v, want a RefreshError", err)
	}
	keepsSecrets(t, w, err)
}

// stuck are credentials that never have a token, and tell nothing else.
type stuck struct{ externalaccount.AnyCredentials }

func (stuck) QuotaProject() string   { return "" }
func (stuck) UniverseDomain() string { return "" }

func (stuck) CachedToken(ctx context.Context) (externalaccount.Token, error) {
	<-ctx.Done()
	return externalaccount.Token{}, ctx.Err()
}

func TestACallThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := cloudauthadapter.FromCredentials(stuck{}).Credentials().Token(t.Context())
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Minute {
			t.Errorf("%v after %v, want %v", err, took, time.Minute)
		}
	})
}

func TestEachCallerOfAProviderHasItsOwnDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.Fault(fakecloud.Fault{Service: "google-sts", Latency: 5 * time.Second})
		provider := cloudauthadapter.FromCredentials(w.credentials(t))
		go func() {
			if _, err := provider.Token(t.Context()); err != nil {
				t.Errorf("the patient caller: %v", err)
			}
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := provider.Token(ctx)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("the other: %v after %v", err, took)
		}
		time.Sleep(time.Minute)
		if n := w.Count("google-sts", ""); n != 1 {
			t.Errorf("%d exchanges, want 1", n)
		}
	})
}
