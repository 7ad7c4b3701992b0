package externalaccount

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// Options are what a credential file does not say. The zero value works.
type Options struct {
	// Supplier yields the AWS credentials in place of the sources that the
	// file names. The file's aws_role_arn is assumed on top of it.
	Supplier supplier.AwsSecurityCredentialsSupplier
	// HTTPClient calls Google, and AWS STS if there is a role to assume. Nil
	// means a shared transport for the one and a new connection for the other.
	HTTPClient *http.Client
	// AllowAnyEndpoint lets Google's URLs be http and name any host.
	AllowAnyEndpoint bool
	// Getenv looks up the environment; nil means os.Getenv.
	Getenv func(string) string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Credentials turn an AWS identity into Google tokens as a credential file
// says. They hold no token and no AWS key: each call asks the supplier, signs
// and exchanges anew. Safe for concurrent use.
type Credentials struct {
	file    *File
	subject func(context.Context) (secret.Text, error)
	sts     *googlests.Client
	iam     *impersonate.Client
}

// New makes credentials of a file that ParseFile accepted.
func New(f *File, o Options) *Credentials {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	source := &subjecttoken.AWS{
		Supplier:         awsSupplier(f, o),
		Audience:         f.Audience,
		SubjectTokenType: f.SubjectTokenType,
		VerificationURL:  f.AWS.RegionalCredVerificationURL,
		Now:              o.Now,
	}
	return &Credentials{
		file:    f,
		subject: source.SubjectToken,
		sts: &googlests.Client{
			TokenURL:         f.TokenURL,
			UniverseDomain:   f.UniverseDomain,
			AllowAnyEndpoint: o.AllowAnyEndpoint,
			ClientAuth:       googlests.ClientAuth{ID: f.ClientID, Secret: f.ClientSecret},
			HTTPClient:       o.HTTPClient,
			APIClient:        apiClient(f, o),
			Now:              o.Now,
		},
		iam: &impersonate.Client{
			Endpoint:         f.IAMEndpoint(),
			UniverseDomain:   f.UniverseDomain,
			AllowAnyEndpoint: o.AllowAnyEndpoint,
			HTTPClient:       o.HTTPClient,
			Now:              o.Now,
		},
	}
}

// awsSupplier is the options' supplier or the file's own sources, and the
// file's role on top of it.
func awsSupplier(f *File, o Options) supplier.AwsSecurityCredentialsSupplier {
	base := o.Supplier
	if base == nil {
		base = AWSSources(f, o)
	}
	if f.AWSRoleARN != "" {
		return &supplier.AssumeRole{
			Base:         base,
			RoleARN:      f.AWSRoleARN,
			SessionName:  f.AWSSessionName,
			Region:       f.AWSRegion,
			BaseEndpoint: cmp.Or(o.Getenv("AWS_ENDPOINT_URL_STS"), o.Getenv("AWS_ENDPOINT_URL")),
			HTTPClient:   o.HTTPClient,
			Now:          o.Now,
		}
	}
	if f.AWSRegion != "" {
		return inRegion{base, f.AWSRegion}
	}
	return base
}

// AWSSources is where a credential file looks for AWS keys, in order: the
// environment, the container endpoint, and, but on Lambda, the instance
// metadata at the file's URLs. A caller with further sources inserts them and
// passes the chain as Options.Supplier.
func AWSSources(f *File, o Options) supplier.Chain {
	return supplier.DefaultWith(supplier.IMDS{
		TokenURL:         f.AWS.IMDSv2SessionTokenURL,
		CredentialsURL:   f.AWS.URL,
		RegionURL:        f.AWS.RegionURL,
		AllowAnyEndpoint: o.AllowAnyEndpoint,
		Getenv:           o.Getenv,
		Now:              o.Now,
	})
}

// inRegion signs for the file's aws_region, wherever the keys come from.
type inRegion struct {
	supplier.AwsSecurityCredentialsSupplier
	region string
}

func (s inRegion) AwsRegion(context.Context, supplier.SupplierContext) (string, error) {
	return s.region, nil
}

// SubjectToken returns a new subject token. Fails with a *RefreshError.
func (c *Credentials) SubjectToken(ctx context.Context) (secret.Text, error) {
	t, err := c.subject(ctx)
	if err != nil {
		return secret.Text{}, refreshError(err)
	}
	return t, nil
}

// Exchange returns a new federated token with the scopes, whomever the file
// impersonates: it is for those who impersonate others with it, and for the
// rest there is [Credentials.Token]. The request to AWS is signed again at every
// attempt. Fails with a *RefreshError.
func (c *Credentials) Exchange(ctx context.Context, scopes []string) (googlests.Token, error) {
	req := googlests.ExchangeRequest{
		Audience:         c.file.Audience,
		Scopes:           scopes,
		SubjectToken:     c.subject,
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
func apiClient(f *File, o Options) string {
	source := "aws"
	if o.Supplier != nil {
		source = "programmatic"
	}
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

// Leg is a part of the way to a token.
type Leg string

const (
	LegConfig         Leg = "config"
	LegAWSCredentials Leg = "aws-credentials"
	LegSign           Leg = "sign"
	LegSTS            Leg = "sts"
	LegImpersonate    Leg = "impersonate"
)

// RefreshError is a token that could not be made. Err is the leg's own typed
// error: *supplier.Error, *supplier.ChainError, *subjecttoken.Error,
// *googlests.Error or *impersonate.Error.
type RefreshError struct {
	Leg Leg
	// Retryable tells whether the same call may succeed later with nothing changed.
	Retryable bool
	Err       error
}

func (e *RefreshError) Error() string { return e.Err.Error() }
func (e *RefreshError) Unwrap() error { return e.Err }

// refreshError tells the leg by the type of the error.
func refreshError(err error) *RefreshError {
	var (
		creds *supplier.Error
		chain *supplier.ChainError
		sign  *subjecttoken.Error
		sts   *googlests.Error
		iam   *impersonate.Error
	)
	switch {
	case errors.As(err, &iam):
		return &RefreshError{LegImpersonate, iam.Retryable, err}
	case errors.As(err, &sts):
		return &RefreshError{LegSTS, sts.Retryable, err}
	case errors.As(err, &sign):
		return &RefreshError{LegSign, sign.Retryable, err}
	case errors.As(err, &chain):
		return &RefreshError{LegAWSCredentials, chain.Retryable(), err}
	case errors.As(err, &creds):
		return &RefreshError{LegAWSCredentials, creds.Retryable, err}
	}
	return &RefreshError{LegSTS, false, err}
}
