package googlests_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/secret"
)

const (
	audience    = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws"
	awsType     = "urn:ietf:params:aws:token-type:aws4_request"
	accessType  = "urn:ietf:params:oauth:token-type:access_token"
	goodAnswer  = `{"access_token":"ya29.d.token","issued_token_type":"` + accessType + `","token_type":"Bearer","expires_in":3599}`
	subjectText = "%7B%22headers%22%3A%5B%7B%22key%22%3A%22x-goog-cloud-target-resource%22%2C%22value%22%3A%22" +
		"%2F%2Fiam.googleapis.com%2Fprojects%2F123456%2Flocations%2Fglobal%2FworkloadIdentityPools%2Fpool%2Fproviders%2Faws%22%7D%5D%7D"
)

// server is Google STS in-process.
type server func(*http.Request) (*http.Response, error)

func (s server) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

// answering answers every request alike.
func answering(status int, body string) server {
	return func(*http.Request) (*http.Response, error) { return response(status, body), nil }
}

func response(status int, body string) *http.Response {
	return &http.Response{
		StatusCode:    status,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

func client(s server) *googlests.Client {
	return &googlests.Client{HTTPClient: &http.Client{Transport: s}}
}

// numbered makes subject tokens that tell how often it was asked.
func numbered(asked *atomic.Int32) func(context.Context) (secret.Text, error) {
	return func(context.Context) (secret.Text, error) {
		return secret.New(fmt.Sprintf("subject-%d", asked.Add(1))), nil
	}
}

// request is a usual one.
func request() googlests.ExchangeRequest {
	return googlests.ExchangeRequest{
		Audience:         audience,
		Scopes:           []string{"https://www.googleapis.com/auth/cloud-platform"},
		SubjectTokenType: awsType,
		SubjectToken:     func(context.Context) (secret.Text, error) { return secret.New(subjectText), nil },
	}
}
