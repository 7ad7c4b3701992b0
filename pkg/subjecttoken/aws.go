package subjecttoken

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
)

const (
	// AWSTokenType is the subject token type of a signed AWS request.
	AWSTokenType = "urn:ietf:params:aws:token-type:aws4_request"
	// DefaultVerificationURL is where Google sends the signed request when the
	// credential file does not say otherwise.
	DefaultVerificationURL = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
	// targetResource names the provider that the token is meant for. It is
	// signed, as Google's Go and Java libraries do: a token that leaks cannot be
	// turned to another audience.
	targetResource = "x-goog-cloud-target-resource"
	targetHeader   = "X-Goog-Cloud-Target-Resource" // the same, as http.Header has it
)

// AWS makes subject tokens from AWS credentials: a signed GetCallerIdentity
// request that Google forwards to AWS to learn who signed it.
type AWS struct {
	// Supplier yields keys and region; required. It is asked for every token.
	Supplier supplier.AwsSecurityCredentialsSupplier
	// Audience is the provider's full resource name; required. It is signed as
	// x-goog-cloud-target-resource, which binds the token to this provider.
	Audience string
	// SubjectTokenType is passed to the supplier; zero means AWSTokenType.
	SubjectTokenType string
	// VerificationURL may contain {region}; zero means DefaultVerificationURL.
	VerificationURL string
	// Now is the signing clock; nil means time.Now.
	Now func() time.Time

	keys keyCache
}

// SubjectToken returns a new subject token: URL-quoted JSON of the signed
// request. It fails with a *supplier.Error or *supplier.ChainError when there
// are no credentials or no region, else with an *Error.
func (a *AWS) SubjectToken(ctx context.Context) (secret.Text, error) {
	if a.Audience == "" {
		return secret.Text{}, &Error{Reason: "the audience is empty; it is the full resource name of the workload identity provider"}
	}
	sc := supplier.SupplierContext{Audience: a.Audience, SubjectTokenType: a.SubjectTokenType}
	if sc.SubjectTokenType == "" {
		sc.SubjectTokenType = AWSTokenType
	}
	creds, err := supplier.Credentials(ctx, a.Supplier, sc)
	if err != nil {
		return secret.Text{}, err
	}
	region, err := supplier.Region(ctx, a.Supplier, sc)
	if err != nil {
		return secret.Text{}, err
	}
	verificationURL := a.VerificationURL
	if verificationURL == "" {
		verificationURL = DefaultVerificationURL
	}
	signer := RequestSigner{Region: region, Service: "sts", Now: a.Now, keys: &a.keys}
	header := make(http.Header, 1+signerHeaders)
	header[targetHeader] = []string{a.Audience}
	verificationURL = strings.ReplaceAll(verificationURL, "{region}", region)
	signed, err := signer.sign(ctx, creds, Request{Method: http.MethodPost, URL: verificationURL}, header, signer.now())
	if err != nil {
		if _, ok := absolute(verificationURL); !ok {
			err = &Error{Reason: "credential_source.regional_cred_verification_url is not an absolute https URL; write " + DefaultVerificationURL}
		}
		return secret.Text{}, err
	}
	return serialize(signed), nil
}
