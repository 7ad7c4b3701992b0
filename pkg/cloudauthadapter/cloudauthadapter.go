// Package cloudauthadapter hands this project's tokens to the client libraries of
// Google, which take them by cloud.google.com/go/auth, and its AWS credentials to
// Google's own federation in cloud.google.com/go/auth/credentials/externalaccount.
// It is a module of its own, since cloud.google.com/go/auth brings gRPC and
// OpenTelemetry along. Its go.mod requires the module around it by a replace, and no
// released version of it, so "go get" cannot fetch it: use it from a checkout, with
// a replace of both modules in your own go.mod, or with a go.work.
//
// # Use
//
// [FromCredentials] and [FromSource] yield access tokens, [IDTokens] ID tokens.
// [Provider.Credentials] makes of either what client libraries want:
//
//	credentials := cloudauthadapter.FromSource(source).Credentials()
//	client, err := storage.NewClient(ctx, option.WithAuthCredentials(credentials))
//
// [AWSSupplier] is for keeping Google's library as it is, and taking from here
// only where the AWS credentials come from.
//
// # When not to use it
//
// A program that makes its requests itself has no need of it: the credentials and
// the source have a Transport, and the source has per-RPC credentials for gRPC. For
// a library that takes golang.org/x/oauth2 there is pkg/oauth2adapter.
//
// # Promises
//
// The credentials and the source keep their token themselves, and replace it 225 s
// before it expires, which is also when Google's libraries would. Nothing keeps it
// a second time, and nothing refreshes it in the background: see
// [Provider.Credentials].
//
// A call ends with its context, and after a minute. Errors are those of what is
// adapted, as they are: errors.As finds an *externalaccount.RefreshError also in
// what an http.Client returns. None shows a secret; an auth.Token is plain text,
// and does wherever it is printed.
package cloudauthadapter

import (
	"context"
	"fmt"
	"os"
	"time"

	"cloud.google.com/go/auth"

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

// Provider is an [auth.TokenProvider] that honours the context of each caller. Only
// one that was made by this package is of use. Safe for concurrent use.
type Provider struct {
	token                           func(context.Context) (*auth.Token, error)
	quotaProject, universe, project property // nil if there is none to tell
}

var _ auth.TokenProvider = Provider{}

// FromCredentials yields the access tokens of credentials.
func FromCredentials(c externalaccount.AnyCredentials) Provider {
	p := Provider{
		token: func(ctx context.Context) (*auth.Token, error) {
			t, err := c.CachedToken(ctx)
			return newToken(t.Value, t.Expiry, err)
		},
		quotaProject: func(context.Context) (string, error) { return c.QuotaProject(), nil },
		universe:     func(context.Context) (string, error) { return c.UniverseDomain(), nil },
	}
	if c, ok := c.(*externalaccount.Credentials); ok { // no other kind belongs to a project
		p.project = c.ProjectID
	}
	return p
}

// FromSource yields the access token that a secret holds, which also tells its
// universe and project. An ID token in it is a *[tokensource.Error].
func FromSource(s *tokensource.Source) Provider {
	return stored(func(ctx context.Context) (tokenstore.Token, error) { return accessToken(ctx, s) })
}

// IDTokens yields the ID token for an audience that a secret holds, which also
// tells its universe and project.
func IDTokens(s *tokensource.Source, audience string) Provider {
	return stored(func(ctx context.Context) (tokenstore.Token, error) { return s.IDToken(ctx, audience) })
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

func stored(read func(context.Context) (tokenstore.Token, error)) Provider {
	return Provider{
		token: func(ctx context.Context) (*auth.Token, error) {
			t, err := read(ctx)
			return newToken(t.Value, t.Expiry, err)
		},
		universe: func(ctx context.Context) (string, error) {
			t, err := read(ctx)
			return t.UniverseDomain, err
		},
		project: func(ctx context.Context) (string, error) {
			t, err := read(ctx)
			return t.ProjectID, err
		},
	}
}

func newToken(value secret.Text, expiry time.Time, err error) (*auth.Token, error) {
	if err != nil {
		return nil, err
	}
	return &auth.Token{Value: value.Reveal(), Type: "Bearer", Expiry: expiry}, nil
}

// Token returns a token that has not expired. A call that waits shares what it
// waits for with others, and not their patience.
func (p Provider) Token(ctx context.Context) (*auth.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return p.token(ctx)
}

// longerThanAnyTokenLives is more than the 12 hours that Google allows.
const longerThanAnyTokenLives = 24 * time.Hour

// Credentials are for option.WithAuthCredentials and for the Options of httptransport
// and grpctransport. They are billed to the quota project of what is adapted, else to
// GOOGLE_CLOUD_QUOTA_PROJECT (by httptransport only if its Options have Headers, be
// they empty), and checked against the client's universe. Their project is
// GOOGLE_CLOUD_PROJECT, else what is adapted tells: *externalaccount.Credentials ask
// Google each time, for which they need a permission.
//
// Their TokenProvider is one of [auth.NewCachedTokenProvider], because httptransport
// makes one of any other: and that refreshes in a goroutine which nobody waits for,
// and which in a Lambda function is frozen with the process. This one neither does
// that nor keeps a token. What remains is its lock, which callers wait for whatever
// their context says while a token is fetched. grpctransport is content without it:
//
//	auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: provider})
func (p Provider) Credentials() *auth.Credentials {
	return auth.NewCredentials(&auth.CredentialsOptions{
		TokenProvider: auth.NewCachedTokenProvider(p, &auth.CachedTokenProviderOptions{
			DisableAsyncRefresh: true,
			ExpireEarly:         longerThanAnyTokenLives,
		}),
		QuotaProjectIDProvider: p.quotaProject,
		UniverseDomainProvider: p.universe,
		ProjectIDProvider:      p.project.unless("GOOGLE_CLOUD_PROJECT"),
	})
}

// property is an auth.CredentialsPropertyProvider that may be nil. An empty one has
// auth.Credentials look elsewhere, as in the environment.
type property func(context.Context) (string, error)

func (p property) GetProperty(ctx context.Context) (string, error) {
	if p == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return p(ctx)
}

// unless is empty, and asks nobody, when a variable of the environment is set.
func (p property) unless(variable string) property {
	return func(ctx context.Context) (string, error) {
		if os.Getenv(variable) != "" {
			return "", nil
		}
		return p.GetProperty(ctx)
	}
}
