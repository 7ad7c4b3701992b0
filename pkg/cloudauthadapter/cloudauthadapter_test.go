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
	"github.com/wifmint/wifmint/pkg/internal/adaptertest"
)

// newClient makes a client as the client libraries that speak HTTP make theirs.
func newClient(t *testing.T, w adaptertest.World, credentials *auth.Credentials, universe string) *http.Client {
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

func clientOf(t *testing.T, w adaptertest.World, c externalaccount.AnyCredentials) *http.Client {
	return newClient(t, w, cloudauthadapter.FromCredentials(c).Credentials(), "")
}

func TestATokenIsReplacedBeforeItExpires(t *testing.T) {
	t.Parallel()
	adaptertest.ReplacesATokenBeforeItExpires(t, 225*time.Second, clientOf)
}

func TestAnErrorKeepsItsType(t *testing.T) {
	t.Parallel()
	adaptertest.KeepsAnErrorsType(t, clientOf)
}

func TestACallThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	adaptertest.GivesUpACallThatHangs(t, func(t *testing.T) error {
		_, err := cloudauthadapter.FromCredentials(adaptertest.Stuck{}).Credentials().Token(t.Context())
		return err
	})
}

// What goes on after an answer is frozen with a Lambda function.
func TestNothingGoesOnBehindARequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := adaptertest.NewWorld()
		credentials := adaptertest.Credentials(t, w)
		client := clientOf(t, w, credentials)
		adaptertest.Call(t, client)
		adaptertest.Until(credentials.KeptToken().Expiry, 200*time.Second)
		w.Fault(fakecloud.Fault{Service: "google-sts", Latency: 3 * time.Second})
		began := time.Now()
		adaptertest.Call(t, client)
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
		w := adaptertest.NewWorld()
		credentials := adaptertest.Credentials(t, w)
		adapted := cloudauthadapter.FromCredentials(credentials).Credentials()
		adaptertest.Call(t, newClient(t, w, adapted, ""))
		next, err := credentials.Refresh(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if used, err := adapted.Token(t.Context()); err != nil || used.Value != next.Value.Reveal() || !used.Expiry.Equal(next.Expiry) {
			t.Errorf("the token from before the refresh is in use, %v", err)
		}
	})
}

func TestEachCallerOfAProviderHasItsOwnDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := adaptertest.NewWorld()
		w.Fault(fakecloud.Fault{Service: "google-sts", Latency: 5 * time.Second})
		provider := cloudauthadapter.FromCredentials(adaptertest.Credentials(t, w))
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
