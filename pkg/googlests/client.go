// Package googlests is a client of Google's Security Token Service, an RFC 8693
// token exchange server, and of what it does with the tokens that it has issued.
//
//   - [Client.Exchange], or [ExchangeToken] without a Client, trades a subject
//     token, the proof of who one is elsewhere, for a Google access token. The proof
//     is made anew for every attempt, since a signature goes stale while a retry waits.
//   - [Client.Downscope] trades an access token for one that can do less.
//   - [Client.Refresh] gets an access token for the refresh token of somebody who
//     has logged in through a workforce identity pool, [Client.Revoke] ends such a
//     login, and [Client.Introspect] tells what a token is good for.
//
// On AWS, with the subject tokens of package subjecttoken:
//
//	var sts googlests.Client
//	token, err := sts.Exchange(ctx, googlests.ExchangeRequest{
//		Audience:         source.Audience,
//		Scopes:           []string{"https://www.googleapis.com/auth/cloud-platform"},
//		SubjectTokenType: subjecttoken.AWSTokenType,
//		SubjectToken:     source.SubjectToken, // source is a *subjecttoken.AWS
//	})
//
// Package impersonate takes such a token for one of a service account, and package
// externalaccount does the whole as a credential file says.
//
// Nothing is cached here: keep the [Token] until its Expiry, and a refresh token
// that came with it in place of the old one.
//
// An answer is believed only after it was checked: what comes back without an
// error has a token in it and an expiry in the future. What fails, fails with
// an [*Error] that says whether to try again. No error and no token of this
// package prints a secret.
//
// Do not use it with a service account's key: that is another endpoint, which
// golang.org/x/oauth2 serves.
package googlests

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
)

// DefaultTokenURL is the global endpoint of the default universe.
const DefaultTokenURL = "https://sts.googleapis.com/v1/token"

// Client calls Google's STS. The zero value calls the endpoints of the default
// universe without client authentication, which is enough to exchange and to
// downscope. Safe for concurrent use.
type Client struct {
	// TokenURL is the token endpoint: https and one of the host forms of
	// Google's STS. Zero means https://sts.UNIVERSE/v1/token, and
	// https://sts.UNIVERSE/v1/oauthtoken for a refresh.
	TokenURL string
	// UniverseDomain is what TokenURL's host must end in; zero means googleapis.com.
	UniverseDomain string
	// AllowAnyEndpoint switches the endpoint check off, http included. For
	// tests and local runs: whoever answers gets a signed AWS identity, or a
	// refresh token.
	AllowAnyEndpoint bool
	// ClientAuth authenticates the caller as an OAuth client; zero means none.
	// To refresh, to revoke and to introspect it is required.
	ClientAuth ClientAuth
	// HTTPClient lends its Transport and its Timeout to the calls. It is never
	// changed; redirects are never followed and cookies never kept, whatever it
	// says. Nil means a shared transport with keep-alive.
	HTTPClient *http.Client
	// AttemptTimeout bounds one attempt, the making of the subject token
	// included; zero means 10 s.
	AttemptTimeout time.Duration
	// MaxAttempts counts the first try too; zero means 4, 1 means no retry.
	MaxAttempts int
	// APIClient is the x-goog-api-client header; zero means none.
	APIClient string
	// Now is the clock expiries are computed with; nil means time.Now.
	Now func() time.Time
}

// tokenURL is TokenURL or the default of the universe.
func (c *Client) tokenURL() string {
	switch {
	case c.TokenURL != "":
		return c.TokenURL
	case c.UniverseDomain != "":
		return "https://sts." + c.UniverseDomain + "/v1/token"
	}
	return DefaultTokenURL
}

// endpoint parses one of Google STS's URLs and checks it.
func (c *Client) endpoint(rawURL string) (*url.URL, error) {
	return googleapi.ParseEndpoint(rawURL, "sts", c.UniverseDomain, c.AllowAnyEndpoint)
}

func (c *Client) caller() *googleapi.Caller {
	return &googleapi.Caller{HTTPClient: c.HTTPClient, AttemptTimeout: c.AttemptTimeout, MaxAttempts: c.MaxAttempts}
}

// post makes the request that sends a form to an endpoint that was checked.
func (c *Client) post(ctx context.Context, endpoint *url.URL, body form) *http.Request {
	r := googleapi.Post(ctx, endpoint, "application/x-www-form-urlencoded", c.APIClient, body)
	if authorization := c.ClientAuth.authorization(); authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}
