package supplier

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/wary"
)

func TestContainerFollowsNoRedirectAndSendsItsTokenNowhereElse(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed, Authorization %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	// No client: the transport is the package's own.
	c := Container{Getenv: environ(fullURIVariable, server.URL+"/x", tokenVariable, plantedAuth)}
	_, err := c.AwsSecurityCredentials(t.Context(), SupplierContext{})
	wantError(t, err, "container", "307", "redirects are not followed")
}

func TestContainerUsesNoProxy(t *testing.T) {
	t.Parallel()
	for _, c := range []*http.Client{nil, {}} {
		if confined(c, nil).Transport.(*wary.Transport).Base.(*http.Transport).Proxy != nil {
			t.Error("a proxy would be handed the token")
		}
	}
}

func TestContainerWorksOverARealConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != plantedAuth || r.Header.Get("Accept") != "application/json" {
			t.Errorf("headers: %v", r.Header)
		}
		_, _ = w.Write([]byte(goodAnswer))
	}))
	defer server.Close()
	uri := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	c := Container{Getenv: environ(fullURIVariable, uri, tokenVariable, plantedAuth), Now: testNow}
	creds, err := c.AwsSecurityCredentials(t.Context(), SupplierContext{})
	wantTestKeys(t, creds, err)
}

func TestContainerComesBackAfterAPassingFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := &wire{answer: func(r *http.Request) (*http.Response, error) {
			switch n++; n {
			case 1:
				return respond(r, http.StatusServiceUnavailable, ""), nil
			case 2:
				return nil, errors.New("connection refused")
			}
			return respond(r, http.StatusOK, goodAnswer), nil
		}}
		start := time.Now()
		creds, err := container(w, fullURIVariable, localURI).AwsSecurityCredentials(t.Context(), SupplierContext{})
		wantTestKeys(t, creds, err)
		if took := time.Since(start); took < 300*time.Millisecond || took > 450*time.Millisecond {
			t.Errorf("the pauses took %v", took)
		}
	})
}

// ECS's path names the task's credentials: it is all that it takes to get them.
func TestAnUnreachableEndpointIsNotNamedByItsPath(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("connection refused")
		w := &wire{answer: func(*http.Request) (*http.Response, error) { return nil, refused }}
		_, err := container(w, relativeURIVariable, "/v2/"+plantedPath).AwsSecurityCredentials(t.Context(), SupplierContext{})
		e := wantError(t, err, "container", "169.254.170.2", "connection refused")
		if !e.Retryable || !errors.Is(err, refused) || len(w.calls()) != maxAttempts {
			t.Errorf("retryable %v after %d attempts: %v", e.Retryable, len(w.calls()), err)
		}
	})
}

func TestAnUntrustedCertificateIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	_, err := Container{Getenv: environ(fullURIVariable, server.URL, tokenVariable, plantedAuth)}.AwsSecurityCredentials(t.Context(), SupplierContext{})
	if e := wantError(t, err, "container", "certificate"); e.Retryable {
		t.Errorf("retryable: %v", err)
	}
}

func TestAHangIsCut(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		within time.Duration // the caller's deadline
		took   time.Duration
		own    bool // whether it is the caller's deadline that cuts it
	}{
		"by the caller's deadline":  {time.Second, time.Second, true},
		"by the attempt's deadline": {time.Hour, answerTimeout, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tc.within)
				defer cancel()
				start := time.Now()
				w := hangs()
				_, err := container(w, relativeURIVariable, "/v2/"+plantedPath).AwsSecurityCredentials(ctx, SupplierContext{})
				if e := wantError(t, err, "container", "169.254.170.2"); !e.Retryable {
					t.Errorf("not retryable: %v", err)
				}
				if took := time.Since(start); took != tc.took || len(w.calls()) != 1 {
					t.Errorf("took %v and %d requests, want %v and 1", took, len(w.calls()), tc.took)
				}
				if errors.Is(err, context.DeadlineExceeded) != tc.own {
					t.Errorf("errors.Is DeadlineExceeded is %v: the caller's context is not done: %v", !tc.own, err)
				}
			})
		})
	}
}

func TestAPauseEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &wire{answer: func(r *http.Request) (*http.Response, error) {
			cancel()
			return respond(r, http.StatusServiceUnavailable, ""), nil
		}}
		start := time.Now()
		_, err := container(w, fullURIVariable, localURI).AwsSecurityCredentials(ctx, SupplierContext{})
		wantError(t, err, "container")
		if !errors.Is(err, context.Canceled) || time.Since(start) != 0 || len(w.calls()) != 1 {
			t.Errorf("after %v and %d requests: %v", time.Since(start), len(w.calls()), err)
		}
	})
}
