package tokensource_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// A token, for whatever takes one.
func Example() {
	source := &tokensource.Source{
		Secret: "wifmint/reports",
		Reader: exampleStore(), // in a function: leave it nil
	}
	token, err := source.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Kind, "of", token.Principal)
	fmt.Println("Authorization: Bearer", token.Value) // .Reveal() is the token itself
	// Output:
	// access_token of reports@p.iam.gserviceaccount.com
	// Authorization: Bearer sha256:733516e5b268
}

// A caller that can do without tells what may pass from what will not.
func ExampleError() {
	source := &tokensource.Source{Secret: "wifmint/misspelt", Reader: exampleStore()}
	_, err := source.Token(context.Background())
	if e, ok := errors.AsType[*tokensource.Error](err); ok {
		fmt.Println("retryable:", e.Retryable)
		fmt.Println(e)
	}
	// Output:
	// retryable: true
	// getting the token of secret "wifmint/misspelt": it does not exist or holds nothing yet; check its name and region, and whether the function that fills it has run
}

// A Google API, called with the token of a secret. Made once, it serves every
// invocation of a function.
func ExampleSource_Client() {
	client := (&tokensource.Source{Secret: "wifmint/reports"}).Client()

	handler := func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://bigquery.googleapis.com/bigquery/v2/projects", nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		return answer.Body.Close()
	}
	_ = handler
}

// A function that has the AWS Parameters and Secrets layer anyway.
func ExampleExtension() {
	source := &tokensource.Source{Secret: "wifmint/reports", Reader: tokensource.Extension{}}
	_ = source.Client()
}

// exampleStore is Secrets Manager with a token in it.
func exampleStore() *tokenstore.Store {
	cloud := fakecloud.New(fakecloud.Options{})
	now := time.Now()
	data, err := tokenstore.Token{
		Target: "reports", Kind: tokenstore.AccessToken, TokenType: "Bearer", Value: secret.New("ya29.first"),
		Expiry: now.Add(time.Hour), MintedAt: now,
		Principal: "reports@p.iam.gserviceaccount.com", Scopes: []string{"https://www.googleapis.com/auth/bigquery"},
	}.Encode()
	if err != nil {
		log.Fatal(err)
	}
	cloud.PutSecret("wifmint/reports", string(data))
	return &tokenstore.Store{Client: tokenstore.NewClient(tokenstore.Options{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
		HTTPClient:  &http.Client{Transport: cloud},
	})}
}
