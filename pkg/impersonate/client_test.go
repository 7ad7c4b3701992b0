package impersonate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/secret"
)

func TestRequestsOnTheWire(t *testing.T) {
	t.Parallel()
	delegates := []string{hop, "projects/-/serviceAccounts/" + reports}
	const chain = `"delegates":["projects/-/serviceAccounts/` + hop + `","projects/-/serviceAccounts/` + reports + `"]`
	for name, tc := range map[string]struct {
		call   func(*impersonate.Client) error
		method string
		body   string
	}{
		"an access token, its lifetime the default": {
			func(c *impersonate.Client) error {
				_, err := c.AccessToken(t.Context(), bearer, accessTokenRequest)
				return err
			},
			"generateAccessToken", `{"scope":["` + bigquery + `"],"lifetime":"3600s"}`,
		},
		"an access token by a chain, for twelve hours": {
			func(c *impersonate.Client) error {
				_, err := c.AccessToken(t.Context(), bearer, impersonate.AccessTokenRequest{
					ServiceAccount: reports, Delegates: delegates, Scopes: []string{bigquery, "openid"}, Lifetime: 12 * time.Hour,
				})
				return err
			},
			"generateAccessToken", `{` + chain + `,"scope":["` + bigquery + `","openid"],"lifetime":"43200s"}`,
		},
		"an ID token": {
			func(c *impersonate.Client) error {
				_, err := c.IDToken(t.Context(), bearer, impersonate.IDTokenRequest{ServiceAccount: reports, Audience: service})
				return err
			},
			"generateIdToken", `{"audience":"` + service + `"}`,
		},
		"an ID token by a chain, with the email": {
			func(c *impersonate.Client) error {
				_, err := c.IDToken(t.Context(), bearer, impersonate.IDTokenRequest{ServiceAccount: reports, Delegates: delegates, Audience: service, IncludeEmail: true})
				return err
			},
			"generateIdToken", `{` + chain + `,"audience":"` + service + `","includeEmail":true}`,
		},
		"a blob's signature": {
			func(c *impersonate.Client) error {
				_, err := c.SignBlob(t.Context(), bearer, impersonate.SignBlobRequest{ServiceAccount: reports, Delegates: delegates, Payload: []byte{0, 1, 0xfe, 0xff}})
				return err
			},
			"signBlob", `{` + chain + `,"payload":"AAH+/w=="}`,
		},
		"a JWT's signature": {
			func(c *impersonate.Client) error {
				_, err := c.SignJWT(t.Context(), bearer, impersonate.SignJWTRequest{ServiceAccount: reports, Delegates: delegates, Claims: json.RawMessage(`{"a": 1}`)})
				return err
			},
			"signJwt", `{` + chain + `,"payload":"{\"a\":1}"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := false
			c := client(server(func(r *http.Request) (*http.Response, error) {
				sent = true
				body, _ := io.ReadAll(r.Body)
				if diff := cmp.Diff(tc.body, string(body)); diff != "" {
					t.Errorf("body (-want +got):\n%s", diff)
				}
				header := http.Header{
					"Authorization": {"Bearer " + bearer.Reveal()}, "Content-Type": {"application/json"}, "Accept": {"application/json"},
					"X-Goog-Api-Client": {"gl-go/1.26"},
				}
				if diff := cmp.Diff(header, r.Header); diff != "" {
					t.Errorf("header (-want +got):\n%s", diff)
				}
				if want := "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + reports + ":" + tc.method; r.Method != "POST" || r.URL.String() != want {
					t.Errorf("%s %s, want %s", r.Method, r.URL, want)
				}
				return response(400, "{}"), nil
			}))
			c.APIClient = "gl-go/1.26"
			if e := asError(t, tc.call(c)); !sent || e.Op != tc.method || e.Account != reports {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestEndpointFollowsUniverseAndEndpoint(t *testing.T) {
	t.Parallel()
	const path = "/v1/projects/-/serviceAccounts/" + reports + ":generateAccessToken"
	for name, tc := range map[string]struct {
		client impersonate.Client
		want   string
	}{
		"neither":                      {impersonate.Client{}, "https://iamcredentials.googleapis.com" + path},
		"a universe":                   {impersonate.Client{UniverseDomain: "example.goog"}, "https://iamcredentials.example.goog" + path},
		"a regional endpoint":          {impersonate.Client{Endpoint: "https://iamcredentials.us-east4.rep.googleapis.com"}, "https://iamcredentials.us-east4.rep.googleapis.com" + path},
		"a slash at the end":           {impersonate.Client{Endpoint: "https://iamcredentials.googleapis.com/"}, "https://iamcredentials.googleapis.com" + path},
		"anything, if so allowed":      {impersonate.Client{Endpoint: "http://127.0.0.1:9", AllowAnyEndpoint: true}, "http://127.0.0.1:9" + path},
		"anything with a path":         {impersonate.Client{Endpoint: "http://127.0.0.1:9/iam", AllowAnyEndpoint: true}, "http://127.0.0.1:9/iam" + path},
		"another host":                 {impersonate.Client{Endpoint: "https://iamcredentials.evil.com"}, ""},
		"another service":              {impersonate.Client{Endpoint: "https://sts.googleapis.com"}, ""},
		"http":                         {impersonate.Client{Endpoint: "http://iamcredentials.googleapis.com"}, ""},
		"another universe's host":      {impersonate.Client{Endpoint: "https://iamcredentials.googleapis.com", UniverseDomain: "example.goog"}, ""},
		"a universe that is no domain": {impersonate.Client{UniverseDomain: "evil.com/"}, ""},
		"a query":                      {impersonate.Client{Endpoint: "https://iamcredentials.googleapis.com?x="}, ""},
		"an empty query":               {impersonate.Client{Endpoint: "https://iamcredentials.googleapis.com?"}, ""},
		"no URL, though any is wanted": {impersonate.Client{Endpoint: "x", AllowAnyEndpoint: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			called := ""
			tc.client.HTTPClient = &http.Client{Transport: server(func(r *http.Request) (*http.Response, error) {
				called = r.URL.String()
				return response(400, "{}"), nil
			})}
			_, err := tc.client.AccessToken(t.Context(), bearer, accessTokenRequest)
			e := asError(t, err)
			if called != tc.want || (e.Code == "invalid_endpoint") != (called == "") || e.Retryable {
				t.Errorf("called %q, want %q: %v", called, tc.want, err)
			}
		})
	}
}

func TestABearerTokenThatNoHeaderCanCarryIsNotSent(t *testing.T) {
	t.Parallel()
	for name, call := range calls {
		for _, unfit := range []string{"", "ya29.PLANTED\r\nX-Evil: 1", "ya29. PLANTED", "yä29.PLANTED"} {
			e := asError(t, call(t.Context(), client(silent(t)), secret.New(unfit)))
			if e.Code != "invalid_request" || e.Retryable || e.Attempts != 0 || !strings.Contains(e.Message, "bearer token") || strings.Contains(e.Error(), "PLANTED") {
				t.Errorf("%s: got %v", name, e)
			}
		}
	}
}

func TestWhatMayPassIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault fakecloud.Fault
		takes time.Duration // at least
	}{
		"a status that may pass":               {fakecloud.Fault{Status: 503, Times: 3}, time.Second / 2},
		"a quota that was used up":             {fakecloud.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}, Times: 1}, 7 * time.Second},
		"a connection that was reset":          {fakecloud.Fault{Reset: true, Times: 2}, 0},
		"an answer that broke off":             {fakecloud.Fault{TruncateBody: 10, Times: 2}, 0},
		"an attempt that hung":                 {fakecloud.Fault{Hang: true, Times: 1}, 10 * time.Second},
		"an answer that got lost on its way":   {fakecloud.Fault{Status: 500, AfterEffect: true, Times: 1}, 0},
		"an error of the load balancer's kind": {fakecloud.Fault{Status: 502, Body: "<html>", Times: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cloud := newCloud(fakecloud.ServiceAccount{Email: reports})
				cloud.AddDelegation(fakecloud.Delegation{ServiceAccount: reports, Domain: "example.com", Scopes: []string{calendar}})
				for call := range calls {
					federated := federate(t, cloud)
					cloud.ResetCalls()
					tc.fault.Service = "iamcredentials"
					remove := cloud.Fault(tc.fault)
					start := time.Now()
					if err := calls[call](t.Context(), client(cloud), federated); err != nil {
						t.Errorf("%s: %v", call, err)
					}
					if n := cloud.Count("iamcredentials", ""); n != tc.fault.Times+1 || time.Since(start) < tc.takes {
						t.Errorf("%s: %d calls in %v", call, n, time.Since(start))
					}
					remove()
				}
			})
		})
	}
}

func TestWhatWillNotPassIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	for name, call := range calls {
		for _, status := range []int{301, 307, 400, 401, 403, 404, 409, 501} {
			sent := 0
			err := call(t.Context(), client(server(func(*http.Request) (*http.Response, error) {
				sent++
				return response(status, `{"error":{"status":"NO","message":"no"}}`), nil
			})), bearer)
			if e := asError(t, err); sent != 1 || e.Retryable || e.HTTPStatus != status || e.Attempts != 1 {
				t.Errorf("%s: %d: %d calls: %v", name, status, sent, err)
			}
		}
	}
}

func TestTheLastOfTheAttemptsIsWhatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := client(answering(503, `{"error":{"status":"UNAVAILABLE","message":"Later."}}`))
		c.MaxAttempts = 3
		_, err := c.AccessToken(t.Context(), bearer, accessTokenRequest)
		if e := asError(t, err); e.Attempts != 3 || !e.Retryable || e.Code != "UNAVAILABLE" || e.HTTPStatus != 503 || e.Message != "Later." {
			t.Errorf("got %+v", e)
		}
	})
}

func TestDeadlineAndCancellationAreToldApart(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end  func(context.Context) (context.Context, context.CancelFunc)
		code string
		is   error
	}{
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, "timeout", context.DeadlineExceeded},
		"cancel": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, "canceled", context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cloud := newCloud()
				cloud.Fault(fakecloud.Fault{Hang: true})
				for call := range calls {
					ctx, cancel := tc.end(t.Context())
					start := time.Now()
					err := calls[call](ctx, client(cloud), bearer)
					if e := asError(t, err); e.Code != tc.code || !errors.Is(err, tc.is) || time.Since(start) != time.Second {
						t.Errorf("%s: %v after %v", call, err, time.Since(start))
					}
					cancel()
				}
			})
		})
	}
}

// One client and one bearer token for all: each gets its own account's token.
func TestClientIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cloud := newCloud()
		for i := range 50 {
			cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: numbered(i)})
		}
		federated := federate(t, cloud)
		cloud.Fault(fakecloud.Fault{Service: "iamcredentials", Probability: 0.2, Status: 503})
		c := client(cloud)
		c.APIClient, c.MaxAttempts = "gl-go/1", 20
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				token, err := c.AccessToken(t.Context(), federated, impersonate.AccessTokenRequest{ServiceAccount: numbered(i), Scopes: []string{bigquery}})
				if issued, _ := cloud.LookupToken(token.Value.Reveal()); err != nil || issued.Principal != numbered(i) {
					t.Errorf("%d: %v for %s", i, err, issued.Principal)
				}
			})
		}
		wg.Wait()
	})
}

func numbered(i int) string { return fmt.Sprintf("sa-%d@p.iam.gserviceaccount.com", i) }
