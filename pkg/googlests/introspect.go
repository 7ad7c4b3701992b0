package googlests

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

// IntrospectRequest is the RFC 7662 request.
type IntrospectRequest struct {
	// URL is a credential file's token_info_url; zero means
	// https://sts.UNIVERSE/v1/introspect.
	URL string
	// Token is an access token of Google STS. Required.
	Token secret.Text
	// TypeHint is "access_token", the same as the URN
	// "urn:ietf:params:oauth:token-type:access_token", or empty: Google knows no
	// other.
	TypeHint string
}

// Introspection is what Google tells of a token. An inactive one has the zero
// value, whatever else the answer says.
type Introspection struct {
	// Active tells whether the token is good, by Google's clock. It is false for
	// one that has expired, was revoked, is not of Google STS or never was.
	Active bool
	// Username is the principal as IAM policies name it:
	// "principal://iam.googleapis.com/…/subject/SUBJECT".
	Username string
	// Subject is the pool and the subject in Google's own encoding.
	Subject string
	// ClientID is the OAuth client that got the token; often empty.
	ClientID string
	// Scopes are the token's, Issuer is who issued it, as Google tells them.
	Scopes []string
	Issuer string
	// Audience is RFC 7662's; Google tells none.
	Audience []string
	// IssuedAt and Expiry are in UTC, in whole seconds; zero if they are not told.
	IssuedAt, Expiry time.Time
}

// Introspect asks Google about an access token that its STS has issued, a
// federated or a workforce user's. A service account's token is not of STS:
// package tokeninfo asks about those. ClientAuth is required; any OAuth client
// will do. It fails with an *[Error] and retries as [Client.Exchange] does.
//
// That a token is inactive is an answer, not an error.
func (c *Client) Introspect(ctx context.Context, req IntrospectRequest) (Introspection, error) {
	f := make(form, 0, 1024)
	f.add("token", req.Token.Reveal())
	f.add("token_type_hint", req.TypeHint)
	var told Introspection
	err := c.callAbout(ctx, issuedCall{
		op:  "introspecting token",
		url: req.URL, path: "/v1/introspect",
		field: "Token", token: req.Token,
		form: f,
		read: func(answer *googleapi.Answer, _ time.Time) (err error) {
			told, err = readIntrospection(answer)
			return err
		},
	})
	return told, err
}

// readIntrospection reads RFC 7662's answer (2.2). Its errors quote nothing of it.
func readIntrospection(answer *googleapi.Answer) (Introspection, error) {
	var members map[string]json.RawMessage
	if err := answer.Decode(&members); err != nil {
		return Introspection{}, err
	}
	switch active := string(members["active"]); {
	case active == "false", members != nil && len(members) == 0: // Google's JSON may leave out what is false
		return Introspection{}, nil
	case active == "":
		return Introspection{}, errors.New("the answer does not say whether the token is active")
	case active != "true":
		return Introspection{}, errors.New("the answer's active is neither true nor false")
	}
	var told struct {
		Username string          `json:"username"`
		Subject  string          `json:"sub"`
		ClientID string          `json:"client_id"`
		Scope    string          `json:"scope"`
		Issuer   string          `json:"iss"`
		Audience json.RawMessage `json:"aud"`
		IssuedAt json.RawMessage `json:"iat"`
		Expiry   json.RawMessage `json:"exp"`
	}
	if err := answer.Decode(&told); err != nil {
		return Introspection{}, err
	}
	i := Introspection{
		Active: true, Username: told.Username, Subject: told.Subject,
		ClientID: told.ClientID, Scopes: strings.Fields(told.Scope), Issuer: told.Issuer,
	}
	var errAudience, errIssuedAt, errExpiry error
	i.Audience, errAudience = readAudience(told.Audience)
	i.IssuedAt, errIssuedAt = readTimestamp("iat", told.IssuedAt)
	i.Expiry, errExpiry = readTimestamp("exp", told.Expiry)
	if err := cmp.Or(errAudience, errIssuedAt, errExpiry); err != nil {
		return Introspection{}, err
	}
	if !i.Expiry.IsZero() && i.Expiry.Before(i.IssuedAt) {
		return Introspection{}, errors.New("the answer's token expired before it was issued")
	}
	return i, nil
}

// readTimestamp reads seconds since 1970, as a number or, as Google writes 64
// bits, in quotes.
func readTimestamp(name string, raw json.RawMessage) (time.Time, error) {
	text := strings.Trim(string(raw), `"`)
	if text == "" || text == "null" {
		return time.Time{}, nil
	}
	const end9999 = 253402300799 // the last second that RFC 3339 can write
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 1 || seconds > end9999 {
		return time.Time{}, fmt.Errorf("the answer's %s is no time in whole seconds since 1970", name)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// readAudience reads a string or a list of them (RFC 7519, 4.1.3).
func readAudience(raw json.RawMessage) (audience []string, err error) {
	var one string
	switch {
	case len(raw) == 0:
		return nil, nil
	case json.Unmarshal(raw, &audience) == nil:
		return audience, nil
	case json.Unmarshal(raw, &one) == nil:
		return []string{one}, nil
	}
	return nil, errors.New("the answer's aud is neither a string nor a list of strings")
}
