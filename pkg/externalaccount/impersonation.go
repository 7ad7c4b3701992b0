package externalaccount

import (
	"context"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/impersonate"
)

// IAMEndpoint is where the file impersonates: the origin, and what path a proxy
// adds to it, of its service_account_impersonation_url. A private endpoint that
// stands there is meant for other accounts too. It is empty if the file has no such
// URL, which means the endpoint of its universe.
func (f *File) IAMEndpoint() string {
	endpoint, _ := splitImpersonationURL(f.ServiceAccountImpersonationURL)
	return endpoint
}

// ServiceAccount is the email of the account that the file impersonates; empty
// if it impersonates no one.
func (f *File) ServiceAccount() string {
	_, email := splitImpersonationURL(f.ServiceAccountImpersonationURL)
	return email
}

// splitImpersonationURL takes ENDPOINT/v1/projects/-/serviceAccounts/EMAIL:generateAccessToken
// apart. The email of any other URL is empty.
func splitImpersonationURL(s string) (endpoint, email string) {
	endpoint, method, _ := strings.Cut(s, "/v1/projects/-/serviceAccounts/")
	email, ok := strings.CutSuffix(method, ":generateAccessToken")
	if !ok || strings.ContainsAny(email, "/:?#") {
		email = ""
	}
	return endpoint, email
}

// impersonationScope is what the federated token needs to impersonate with. What
// the account's token is good for, its own scopes decide.
const impersonationScope = "https://www.googleapis.com/auth/cloud-platform"

// Token returns a new access token with the scopes, of which there is at least
// one: of the service account that the file impersonates or, if it impersonates
// no one, of the federated identity, as Exchange does. The account's token lives
// as long as the file's service_account_impersonation says, else an hour. Fails
// with a *RefreshError.
func (c *Credentials) Token(ctx context.Context, scopes []string) (Token, error) {
	if c.file.ServiceAccountImpersonationURL == "" {
		federated, err := c.Exchange(ctx, scopes)
		return Token{Value: federated.AccessToken, Expiry: federated.Expiry}, err
	}
	account := c.file.ServiceAccount()
	if account == "" { // which ParseFile accepts with AllowAnyEndpoint
		return Token{}, configFailure("impersonating: service_account_impersonation_url names no service account; " + wantImpersonation)
	}
	federated, err := c.Exchange(ctx, []string{impersonationScope})
	if err != nil {
		return Token{}, err
	}
	own, err := c.iam.AccessToken(ctx, federated.AccessToken, impersonate.AccessTokenRequest{
		ServiceAccount: account,
		Scopes:         scopes,
		Lifetime:       time.Duration(c.file.ServiceAccountTokenLifetimeSeconds) * time.Second,
	})
	if err != nil {
		return Token{}, refreshError(err)
	}
	return Token{own.Value, own.Expiry, account}, nil
}
