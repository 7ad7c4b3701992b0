package impersonate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/secret"
)

const (
	reports  = "reports@p.iam.gserviceaccount.com"
	hop      = "hop@p.iam.gserviceaccount.com"
	ada      = "ada@example.com"
	platform = "https://www.googleapis.com/auth/cloud-platform"
	bigquery = "https://www.googleapis.com/auth/bigquery"
	calendar = "https://www.googleapis.com/auth/calendar"
	service  = "https://api.example.run.app"
	provider = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/ci"
	minter   = "principal://iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/subject/minter"
)

// newCloud is a Google project whose accounts the minter may impersonate.
func newCloud(accounts ...fakecloud.ServiceAccount) *fakecloud.Cloud {
	cloud := fakecloud.New(fakecloud.Options{})
	cloud.AddProvider(fakecloud.Provider{
		Audience: provider, Kind: fakecloud.OIDCProvider,
		Verify: func(subject string) (string, error) { return subject, nil },
	})
	for _, a := range accounts {
		if a.Callers == nil {
			a.Callers = []string{minter}
		}
		cloud.AddServiceAccount(a)
	}
	return cloud
}

// client calls a cloud.
func client(cloud http.RoundTripper) *impersonate.Client {
	return &impersonate.Client{HTTPClient: &http.Client{Transport: cloud}}
}

// federate is the minter's federated token.
func federate(tb testing.TB, cloud *fakecloud.Cloud) secret.Text {
	tb.Helper()
	sts := googlests.Client{HTTPClient: &http.Client{Transport: cloud}}
	token, err := sts.Exchange(tb.Context(), googlests.ExchangeRequest{
		Audience:         provider,
		Scopes:           []string{platform},
		SubjectTokenType: "urn:ietf:params:oauth:token-type:jwt",
		SubjectToken:     func(context.Context) (secret.Text, error) { return secret.New("minter"), nil },
	})
	if err != nil {
		tb.Fatal(err)
	}
	return token.AccessToken
}

// server is a Google that answers what a test wants.
type server func(*http.Request) (*http.Response, error)

func (s server) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

// answering answers every request alike.
func answering(status int, body string) server {
	return func(*http.Request) (*http.Response, error) { return response(status, body), nil }
}

func response(status int, body string) *http.Response {
	return &http.Response{
		StatusCode:    status,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

// now is when the server answers.
var now = time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC)

func atNow(s server) *impersonate.Client {
	c := client(s)
	c.Now = func() time.Time { return now }
	return c
}

// silent is a server that nothing may be sent to.
func silent(tb testing.TB) server {
	return func(r *http.Request) (*http.Response, error) {
		tb.Errorf("something was sent to %s", r.URL)
		return nil, errors.New("sent")
	}
}

var bearer = secret.New("ya29.d.federated")

// accessTokenRequest is a usual one.
var accessTokenRequest = impersonate.AccessTokenRequest{ServiceAccount: reports, Scopes: []string{bigquery}}

// calls are all calls of the package, with usual requests and a bearer token.
var calls = map[string]func(context.Context, *impersonate.Client, secret.Text) error{
	"AccessToken": func(ctx context.Context, c *impersonate.Client, bearer secret.Text) error {
		token, err := c.AccessToken(ctx, bearer, accessTokenRequest)
		return zeroIfFailed(token == impersonate.Token{}, err)
	},
	"IDToken": func(ctx context.Context, c *impersonate.Client, bearer secret.Text) error {
		token, err := c.IDToken(ctx, bearer, impersonate.IDTokenRequest{ServiceAccount: reports, Audience: service})
		return zeroIfFailed(token == impersonate.Token{}, err)
	},
	"SignBlob": func(ctx context.Context, c *impersonate.Client, bearer secret.Text) error {
		signed, err := c.SignBlob(ctx, bearer, impersonate.SignBlobRequest{ServiceAccount: reports, Payload: []byte("PLANTED blob of bytes")})
		return zeroIfFailed(signed.KeyID == "" && signed.Signature == nil, err)
	},
	"SignJWT": func(ctx context.Context, c *impersonate.Client, bearer secret.Text) error {
		signed, err := c.SignJWT(ctx, bearer, impersonate.SignJWTRequest{ServiceAccount: reports, Claims: map[string]any{"sub": "PLANTED-claim-0123456789"}})
		return zeroIfFailed(signed == impersonate.SignedJWT{}, err)
	},
	"UserToken": func(ctx context.Context, c *impersonate.Client, bearer secret.Text) error {
		token, err := c.UserToken(ctx, bearer, impersonate.UserTokenRequest{ServiceAccount: reports, Subject: ada, Scopes: []string{calendar}})
		return zeroIfFailed(token == impersonate.Token{}, err)
	},
}

// zeroIfFailed adds the mistake of a result beside an error, or of neither.
func zeroIfFailed(zero bool, err error) error {
	if zero == (err == nil) {
		return fmt.Errorf("the result is zero: %t, and the error %w", zero, err)
	}
	return err
}

func asError(tb testing.TB, err error) *impersonate.Error {
	tb.Helper()
	e, ok := err.(*impersonate.Error)
	if !ok {
		tb.Fatalf("got %T %v, want an *impersonate.Error", err, err)
	}
	return e
}

// wantDisbelieved has a call get an answer that it must not believe, nor ask for
// again: the error says what is wrong with it, and repeats nothing of it.
func wantDisbelieved(t *testing.T, call, body, says string, repeats ...string) {
	t.Helper()
	sent := 0
	err := calls[call](t.Context(), atNow(func(*http.Request) (*http.Response, error) {
		sent++
		return response(200, body), nil
	}), bearer)
	e := asError(t, err)
	if e.Code != "invalid_response" || e.HTTPStatus != 200 || e.Retryable || !strings.Contains(e.Message, says) || sent != 1 {
		t.Errorf("got %v after %d calls, want something about %q", err, sent, says)
	}
	for _, text := range repeats {
		if strings.Contains(err.Error(), text) {
			t.Errorf("%v repeats %q", err, text)
		}
	}
}
