package supplier

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/wifmint/wifmint/pkg/secret"
)

// Provider takes credentials from the AWS SDK: of an aws.Config, such as
//
//	cfg, err := config.LoadDefaultConfig(ctx) // profiles, SSO, web identity, …
//	s := supplier.Provider{Credentials: cfg.Credentials, Region: cfg.Region}
//
// or of any other aws.CredentialsProvider. Caching is the provider's affair.
type Provider struct {
	// Credentials is required.
	Credentials aws.CredentialsProvider
	// Region is required.
	Region string
}

var _ AwsSecurityCredentialsSupplier = Provider{}

const sourceProvider = "provider"

// AwsSecurityCredentials fails with an *Error when the provider is nil or
// fails, and when what it returns is empty or has expired.
func (p Provider) AwsSecurityCredentials(ctx context.Context, _ SupplierContext) (AwsSecurityCredentials, error) {
	if isNil(p.Credentials) {
		return AwsSecurityCredentials{}, &Error{Source: sourceProvider, Reason: "Provider.Credentials is nil"}
	}
	c, err := p.Credentials.Retrieve(ctx)
	if err != nil {
		return AwsSecurityCredentials{}, &Error{Source: sourceProvider, Reason: "the provider failed", Retryable: retryableSDKError(err), Err: err}
	}
	creds := AwsSecurityCredentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: secret.New(c.SecretAccessKey), SessionToken: secret.New(c.SessionToken)}
	if flaw := creds.flaw(); flaw != "" {
		return AwsSecurityCredentials{}, &Error{Source: sourceProvider, Reason: "the provider returned no usable credentials: " + flaw}
	}
	if c.Expired() {
		return AwsSecurityCredentials{}, &Error{Source: sourceProvider, Reason: "the provider returned credentials that expired at " + c.Expires.UTC().Format(time.RFC3339)}
	}
	return creds, nil
}

// AwsRegion fails with an *Error when Region is empty or no region.
func (p Provider) AwsRegion(context.Context, SupplierContext) (string, error) {
	if !ValidRegion(p.Region) {
		return "", &Error{Source: sourceProvider, Reason: "Provider.Region is " + notARegion(p.Region)}
	}
	return p.Region, nil
}

// retryableSDKError asks the SDK's own retry rules, which count neither a
// caller's deadline nor a proxy's 429.
func retryableSDKError(err error) bool {
	var answer *smithyhttp.ResponseError
	switch {
	case isContextError(err):
		return true
	case errors.As(err, &answer) && (answer.HTTPStatusCode() >= 500 || answer.HTTPStatusCode() == http.StatusTooManyRequests):
		return true
	}
	return retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary
}
