package oauth2adapter_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/oauth2"
	google "golang.org/x/oauth2/google/externalaccount"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/internal/adaptertest"
	"github.com/wifmint/wifmint/pkg/oauth2adapter"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// here is a function of Lambda's, whose environment it stands for; nil would be the
// process's own.
func here(name string) string { return adaptertest.Getenv(name) }

// What is made of a credential file authenticates the requests of an oauth2 client.
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

	ctx := context.Background() // the program's, not a request's
	client := &http.Client{Transport: &oauth2.Transport{Source: oauth2adapter.FromCredentials(ctx, credentials), Base: cloud}}
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
	tokens := oauth2adapter.FromSource(context.Background(), source)
	token, err := tokens.Token()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Type(), token.Valid(), time.Until(token.Expiry).Round(time.Minute))
	// Output: Bearer true 1h0m0s
}

// An ID token for a service of Cloud Run. If the secret holds one for another
// service, no request leaves the program.
func ExampleIDTokens() {
	source := &tokensource.Source{Secret: "wifmint/api", Reader: adaptertest.Shelf(tokenstore.IDToken)}
	for _, audience := range []string{"https://api.example.run.app", "https://billing.example.run.app"} {
		token, err := oauth2adapter.IDTokens(context.Background(), source, audience).Token()
		if refused, ok := errors.AsType[*tokensource.Error](err); ok {
			fmt.Println(refused.Reason)
			continue
		}
		fmt.Println(token.Valid(), err)
	}
	// Output:
	// true <nil>
	// it holds an ID token for "https://api.example.run.app", not for "https://billing.example.run.app"; name the secret of the target with that id_token_audience
}

// Google's own library, signing with what a Lambda function has.
func ExampleAWSSupplier() {
	cloud := adaptertest.NewWorld()
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: cloud})
	source, err := google.NewTokenSource(ctx, google.Config{
		Audience:                       "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws",
		SubjectTokenType:               "urn:ietf:params:aws:token-type:aws4_request",
		Scopes:                         []string{"https://www.googleapis.com/auth/bigquery"},
		AwsSecurityCredentialsSupplier: oauth2adapter.AWSSupplier(supplier.Default(here)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := source.Token()
	if err != nil {
		fmt.Println(err)
		return
	}
	issued, good := cloud.LookupToken(token.AccessToken)
	fmt.Println(good, issued.Kind == fakecloud.FederatedToken)
	// Output: true true
}
