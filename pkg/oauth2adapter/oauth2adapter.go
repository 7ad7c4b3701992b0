// Package oauth2adapter hands this project's tokens to code that wants an
// [oauth2.TokenSource], and its AWS credentials to Google's own federation in
// golang.org/x/oauth2/google/externalaccount.
//
// # Use
//
// [FromCredentials] and [FromSource] yield access tokens, [IDTokens] ID tokens:
//
//	source := oauth2adapter.FromCredentials(ctx, credentials)
//	client := &http.Client{Transport: &oauth2.Transport{Source: source}}
//
// [AWSSupplier] is for keeping Google's library as it is, and taking from here
// only where the AWS credentials come from.
//
// # When not to use it
//
// A program that makes its requests itself has no need of oauth2: the Transport
// of the credentials or of the source honours each request's own context, and
// keeps the token from a host that a redirect leads to. Google's client libraries
// take a token source (option.WithTokenSource), but put a cache of their own around
// it, which refreshes in the background: give them the credentials of the module
// pkg/cloudauthadapter.
//
// # Promises
//
// A token source asks at every call: the credentials and the source keep their
// token themselves, and replace it 225 s before it expires. Wrapping one in
// [oauth2.ReuseTokenSource], as [oauth2.NewClient] does unasked, is safe but for
// the worse: a token is then used until 10 s before it expires and, when there is
// none to be had, callers queue for a lock instead of failing together.
//
// An [oauth2.TokenSource] is given no context. It has the values of the one it was
// made with, ends with it, and gives up after a minute.
//
// Errors are those of what is adapted, as they are: errors.As finds an
// *externalaccount.RefreshError also in what an http.Client returns. None shows a
// secret; an oauth2.Token is plain text, and does wherever it is printed.
package oauth2adapter

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// patience is how long a call waits for a token. Making one takes well under a
// second; this leaves time for a program of a credential file (30 s by default)
// and for the 10 s that Google STS and IAM have for their first try each. Whoever
// needs longer, as a program that asks a person, calls CachedToken beforehand.
const patience = time.Minute

// FromCredentials yields the access tokens of credentials. ctx is for as long as
// the token source is in use, so no request's.
func FromCredentials(ctx context.Context, c externalaccount.AnyCredentials) oauth2.TokenSource {
	return tokenSource{ctx, func(ctx context.Context) (*oauth2.Token, error) {
		t, err := c.CachedToken(ctx)
		return newToken(t.Value, t.Expiry, err)
	}}
}

// FromSource yields the access token that a secret holds; an ID token in it is a
// *[tokensource.Error]. ctx is for as long as the token source is in use, so no
// request's.
func FromSource(ctx context.Context, s *tokensource.Source) oauth2.TokenSource {
	return tokenSource{ctx, func(ctx context.Context) (*oauth2.Token, error) {
		t, err := accessToken(ctx, s)
		return newToken(t.Value, t.Expiry, err)
	}}
}

// IDTokens yields the ID token for an audience that a secret holds, as the
// AccessToken of oauth2's tokens. ctx is for as long as the token source is in use,
// so no request's.
func IDTokens(ctx context.Context, s *tokensource.Source, audience string) oauth2.TokenSource {
	return tokenSource{ctx, func(ctx context.Context) (*oauth2.Token, error) {
		t, err := s.IDToken(ctx, audience)
		return newToken(t.Value, t.Expiry, err)
	}}
}

// accessToken is the counterpart of s.IDToken.
func accessToken(ctx context.Context, s *tokensource.Source) (tokenstore.Token, error) {
	t, err := s.Token(ctx)
	if err == nil && t.Kind == tokenstore.IDToken {
		return tokenstore.Token{}, &tokensource.Error{Secret: s.Secret, Expiry: t.Expiry,
			Reason: fmt.Sprintf("it holds an ID token for %q, not an access token; take it with IDTokens, or name another secret", t.Audience)}
	}
	return t, err
}

type tokenSource struct {
	ctx   context.Context // there is none at a call
	token func(context.Context) (*oauth2.Token, error)
}

func (s tokenSource) Token() (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	return s.token(ctx)
}

// newToken makes a new oauth2.Token at every call: oauth2 writes into those that it
// is given.
func newToken(value secret.Text, expiry time.Time, err error) (*oauth2.Token, error) {
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: value.Reveal(), TokenType: "Bearer", Expiry: expiry}, nil
}
