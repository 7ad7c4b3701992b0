// Package tokeninfo asks Google what a token is good for, at its OAuth
// tokeninfo endpoint: whether the token is valid at all, until when, and for
// which account, scopes or audience.
//
//	var google tokeninfo.Client
//	info, err := google.AccessToken(ctx, token)
//
// Use it to prove a token before somebody relies on it. Do not use it to
// authenticate requests: the endpoint is throttled and meant for debugging, and
// an ID token can be verified without a call.
//
// Google knows access tokens of service accounts and users there, and ID tokens.
// It does not know federated tokens, which are nobody's account: for those there
// is Introspect of package googlests.
//
// What fails, fails with an *[Error]: of a token that Google does not accept its
// Code is "invalid_token".
//
// The token travels in the body of a POST: a URL ends up in the logs of whoever
// passes it on. No error of this package shows it.
package tokeninfo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

// Client asks about tokens. The zero value asks Google's public cloud. Safe for
// concurrent use.
type Client struct {
	// URL is the endpoint: https and one of the host forms of oauth2.UNIVERSE.
	// Zero means https://oauth2.UNIVERSE/tokeninfo.
	URL string
	// UniverseDomain is what the host must end in; zero means googleapis.com.
	UniverseDomain string
	// AllowAnyEndpoint switches the endpoint check off, http included. For
	// tests and local runs: whoever answers gets the token.
	AllowAnyEndpoint bool
	// HTTPClient lends its Transport and its Timeout to the calls. Nil means a
	// shared transport with keep-alive.
	HTTPClient *http.Client
	// AttemptTimeout bounds one attempt; zero means 10 s.
	AttemptTimeout time.Duration
	// MaxAttempts counts the first try too; zero means 4, 1 means no retry.
	MaxAttempts int
}

// Info is what Google tells of a valid token.
type Info struct {
	// Expiry is in UTC, in whole seconds.
	Expiry time.Time
	// Email is the account's. It is empty when Google does not tell: of an
	// access token without an email scope, of an ID token made without
	// includeEmail.
	Email string
	// Subject is the account's unique id, a number; it may be empty.
	Subject string
	// Audience is whom an ID token is for. Of a service account's access token
	// it is the account's unique id.
	Audience string
	// Scopes are an access token's, as Google spells them: what was asked for
	// as "email" comes back as a URL.
	Scopes []string
}

// AccessToken asks about an access token. It fails with an *[Error], whose Code
// is "invalid_token" when Google does not accept the token. Failures that may
// pass are tried again as long as ctx's deadline leaves time for it.
func (c *Client) AccessToken(ctx context.Context, token secret.Text) (Info, error) {
	return c.ask(ctx, "access_token", token)
}

// IDToken asks about an ID token, as [Client.AccessToken] does.
func (c *Client) IDToken(ctx context.Context, token secret.Text) (Info, error) {
	return c.ask(ctx, "id_token", token)
}

func (c *Client) ask(ctx context.Context, field string, token secret.Text) (Info, error) {
	universe := cmp.Or(c.UniverseDomain, googleapi.DefaultUniverse)
	endpoint, err := googleapi.ParseEndpoint(cmp.Or(c.URL, "https://oauth2."+universe+"/tokeninfo"), "oauth2", universe, c.AllowAnyEndpoint)
	if err != nil {
		return Info{}, &Error{Code: "invalid_endpoint", Message: err.Error(), Err: err}
	}
	form := url.Values{field: {token.Reveal()}}.Encode()
	caller := googleapi.Caller{HTTPClient: c.HTTPClient, AttemptTimeout: c.AttemptTimeout, MaxAttempts: c.MaxAttempts}
	answer, err := caller.Call(ctx, func(ctx context.Context) (googleapi.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.String(), strings.NewReader(form))
		if err != nil {
			return googleapi.Request{}, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "application/json")
		return googleapi.Request{Request: r, Secrets: []secret.Text{token}}, nil
	})
	if err != nil {
		return Info{}, newError(endpoint.Host, err)
	}
	info, err := readInfo(answer)
	if err != nil {
		return Info{}, &Error{Host: endpoint.Host, HTTPStatus: answer.Status, Code: googleapi.CodeInvalidResponse, Message: err.Error()}
	}
	return info, nil
}

// readInfo reads an answer. Google writes its numbers as strings.
func readInfo(answer *googleapi.Answer) (Info, error) {
	var told struct {
		Expires  json.RawMessage `json:"exp"`
		Email    string          `json:"email"`
		Subject  string          `json:"sub"`
		Audience string          `json:"aud"`
		Scope    string          `json:"scope"`
	}
	if err := answer.Decode(&told); err != nil {
		return Info{}, err
	}
	seconds, err := strconv.ParseInt(strings.Trim(string(told.Expires), `"`), 10, 64)
	if err != nil || seconds < 0 || seconds > maxExpiry {
		return Info{}, errors.New("the answer has no exp that is a time")
	}
	return Info{
		Expiry:   time.Unix(seconds, 0).UTC(),
		Email:    told.Email,
		Subject:  told.Subject,
		Audience: told.Audience,
		Scopes:   strings.Fields(told.Scope),
	}, nil
}

// maxExpiry is the end of the year 9999, in seconds of Unix time: the last that
// RFC 3339 can write.
const maxExpiry = 253402300799
