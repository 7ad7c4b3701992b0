package cloudauthadapter_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	google "cloud.google.com/go/auth/credentials/externalaccount"
	"cloud.google.com/go/auth/httptransport"

	"github.com/wifmint/wifmint/pkg/cloudauthadapter"
	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/internal/adaptertest"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// here is a function of Lambda's, whose environment it stands for; nil would be the
// process's own.
func here(name string) string { return adaptertest.Getenv(name) }

// What is made of a credential file authenticates the requests of a client library.
func ExampleFromCredentials() {
	cloud := adaptertest.NewWorld() // a fake AWS and Google
	file, err := externalaccount.ParseFile([]byte(`{
		"type": "external_account",
		"audience": "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws",
		"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
		"service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/reports@p.iam.gserviceaccount.com:generateAccessToken",
		"credential_source": {"environment_id": "aws1"}
	}`), externalaccount.FileOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	credentials := externalaccount.New(file, externalaccount.Options{
		Scopes:     []string{"https://www.googleapis.com/auth/bigquery"},
		Getenv:     here,
		HTTPClient: &http.Client{Transport: cloud},
	})

	// Client libraries do this of option.WithAuthCredentials.
	client, err := httptransport.NewClient(&httptransport.Options{
		Credentials:      cloudauthadapter.FromCredentials(credentials).Credentials(),
		BaseRoundTripper: cloud,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := client.Get("https://bigquery.googleapis.com/projects")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	fmt.Println(answer.StatusCode, "for", answer.Header.Get("Principal"))
	// Output: 200 for reports@p.iam.gserviceaccount.com
}

// The token that wifmint's functions keep in a secret.
func ExampleFromSource() {
	source := &tokensource.Source{Secret: "wifmint/reports", Reader: adaptertest.Shelf(tokenstore.AccessToken)} // without a Reader: Secrets Manager
	token, err := cloudauthadapter.FromSource(source).Token(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Type, token.IsValid(), time.Until(token.Expiry).Round(time.Minute))
	// Output: Bearer true 1h0m0s
}

// An ID token for a service of Cloud Run. If the secret holds one for another
// service, no request leaves the program.
func ExampleIDTokens() {
	source := &tokensource.Source{Secret: "wifmint/api", Reader: adaptertest.Shelf(tokenstore.IDToken)}
	for _, audience := range []string{"https://api.example.run.app", "https://billing.example.run.app"} {
		token, err := cloudauthadapter.IDTokens(source, audience).Token(context.Background())
		if refused, ok := errors.AsType[*tokensource.Error](err); ok {
			fmt.Println(refused.Reason)
			continue
		}
		fmt.Println(token.IsValid(), err)
	}
	// Output:
	// true <nil>
	// it holds an ID token for "https://api.example.run.app", not for "https://billing.example.run.app"; name the secret of the target with that id_token_audience
}

// Google's own library, signing with what a Lambda function has.
func ExampleAWSSupplier() {
	cloud := adaptertest.NewWorld()
	credentials, err := google.NewCredentials(&google.Options{
		Audience:                       "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws",
		SubjectTokenType:               "urn:ietf:params:aws:token-type:aws4_request",
		Scopes:                         []string{"https://www.googleapis.com/auth/bigquery"},
		AwsSecurityCredentialsProvider: cloudauthadapter.AWSSupplier(supplier.Default(here)),
		Client:                         &http.Client{Transport: cloud},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := credentials.Token(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	issued, good := cloud.LookupToken(token.Value)
	fmt.Println(good, issued.Kind == fakecloud.FederatedToken)
	// Output: true true
}
