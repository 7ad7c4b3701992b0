package externalaccount

import (
	"cmp"
	"context"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// Options are what a credential file does not say. The zero value works.
type Options struct {
	// Source makes the subject tokens in place of the file's credential_source: a
	// function of your own (subjecttoken.Func, which is told the file's audience and
	// token type unless it names others), AWS's web identity, any implementation.
	Source subjecttoken.Source
	// Supplier yields the AWS credentials in place of the sources that the
	// file names. The file's aws_role_arn is assumed on top of it. Without effect
	// if there is a Source.
	Supplier supplier.AwsSecurityCredentialsSupplier
	// Scopes are what [Credentials.CachedToken] is for. If there are none it is
	// DefaultScopes, which are for a library to set that its user may overrule.
	Scopes, DefaultScopes []string
	// Interactive lets the program of an executable source ask the user.
	Interactive bool
	// HTTPClient calls Google, the server of a URL source, and AWS STS if there is
	// a role to assume. Nil means a shared transport for Google and a new connection
	// for the others. With a certificate source its Transport is an *http.Transport,
	// which is copied and presents the certificate, or nil; any other is used as it
	// is, and has to present the certificate itself.
	HTTPClient *http.Client
	// AllowAnyEndpoint lets Google's URLs be http and name any host.
	AllowAnyEndpoint bool
	// Getenv looks up the environment, of which GOOGLE_CLOUD_QUOTA_PROJECT wins over
	// the file's quota_project_id; nil means os.Getenv.
	Getenv func(string) string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Credentials turn an identity from elsewhere into Google tokens as a credential
// file says. They hold no AWS key: each exchange asks the supplier and signs
// anew. [Credentials.Exchange] and [Credentials.Token] keep nothing either;
// [Credentials.CachedToken], and what is built on it, keeps one token. Safe for
// concurrent use.
type Credentials struct {
	file    *File // never changed
	options Options
	proof   proof
	sts     *googlests.Client
	iam     *impersonate.Client
	cache   cache
}

// quotaProjectVariable wins over the file, as in Google's libraries.
const quotaProjectVariable = "GOOGLE_CLOUD_QUOTA_PROJECT"

// New makes credentials of a file that ParseFile accepted, or of one that was
// put together in Go, of which Audience and SubjectTokenType are required. If
// neither the file nor the options name a source, every call fails with a
// *[RefreshError] of the leg config.
func New(f *File, o Options) *Credentials {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	own := *f
	own.UniverseDomain = cmp.Or(f.UniverseDomain, googleapi.DefaultUniverse)
	own.TokenURL = cmp.Or(f.TokenURL, defaultTokenURL(own.UniverseDomain, f.Certificate != nil))
	own.QuotaProjectID = cmp.Or(o.Getenv(quotaProjectVariable), f.QuotaProjectID)
	return assemble(&own, o, newProof(&own, o))
}

// assemble makes the clients for a file and options.
func assemble(f *File, o Options, p proof) *Credentials {
	client := p.client(o.HTTPClient)
	return &Credentials{
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
}

func (c *Credentials) now() time.Time {
	if c.options.Now == nil {
		return time.Now()
	}
	return c.options.Now()
}

// SubjectToken returns a new subject token. Fails with a *RefreshError.
func (c *Credentials) SubjectToken(ctx context.Context) (secret.Text, error) {
	t, err := c.proof.SubjectToken(ctx)
	if err != nil {
		return secret.Text{}, refreshError(err)
	}
	return t, nil
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
