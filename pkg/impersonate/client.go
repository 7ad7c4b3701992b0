// Package impersonate is a client of Google's IAM Service Account Credentials
// API: it makes short-lived tokens and signatures of a service account for
// someone who may impersonate it.
//
// Who that is, is told by a bearer token: the federated token of googlests, or
// any Google access token with the scope cloud-platform. For tokens,
// roles/iam.workloadIdentityUser on the account is enough; signatures need
// roles/iam.serviceAccountTokenCreator. Where there is a chain of delegates,
// each needs the latter on the next.
//
//   - [Client.AccessToken]: an OAuth access token of the account.
//   - [Client.IDToken]: an ID token, which services such as Cloud Run ask for.
//   - [Client.SignBlob], [Client.SignJWT]: signatures with the account's key,
//     which never leaves Google.
//   - [Client.UserToken]: an access token of a Google Workspace user, by
//     domain-wide delegation.
//
// For example:
//
//	var iam impersonate.Client
//	token, err := iam.AccessToken(ctx, bearer, impersonate.AccessTokenRequest{
//		ServiceAccount: "reports@PROJECT.iam.gserviceaccount.com",
//		Scopes:         []string{"https://www.googleapis.com/auth/bigquery"},
//	})
//
// Package externalaccount impersonates by itself where a credential file says so.
// To restrict an access token to some buckets, take it to googlests' Downscope; to
// have Google say what it is good for, to package tokeninfo.
//
// An answer is believed only after it was checked: what comes back without an
// error has a token in it and an expiry in the future. What fails, fails with
// an [*Error] that names the account and says whether to try again. No error
// and no token of this package prints a secret. Nothing is cached here: keep a
// [Token] until its Expiry.
package impersonate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

// Client calls the API. The zero value calls Google's public cloud. Safe for
// concurrent use.
type Client struct {
	// Endpoint is the API's origin: https and one of its host forms, such as
	// "https://iamcredentials.us-east4.rep.googleapis.com". Zero means
	// https://iamcredentials.UNIVERSE. A path is kept, for proxies that want one.
	Endpoint string
	// TokenURL is the OAuth token endpoint, which only [Client.UserToken]
	// calls; zero means "https://oauth2.googleapis.com/token".
	TokenURL string
	// UniverseDomain is what the hosts must end in; zero means googleapis.com.
	UniverseDomain string
	// AllowAnyEndpoint switches the endpoint check off, http included. For
	// tests and local runs: whoever answers gets the bearer token.
	AllowAnyEndpoint bool
	// HTTPClient lends its Transport and its Timeout to the calls. It is never
	// changed; redirects are never followed and cookies never kept, whatever it
	// says. Nil means a shared transport with keep-alive.
	HTTPClient *http.Client
	// AttemptTimeout bounds one attempt; zero means 10 s.
	AttemptTimeout time.Duration
	// MaxAttempts counts the first try too; zero means 4, 1 means no retry.
	MaxAttempts int
	// APIClient is the x-goog-api-client header; zero means none.
	APIClient string
	// Now is the clock expiries are judged by; nil means time.Now.
	Now func() time.Time
}

// Token is an access token or an ID token, checked: its Value is not empty.
type Token struct {
	// Value is fit for a header: visible ASCII only.
	Value secret.Text
	// Expiry is in UTC, in whole seconds, and was in the future when the token
	// came. It is never later than Google's own idea of it.
	Expiry time.Time
}

// invocation is one call of one of the API's methods.
type invocation struct {
	failure
	bearer secret.Text
	body   any // marshalled as JSON
	// hidden is what an error must not quote, beside the bearer token.
	hidden []secret.Text
}

// invoke calls a method and has read check the answer.
func invoke[T any](ctx context.Context, c *Client, call invocation, read func(*googleapi.Answer) (T, error)) (T, error) {
	var none T
	if !googleapi.FitsHeader(call.bearer.Reveal()) {
		return none, call.because("invalid_request", errors.New("the bearer token is empty or has characters in it that no header can carry"))
	}
	method, err := c.methodURL(call.Account, call.Op)
	if err != nil {
		return none, call.because("invalid_endpoint", err)
	}
	body, err := json.Marshal(call.body)
	if err != nil {
		return none, call.because("invalid_request", err)
	}
	call.Host = method.Host
	return send(ctx, c, call.failure, read, func(ctx context.Context) (googleapi.Request, error) {
		r := googleapi.Post(ctx, method, "application/json", c.APIClient, body)
		r.Header.Set("Authorization", "Bearer "+call.bearer.Reveal())
		return googleapi.Request{Request: r, Secrets: call.hidden, Public: []string{call.Account}}, nil
	})
}

// send makes the call whose request build makes, and has read check the
// answer. One that cannot be trusted is not tried again: the server meant it.
func send[T any](ctx context.Context, c *Client, fail failure, read func(*googleapi.Answer) (T, error), build func(context.Context) (googleapi.Request, error)) (T, error) {
	var none T
	caller := googleapi.Caller{HTTPClient: c.HTTPClient, AttemptTimeout: c.AttemptTimeout, MaxAttempts: c.MaxAttempts}
	answer, err := caller.Call(ctx, build)
	if err != nil {
		return none, fail.call(err)
	}
	told, err := read(answer)
	if err != nil {
		return none, fail.answer(answer.Status, err)
	}
	return told, nil
}

// methodURL is where a method of an account is called.
func (c *Client) methodURL(account, method string) (*url.URL, error) {
	origin := c.Endpoint
	if origin == "" {
		origin = "https://iamcredentials." + cmp.Or(c.UniverseDomain, googleapi.DefaultUniverse)
	}
	u, err := googleapi.ParseEndpoint(origin, "iamcredentials", c.UniverseDomain, c.AllowAnyEndpoint)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return nil, errors.New("field Endpoint has a query: write an origin, such as https://iamcredentials.googleapis.com")
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/v1/" + resourceName(account) + ":" + method
	return u, nil
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}
