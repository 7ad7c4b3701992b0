package externalaccount

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/wifmint/wifmint/pkg/impersonate"
)

// Impersonated are credentials that impersonate a service account by means of
// others, the source. A token of the source, which has the scope cloud-platform, is
// kept for as long as it is good, and so is one of the account. Safe for
// concurrent use.
type Impersonated struct {
	holder
	file    *ImpersonatedFile // never changed
	options Options
	source  AnyCredentials
	iam     *impersonate.Client
}

var _ AnyCredentials = (*Impersonated)(nil)

// NewImpersonated makes credentials of the file and of its source, which the
// options are for too, but for the scopes. It fails with a *[ConfigError] if the
// file names no account, if no credentials can be made of its source, or if that is
// of another universe.
func NewImpersonated(f *ImpersonatedFile, o Options) (*Impersonated, error) {
	o = o.filled()
	if f.ServiceAccount() == "" {
		return nil, configErrorf("impersonating: service_account_impersonation_url names no service account; %s", wantImpersonation)
	}
	if err := f.checkSources(); err != nil {
		return nil, err
	}
	ofSource := o
	ofSource.Scopes, ofSource.DefaultScopes = []string{impersonationScope}, nil
	source, err := f.Source.Credentials(ofSource)
	if err != nil {
		return nil, err
	}
	own := *f
	own.Type = impersonatedServiceAccount
	own.UniverseDomain = cmp.Or(f.UniverseDomain, source.UniverseDomain())
	if own.UniverseDomain != source.UniverseDomain() { // and the source's token would go there
		return nil, configErrorf("impersonating %s: the universe_domain is %q, and %q that of the source_credentials; leave it out", f.ServiceAccount(), own.UniverseDomain, source.UniverseDomain())
	}
	own.QuotaProjectID = o.quotaProject(f.QuotaProjectID)
	if len(o.Scopes) == 0 {
		o.Scopes = f.Scopes
	}
	return assembleImpersonated(&own, o, source), nil
}

// assembleImpersonated makes the client for a file and options.
func assembleImpersonated(f *ImpersonatedFile, o Options, source AnyCredentials) *Impersonated {
	endpoint, _ := splitImpersonationURL(f.ServiceAccountImpersonationURL)
	client := o.HTTPClient
	if federated, ok := source.(*Credentials); ok { // whose token may be bound to a certificate
		client = federated.proof.client(client)
	}
	c := &Impersonated{
		holder:  newHolder(o, f.QuotaProjectID, f.UniverseDomain),
		file:    f,
		options: o,
		source:  source,
		iam: &impersonate.Client{
			Endpoint:         endpoint,
			UniverseDomain:   f.UniverseDomain,
			AllowAnyEndpoint: o.AllowAnyEndpoint,
			HTTPClient:       client,
			Now:              o.Now,
		},
	}
	c.mint = c.Token
	return c
}

// Token returns a new access token of the account with the scopes, of which there
// is at least one. It lives as long as the file's service_account_impersonation
// says, else an hour. If Google refuses the source's token, which was kept, the
// source is refreshed once. Fails with a *RefreshError.
func (c *Impersonated) Token(ctx context.Context, scopes []string) (Token, error) {
	by, err := c.source.CachedToken(ctx)
	if err != nil {
		return Token{}, err
	}
	token, err := c.impersonate(ctx, by, scopes)
	if refused, ok := errors.AsType[*impersonate.Error](err); ok && refused.HTTPStatus == http.StatusUnauthorized {
		if by, err = c.source.Refresh(ctx); err != nil {
			return Token{}, err
		}
		token, err = c.impersonate(ctx, by, scopes)
	}
	if err != nil {
		return Token{}, refreshError(err)
	}
	return token, nil
}

func (c *Impersonated) impersonate(ctx context.Context, by Token, scopes []string) (Token, error) {
	account := c.file.ServiceAccount()
	own, err := c.iam.AccessToken(ctx, by.Value, impersonate.AccessTokenRequest{
		ServiceAccount: account,
		Delegates:      c.file.Delegates,
		Scopes:         scopes,
		Lifetime:       time.Duration(c.file.ServiceAccountTokenLifetimeSeconds) * time.Second,
	})
	return Token{own.Value, own.Expiry, account}, err
}

// Info is the file that the credentials are made of, with what their copies
// changed, and with the tokens of now if the source is a user:
// [ImpersonatedFile.Encode] makes a credential file of it again. It is a copy, of
// which nothing may be changed that it points to.
func (c *Impersonated) Info() *ImpersonatedFile {
	f := *c.file
	f.Source = c.source.AnyInfo()
	return &f
}

// AnyInfo is Info, whatever the kind of credentials.
func (c *Impersonated) AnyInfo() AnyFile { return c.Info() }

// IsUser is false, whoever impersonates the account.
func (c *Impersonated) IsUser() bool { return false }

// ServiceAccountEmail is the account that is impersonated.
func (c *Impersonated) ServiceAccountEmail() string { return c.file.ServiceAccount() }

// WithScopes returns a copy with other scopes, none of which means the default
// ones. Like every copy it has the same source, and keeps a token of its own.
func (c *Impersonated) WithScopes(scopes ...string) *Impersonated {
	return c.with(func(_ *ImpersonatedFile, o *Options) { o.Scopes = slices.Clone(scopes) })
}

// WithDefaultScopes returns a copy with other default scopes.
func (c *Impersonated) WithDefaultScopes(scopes ...string) *Impersonated {
	return c.with(func(_ *ImpersonatedFile, o *Options) { o.DefaultScopes = slices.Clone(scopes) })
}

// WithQuotaProject returns a copy that bills another project, whatever the
// environment says; an empty one bills that of what a request is for.
func (c *Impersonated) WithQuotaProject(id string) *Impersonated {
	return c.with(func(f *ImpersonatedFile, _ *Options) { f.QuotaProjectID = id })
}

// with returns a copy of which something is changed before its client is made.
func (c *Impersonated) with(change func(*ImpersonatedFile, *Options)) *Impersonated {
	f, o := *c.file, c.options
	change(&f, &o)
	return assembleImpersonated(&f, o, c.source)
}
