package googlests_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/secret"
)

// subjectToken stands for the proof of who one is, such as
// subjecttoken.AWS.SubjectToken makes it.
func subjectToken(text string) func(context.Context) (secret.Text, error) {
	return func(context.Context) (secret.Text, error) { return secret.New(text), nil }
}

func ExampleClient_Exchange() {
	sts := googlests.Client{
		// Leave these two out to call Google.
		HTTPClient: &http.Client{Transport: answering(200, goodAnswer)},
		Now:        func() time.Time { return time.Date(2026, 1, 2, 2, 4, 6, 0, time.UTC) },
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	token, err := sts.Exchange(ctx, googlests.ExchangeRequest{
		Audience:         "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws",
		Scopes:           []string{"https://www.googleapis.com/auth/cloud-platform"},
		SubjectTokenType: "urn:ietf:params:aws:token-type:aws4_request",
		SubjectToken:     subjectToken("a signed request"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.TokenType, token.AccessToken, "until", token.Expiry.Format(time.RFC3339))
	// Output: Bearer sha256:cf0f1cc5bdf8 until 2026-01-02T03:04:05Z
}

func ExampleError() {
	sts := googlests.Client{
		HTTPClient: &http.Client{Transport: answering(400, `{"error":"unauthorized_client","error_description":"The mapped attribute 'google.subject' must be of type STRING."}`)},
	}
	_, err := sts.Exchange(context.Background(), googlests.ExchangeRequest{
		SubjectTokenType: "urn:ietf:params:aws:token-type:aws4_request",
		SubjectToken:     subjectToken("a signed request"),
	})
	if e, ok := errors.AsType[*googlests.Error](err); ok {
		fmt.Println(e.Code, e.HTTPStatus, e.Retryable)
		fmt.Println(e.Description)
		means, fix := e.Advice()
		fmt.Println(means)
		fmt.Println(fix)
	}
	// Output:
	// unauthorized_client 400 false
	// The mapped attribute 'google.subject' must be of type STRING.
	// the provider does not let this identity in
	// check its attribute mapping and its attribute condition
}
