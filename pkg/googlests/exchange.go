package googlests

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

const (
	grantTypeTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	tokenTypeAccessToken   = "urn:ietf:params:oauth:token-type:access_token"
)

// ExchangeRequest is the RFC 8693 request (section 2.1). Empty fields are left
// out of the form.
type ExchangeRequest struct {
	// GrantType zero means "urn:ietf:params:oauth:grant-type:token-exchange".
	GrantType string
	// Audience is the provider's full resource name. Google requires it for
	// every subject token that is not Google's own.
	Audience string
	// Scopes are joined by spaces.
	Scopes []string
	// RequestedTokenType zero means "urn:ietf:params:oauth:token-type:access_token".
	RequestedTokenType string
	// SubjectToken is called once for each attempt, so that a retried request
	// is signed again. Its error ends the exchange and is returned as it is.
	// Required.
	SubjectToken func(context.Context) (secret.Text, error)
	// SubjectTokenType is required, such as
	// "urn:ietf:params:aws:token-type:aws4_request".
	SubjectTokenType string
	// SubjectExpiry is when the subject token expires; zero means unknown.
	// Google tells no expiry of what it makes from a user's access token: that
	// expires with the subject token, and is refused if this is not known.
	SubjectExpiry time.Time
	// Resource is the URI of where the token is to be used (RFC 8693, 2.1).
	Resource string
	// ActorToken and ActorTokenType are both set or both empty.
	ActorToken     secret.Text
	ActorTokenType string
	// Options is sent as JSON, such as {"userProject": "123"}, of which Google
	// takes 4,096 characters.
	Options map[string]any
}

// exchanging is [Error.Op] of an exchange.
const exchanging = "exchanging token"

// Exchange exchanges a subject token. It fails with the error of SubjectToken,
// or with an *[Error].
//
// Connection errors and the statuses 408, 429, 500, 502, 503 and 504 are tried
// again after a jittered wait, or what Retry-After asks, as long as ctx's
// deadline leaves time for it; an answer that cannot be trusted is not, since
// the server meant it.
func (c *Client) Exchange(ctx context.Context, req ExchangeRequest) (Token, error) {
	return c.exchange(ctx, failure{op: exchanging}, req)
}

// ExchangeToken exchanges one subject token at a token endpoint: a [Client]
// with nothing but a TokenURL, for whoever needs no second one. An empty
// tokenURL means [DefaultTokenURL], a nil httpClient a shared transport with
// keep-alive. A universe of one's own, an OAuth client, other timeouts: those
// are a Client's fields. It fails as [Client.Exchange] does.
func ExchangeToken(ctx context.Context, httpClient *http.Client, tokenURL string, req ExchangeRequest) (Token, error) {
	c := Client{TokenURL: tokenURL, HTTPClient: httpClient}
	return c.Exchange(ctx, req)
}

func (c *Client) exchange(ctx context.Context, fail failure, req ExchangeRequest) (Token, error) {
	endpoint, err := c.endpoint(c.tokenURL())
	if err != nil {
		return Token{}, fail.because("invalid_endpoint", err)
	}
	fail.host = endpoint.Host
	if err := cmp.Or(req.check(), c.ClientAuth.check()); err != nil {
		return Token{}, fail.because("invalid_request", err)
	}
	options, err := marshalOptions(req.Options)
	if err != nil {
		return Token{}, fail.because("invalid_request", err)
	}
	var sent time.Time
	answer, err := c.caller().Call(ctx, func(ctx context.Context) (googleapi.Request, error) {
		subject, err := req.SubjectToken(ctx)
		if err != nil {
			return googleapi.Request{}, err
		}
		if subject.IsZero() {
			return googleapi.Request{}, fail.because("invalid_request", errors.New("SubjectToken returned an empty token and no error"))
		}
		sent = c.now()
		return googleapi.Request{
			Request: c.post(ctx, endpoint, c.exchangeForm(req, options, subject)),
			Secrets: []secret.Text{subject, req.ActorToken, c.ClientAuth.Secret},
			Public:  []string{req.Audience, req.Resource}, PublicIn: publicParts,
		}, nil
	})
	if err != nil {
		return Token{}, fail.call(err)
	}
	token, err := readToken(answer, req, sent, c.now())
	if err != nil {
		return Token{}, fail.answer(answer.Status, err)
	}
	return token, nil
}

// check tells what is missing.
func (r ExchangeRequest) check() error {
	switch {
	case r.SubjectToken == nil:
		return errors.New("SubjectToken is nil")
	case r.SubjectTokenType == "":
		return errors.New("SubjectTokenType is empty")
	case r.ActorToken.IsZero() != (r.ActorTokenType == ""):
		return errors.New("one of ActorToken and ActorTokenType is empty: set both or neither (RFC 8693, 2.1)")
	}
	return nil
}

// maxOptions is Google's limit, in characters.
// https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
const maxOptions = 4096

func marshalOptions(options map[string]any) (string, error) {
	if len(options) == 0 {
		return "", nil
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // in a condition, && would be twelve of the characters
	if err := encoder.Encode(options); err != nil {
		return "", fmt.Errorf("marshalling Options: %w", err)
	}
	if n := utf8.RuneCountInString(text.String()) - len("\n"); n > maxOptions {
		return "", fmt.Errorf("the options are %d characters of JSON: Google takes at most %d", n, maxOptions)
	}
	return strings.TrimSuffix(text.String(), "\n"), nil
}

func (c *Client) exchangeForm(req ExchangeRequest, options string, subject secret.Text) form {
	// The subject token is most of it, and what is escaped in it is its own "%".
	f := make(form, 0, 768+len(subject.Reveal())+2*strings.Count(subject.Reveal(), "%"))
	f.add("grant_type", cmp.Or(req.GrantType, grantTypeTokenExchange))
	f.add("audience", req.Audience)
	f.add("scope", strings.Join(req.Scopes, " "))
	f.add("requested_token_type", cmp.Or(req.RequestedTokenType, tokenTypeAccessToken))
	f.add("subject_token", subject.Reveal())
	f.add("subject_token_type", req.SubjectTokenType)
	f.add("resource", req.Resource)
	f.add("actor_token", req.ActorToken.Reveal())
	f.add("actor_token_type", req.ActorTokenType)
	f.add("options", options)
	c.ClientAuth.addTo(&f)
	return f
}
