package tokenstore_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// A token is read, found due, and replaced. A second writer that had read the same
// version comes too late.
func Example() {
	ctx := context.Background()
	cloud := fakecloud.New(fakecloud.Options{}) // in a function: leave HTTPClient nil
	store := &tokenstore.Store{
		Client: tokenstore.NewClient(tokenstore.Options{
			Region:      "us-east-1",
			Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
			HTTPClient:  &http.Client{Transport: cloud},
		}),
		Create: true,
	}
	due := func(c tokenstore.Current) bool {
		return !c.Usable() || time.Until(c.Token.Expiry) < 40*time.Minute
	}

	current, err := store.Read(ctx, "wifmint/reports")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("due:", due(current))

	for _, value := range []string{"ya29.first", "ya29.second"} {
		now := time.Now()
		result, err := store.Write(ctx, current, tokenstore.Token{
			Target:    "reports",
			Kind:      tokenstore.AccessToken,
			TokenType: "Bearer",
			Value:     secret.New(value),
			Expiry:    now.Add(time.Hour),
			MintedAt:  now,
			Principal: "reports@p.iam.gserviceaccount.com",
			Scopes:    []string{"https://www.googleapis.com/auth/bigquery"},
		}, due)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("written:", result.Outcome == tokenstore.Written, "holding:", result.Current.Token.Value)
	}
	// Output:
	// due: true
	// written: true holding: sha256:733516e5b268
	// written: false holding: sha256:733516e5b268
}
