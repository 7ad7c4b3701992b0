package impersonate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

const (
	// tokenURL is also the audience of the assertion, wherever that is sent.
	tokenURL       = "https://oauth2.googleapis.com/token"
	grantJWTBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	// assertionLifetime is the longest that Google takes. The token lives for
	// as long whatever the assertion says.
	assertionLifetime = time.Hour
	// assertionAge is how old an assertion pretends to be: Google takes none
	// from the future, and clocks differ.
	assertionAge = 10 * time.Second
)

// UserTokenRequest asks for an access token of a user.
type UserTokenRequest struct {
	// ServiceAccount and Delegates are as in [AccessTokenRequest]. An
	// administrator of the user's domain has to have let the account act for
	// its users, with these Scopes.
	ServiceAccount string
	Delegates      []string
	// Subject is the user's email. Required.
	Subject string
	// Scopes are at least one, each an element of its own.
	Scopes []string
}

// UserToken makes an access token of a Google Workspace user by domain-wide
// delegation: the service account signs that it acts for the user (signJwt),
// and Google's OAuth token endpoint gives the token for that. It fails with an
// *[Error] and retries each of the two calls as [Client.AccessToken] does.
//
// There is domain-wide delegation in the universe googleapis.com only.
func (c *Client) UserToken(ctx context.Context, bearer secret.Text, req UserTokenRequest) (Token, error) {
	fail := failure{Op: "signJwt", Account: req.ServiceAccount, Subject: req.Subject}
	endpoint, err := googleapi.ParseEndpoint(cmp.Or(c.TokenURL, tokenURL), "oauth2", "", c.AllowAnyEndpoint)
	if err != nil {
		return Token{}, fail.because("invalid_endpoint", err)
	}
	if err := cmp.Or(req.check(), c.checkUniverse()); err != nil {
		return Token{}, fail.because("invalid_request", err)
	}
	assertion, err := c.signJWT(ctx, fail, bearer, req.Delegates, req.claims(c.now().Add(-assertionAge)))
	if err != nil {
		return Token{}, err
	}
	fail.Op, fail.Host = "token", endpoint.Host
	return c.redeem(ctx, fail, endpoint, assertion.Token)
}

func (r UserTokenRequest) check() error {
	name, domain, _ := strings.Cut(r.Subject, "@")
	if name == "" || domain == "" || strings.Contains(domain, "@") || !googleapi.FitsHeader(r.Subject) {
		return fmt.Errorf("field Subject is %.100q: write the user's email, such as user@example.com", r.Subject)
	}
	return cmp.Or(checkChain(r.ServiceAccount, r.Delegates), checkScopes(r.Scopes))
}

func (c *Client) checkUniverse() error {
	if cmp.Or(c.UniverseDomain, googleapi.DefaultUniverse) != googleapi.DefaultUniverse {
		return errors.New("there is no domain-wide delegation in universes other than " + googleapi.DefaultUniverse)
	}
	return nil
}

// claims is what the account signs.
// https://developers.google.com/identity/protocols/oauth2/service-account
func (r UserTokenRequest) claims(issued time.Time) string {
	text, err := json.Marshal(struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Scope    string `json:"scope"`
		Audience string `json:"aud"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
	}{r.ServiceAccount, r.Subject, strings.Join(r.Scopes, " "), tokenURL, issued.Unix(), issued.Add(assertionLifetime).Unix()})
	if err != nil {
		panic(err) // strings and numbers only
	}
	return string(text)
}

// redeem gives the token endpoint an assertion for a token.
func (c *Client) redeem(ctx context.Context, fail failure, endpoint *url.URL, assertion secret.Text) (Token, error) {
	body := []byte(url.Values{"grant_type": {grantJWTBearer}, "assertion": {assertion.Reveal()}}.Encode())
	var sent time.Time
	read := func(answer *googleapi.Answer) (Token, error) {
		told, err := answer.OAuthToken()
		if err != nil {
			return Token{}, err
		}
		arrived := c.now()
		expiry, err := told.Expiry(sent, arrived)
		if err != nil {
			return Token{}, err
		}
		return Token{told.AccessToken, expiry}, checkExpiry("the expiry by the answer's expires_in", expiry, arrived)
	}
	return send(ctx, c, fail, read, func(ctx context.Context) (googleapi.Request, error) {
		sent = c.now()
		r := googleapi.Post(ctx, endpoint, "application/x-www-form-urlencoded", c.APIClient, body)
		return googleapi.Request{Request: r, Secrets: []secret.Text{assertion}, Public: []string{fail.Account, fail.Subject}}, nil
	})
}
