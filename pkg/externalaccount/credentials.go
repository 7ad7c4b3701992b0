package externalaccount

import (
	"cmp"
	"context"
	"runtime"
	"strings"

	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

// Credentials turn an identity from elsewhere into Google tokens as a credential
// file says. They hold no AWS key: each exchange asks the supplier and signs
// anew. [Credentials.Exchange] and [Credentials.Token] keep nothing either;
// [Credentials.CachedToken], and what is built on it, keeps one token. Safe for
// concurrent use.
type Credentials struct {
	holder
	file    *File // never changed
	options Options
	proof   proof
	sts     *googlests.Client
	iam     *impersonate.Client
}

var _ AnyCredentials = (*Credentials)(nil)

// New makes credentials of a file that ParseFile accepted, or of one that was
// put together in Go, of which Audience and SubjectTokenType are required. If
// neither the file nor the options name a source, every call fails with a
// *[RefreshError] of [LegConfig].
func New(f *File, o Options) *Credentials {
	o = o.filled()
	own := *f
	own.UniverseDomain = cmp.Or(f.UniverseDomain, googleapi.DefaultUniverse)
	own.TokenURL = cmp.Or(f.TokenURL, defaultTokenURL(own.UniverseDomain, f.Certificate != nil))
	own.QuotaProjectID = o.quotaProject(f.QuotaProjectID)
	return assemble(&own, o, newProof(&own, o))
}

// assemble makes the clients for a file and options.
func assemble(f *File, o Options, p proof) *Credentials {
	client := p.client(o.HTTPClient)
	c := &Credentials{
		holder:  newHolder(o, f.QuotaProjectID, f.UniverseDomain),
		file:    f,
		options: o,
		proof:   p,
		sts: &googlests.Client{
			TokenURL:         f.TokenURL,
			UniverseDomain:   f.UniverseDomain,
			AllowAnyEndpoint: o.AllowAnyEndpoint,
			ClientAuth:       googlests.ClientAuth{ID: f.ClientID, Secret: f.ClientSecret},
			HTTPClient:       client,
			APIClient:        apiClient(f, p.name),
			Now:              o.Now,
		},
		iam: &impersonate.Client{
			Endpoint:         f.IAMEndpoint(),
			UniverseDomain:   f.UniverseDomain,
			AllowAnyEndpoint: o.AllowAnyEndpoint,
			HTTPClient:       client,
			Now:              o.Now,
		},
	}
	c.mint = c.Token
	return c
}

// SubjectToken returns a new subject token. Fails with a *RefreshError.
func (c *Credentials) SubjectToken(ctx context.Context) (secret.Text, error) {
	t, err := c.proof.SubjectToken(ctx)
	if err != nil {
		return secret.Text{}, refreshError(err)
	}
	return t, nil
}

// Revoke has the program of an executable source forget what it keeps, such as a
// login, for which it has to be interactive, and forgets the kept token. Fails with
// a *RefreshError, of [LegConfig] if the source is another one, which has nothing
// to revoke.
func (c *Credentials) Revoke(ctx context.Context) error {
	source, ok := c.proof.Source.(interface{ Revoke(context.Context) error })
	if !ok {
		return configFailure("revoking: the credential_source keeps nothing that could be revoked; only an executable does")
	}
	if err := source.Revoke(ctx); err != nil {
		return refreshError(err)
	}
	c.forget()
	return nil
}

// Exchange returns a new federated token with the scopes, whomever the file
// impersonates: it is for those who impersonate others with it, and for the
// rest there is [Credentials.Token]. The request to AWS is signed again at every
// attempt; a subject token of any other source is made once, before the first.
// Fails with a *RefreshError.
func (c *Credentials) Exchange(ctx context.Context, scopes []string) (googlests.Token, error) {
	subject, err := c.proof.forAttempts(ctx)
	if err != nil {
		return googlests.Token{}, refreshError(err)
	}
	req := googlests.ExchangeRequest{
		Audience:         c.file.Audience,
		Scopes:           scopes,
		SubjectToken:     subject,
		SubjectTokenType: c.file.SubjectTokenType,
	}
	if c.file.WorkforcePoolUserProject != "" && c.file.ClientID == "" {
		req.Options = map[string]any{"userProject": c.file.WorkforcePoolUserProject}
	}
	t, err := c.sts.Exchange(ctx, req)
	if err != nil {
		return googlests.Token{}, refreshError(err)
	}
	return t, nil
}

// apiClient is the x-goog-api-client header by which Google counts how
// federation is used.
func apiClient(f *File, source string) string {
	return strings.Join([]string{
		"gl-go/" + strings.TrimPrefix(runtime.Version(), "go"),
		"auth/" + Version,
		"google-byoid-sdk",
		"source/" + source,
		"sa-impersonation/" + boolText(f.ServiceAccountImpersonationURL != ""),
		"config-lifetime/" + boolText(f.ServiceAccountTokenLifetimeSeconds != 0),
	}, " ")
}

// Version is this library's, as Google is told.
const Version = "0.1.0"

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
