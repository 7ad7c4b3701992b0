package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	cloudauth "cloud.google.com/go/auth/credentials/externalaccount"
	"golang.org/x/oauth2"
	oauth2account "golang.org/x/oauth2/google/externalaccount"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// What every library is given: an identity in AWS and a provider that knows it.
const (
	region          = "eu-west-1"
	accessKeyID     = "ASIAIOSFODNN7EXAMPLE"
	secretAccessKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	sessionToken    = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCWV1LXdlc3QtMSJHMEUCIQD+a/b="

	audience         = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws"
	subjectTokenType = "urn:ietf:params:aws:token-type:aws4_request"
	tokenURL         = "https://sts.googleapis.com/v1/token"
	scope            = "https://www.googleapis.com/auth/cloud-platform"
)

// canned is the transport of all of them. It answers at once, with next to no
// work of its own.
type canned struct {
	header http.Header
	answer string
}

// mintedLife is too short for oauth2 to keep a token instead of minting the next one.
const mintedLife = 9 * time.Second

// newCanned gives tokens that live so long.
func newCanned(life time.Duration) canned {
	return canned{
		http.Header{"Content-Type": {"application/json"}},
		fmt.Sprintf(`{"access_token":"ya29.canned","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":%d}`, life/time.Second),
	}
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	_, err := io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	answer := &cannedBody{}
	answer.Reset(c.answer)
	return &http.Response{StatusCode: http.StatusOK, Header: c.header, Body: answer, Request: r}, err
}

type cannedBody struct{ strings.Reader }

func (*cannedBody) Close() error { return nil }

// mint makes a token.
type mint func() error

// library is a way to tokens. Its credentials, once made, mint.
type library struct {
	name        string
	credentials func() (mint, error)
	// keepsTokens says that the credentials hand out a token until it has
	// expired, whatever is left of it, and refresh in the background: they
	// mint only once before the benchmark is over.
	keepsTokens bool
}

func wifmint(ctx context.Context, client *http.Client) (library, error) {
	file, err := credentialFile()
	if err != nil {
		return library{}, err
	}
	return library{name: "wifmint", credentials: func() (mint, error) {
		c := externalaccount.New(file, externalaccount.Options{Supplier: wifmintSupplier{}, HTTPClient: client})
		return func() error {
			_, err := c.Exchange(ctx, []string{scope})
			return err
		}, nil
	}}, nil
}

func credentialFile() (*externalaccount.File, error) {
	return externalaccount.ParseFile([]byte(`{"type": "external_account", "audience": "`+audience+`",
		"subject_token_type": "`+subjectTokenType+`", "token_url": "`+tokenURL+`",
		"credential_source": {"environment_id": "aws1"}}`), externalaccount.FileOptions{})
}

type wifmintSupplier struct{}

func (wifmintSupplier) AwsRegion(context.Context, supplier.SupplierContext) (string, error) {
	return region, nil
}

func (wifmintSupplier) AwsSecurityCredentials(context.Context, supplier.SupplierContext) (supplier.AwsSecurityCredentials, error) {
	return supplier.AwsSecurityCredentials{
		AccessKeyID: accessKeyID, SecretAccessKey: secret.New(secretAccessKey), SessionToken: secret.New(sessionToken),
	}, nil
}

func googleOAuth2(ctx context.Context, client *http.Client) library {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, client)
	return library{name: "x/oauth2", credentials: func() (mint, error) {
		source, err := oauth2account.NewTokenSource(ctx, oauth2account.Config{
			Audience: audience, SubjectTokenType: subjectTokenType, TokenURL: tokenURL, Scopes: []string{scope},
			AwsSecurityCredentialsSupplier: oauth2Supplier{},
		})
		if err != nil {
			return nil, err
		}
		return func() error {
			_, err := source.Token()
			return err
		}, nil
	}}
}

type oauth2Supplier struct{}

func (oauth2Supplier) AwsRegion(context.Context, oauth2account.SupplierOptions) (string, error) {
	return region, nil
}

func (oauth2Supplier) AwsSecurityCredentials(context.Context, oauth2account.SupplierOptions) (*oauth2account.AwsSecurityCredentials, error) {
	return &oauth2account.AwsSecurityCredentials{AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey, SessionToken: sessionToken}, nil
}

func googleCloudAuth(ctx context.Context, client *http.Client) library {
	return library{name: "cloud auth", keepsTokens: true, credentials: func() (mint, error) {
		c, err := cloudauth.NewCredentials(&cloudauth.Options{
			Audience: audience, SubjectTokenType: subjectTokenType, TokenURL: tokenURL, Scopes: []string{scope},
			AwsSecurityCredentialsProvider: cloudAuthSupplier{}, Client: client,
		})
		if err != nil {
			return nil, err
		}
		return func() error {
			_, err := c.Token(ctx)
			return err
		}, nil
	}}
}

type cloudAuthSupplier struct{}

func (cloudAuthSupplier) AwsRegion(context.Context, *cloudauth.RequestOptions) (string, error) {
	return region, nil
}

func (cloudAuthSupplier) AwsSecurityCredentials(context.Context, *cloudauth.RequestOptions) (*cloudauth.AwsSecurityCredentials, error) {
	return &cloudauth.AwsSecurityCredentials{AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey, SessionToken: sessionToken}, nil
}
