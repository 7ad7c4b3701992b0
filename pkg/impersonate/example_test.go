package impersonate_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/secret"
)

// exampleCloud stands for Google: leave HTTPClient and Now out to call it.
func exampleCloud() (http.RoundTripper, func() time.Time) {
	clock := func() time.Time { return time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC) }
	cloud := fakecloud.New(fakecloud.Options{Now: clock})
	cloud.AddProvider(fakecloud.Provider{
		Audience: provider, Kind: fakecloud.OIDCProvider,
		Verify: func(subject string) (string, error) { return subject, nil },
	})
	cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: reports, Callers: []string{minter}})
	cloud.AddDelegation(fakecloud.Delegation{ServiceAccount: reports, Domain: "example.com", Scopes: []string{calendar}})
	return cloud, clock
}

// exampleToken is the federated token of whoever impersonates, from googlests.
func exampleToken(ctx context.Context, google http.RoundTripper) secret.Text {
	sts := googlests.Client{HTTPClient: &http.Client{Transport: google}}
	token, err := sts.Exchange(ctx, googlests.ExchangeRequest{
		Audience:         provider,
		Scopes:           []string{platform},
		SubjectTokenType: "urn:ietf:params:oauth:token-type:jwt",
		SubjectToken:     func(context.Context) (secret.Text, error) { return secret.New("minter"), nil },
	})
	if err != nil {
		panic(err)
	}
	return token.AccessToken
}

func ExampleClient_AccessToken() {
	google, clock := exampleCloud()
	iam := impersonate.Client{HTTPClient: &http.Client{Transport: google}, Now: clock}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	token, err := iam.AccessToken(ctx, exampleToken(ctx, google), impersonate.AccessTokenRequest{
		ServiceAccount: "reports@p.iam.gserviceaccount.com",
		Scopes:         []string{"https://www.googleapis.com/auth/bigquery"},
		Lifetime:       30 * time.Minute,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(!token.Value.IsZero(), "until", token.Expiry.Format(time.RFC3339))
	// Output: true until 2026-01-02T02:34:05Z
}

func ExampleClient_IDToken() {
	google, clock := exampleCloud()
	iam := impersonate.Client{HTTPClient: &http.Client{Transport: google}, Now: clock}
	ctx := context.Background()
	token, err := iam.IDToken(ctx, exampleToken(ctx, google), impersonate.IDTokenRequest{
		ServiceAccount: "reports@p.iam.gserviceaccount.com",
		Audience:       "https://api.example.run.app",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(!token.Value.IsZero(), "until", token.Expiry.Format(time.RFC3339))
	// Output: true until 2026-01-02T03:04:05Z
}

func ExampleClient_SignBlob() {
	google, clock := exampleCloud()
	iam := impersonate.Client{HTTPClient: &http.Client{Transport: google}, Now: clock}
	ctx := context.Background()
	document := sha256.Sum256([]byte("a long document"))
	signed, err := iam.SignBlob(ctx, exampleToken(ctx, google), impersonate.SignBlobRequest{
		ServiceAccount: "reports@p.iam.gserviceaccount.com",
		Payload:        document[:],
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(signed.Signature), "bytes by", signed.KeyID)
	// Output: 256 bytes by fakecloud-rs256
}

func ExampleClient_SignJWT() {
	google, clock := exampleCloud()
	iam := impersonate.Client{HTTPClient: &http.Client{Transport: google}, Now: clock}
	ctx := context.Background()
	signed, err := iam.SignJWT(ctx, exampleToken(ctx, google), impersonate.SignJWTRequest{
		ServiceAccount: "reports@p.iam.gserviceaccount.com",
		Claims:         map[string]any{"sub": "job-17", "exp": clock().Add(time.Hour).Unix()},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(!signed.Token.IsZero(), "by", signed.KeyID)
	// Output: true by fakecloud-rs256
}

func ExampleClient_UserToken() {
	google, clock := exampleCloud()
	iam := impersonate.Client{HTTPClient: &http.Client{Transport: google}, Now: clock}
	ctx := context.Background()
	token, err := iam.UserToken(ctx, exampleToken(ctx, google), impersonate.UserTokenRequest{
		ServiceAccount: "reports@p.iam.gserviceaccount.com",
		Subject:        "ada@example.com",
		Scopes:         []string{"https://www.googleapis.com/auth/calendar"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(!token.Value.IsZero(), "until", token.Expiry.Format(time.RFC3339))
	// Output: true until 2026-01-02T03:04:05Z
}

func ExampleError() {
	google, clock := exampleCloud()
	iam := impersonate.Client{HTTPClient: &http.Client{Transport: google}, Now: clock}
	ctx := context.Background()
	_, err := iam.AccessToken(ctx, exampleToken(ctx, google), impersonate.AccessTokenRequest{
		ServiceAccount: "repots@p.iam.gserviceaccount.com",
		Scopes:         []string{"https://www.googleapis.com/auth/bigquery"},
	})
	if e, ok := errors.AsType[*impersonate.Error](err); ok {
		fmt.Println(e.Op, e.Code, e.HTTPStatus, e.Retryable)
		means, fix := e.Advice()
		fmt.Println(means)
		fmt.Println(fix)
	}
	// Output:
	// generateAccessToken NOT_FOUND 404 false
	// there is no such service account
	// check its email, NAME@PROJECT.iam.gserviceaccount.com with the project's id, and that it was not deleted
}
