package externalaccount_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// static is a supplier of one's own.
type static struct{}

func (static) AwsSecurityCredentials(context.Context, supplier.SupplierContext) (supplier.AwsSecurityCredentials, error) {
	return supplier.AwsSecurityCredentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secret.New("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")}, nil
}

func (static) AwsRegion(context.Context, supplier.SupplierContext) (string, error) {
	return "eu-west-1", nil
}

// A token of the service account that the file impersonates, here by a fake AWS
// and Google.
func ExampleCredentials_Token() {
	const audience = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws"
	cloud := fakecloud.New(fakecloud.Options{})
	cloud.AddAWSKey(fakecloud.AWSKey{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ARN: "arn:aws:iam::123456789012:user/ci"})
	cloud.AddProvider(fakecloud.Provider{Audience: audience, AWSAccount: "123456789012"})
	cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: "reports@p.iam.gserviceaccount.com"})

	file, err := externalaccount.ParseFile([]byte(`{
		"type": "external_account",
		"audience": "`+audience+`",
		"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
		"service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/reports@p.iam.gserviceaccount.com:generateAccessToken",
		"credential_source": {"environment_id": "aws1"}
	}`), externalaccount.FileOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	credentials := externalaccount.New(file, externalaccount.Options{
		Supplier:   static{}, // without one: the environment, the container, the machine
		HTTPClient: &http.Client{Transport: cloud},
	})
	token, err := credentials.Token(context.Background(), []string{"https://www.googleapis.com/auth/bigquery"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("for", token.ServiceAccount, "and another", time.Until(token.Expiry).Round(time.Minute))
	fmt.Println(len(token.Value.Reveal()) > 0, "but printed it is", token.Value.String()[:7]+"…")
	// Output:
	// for reports@p.iam.gserviceaccount.com and another 1h0m0s
	// true but printed it is sha256:…
}
