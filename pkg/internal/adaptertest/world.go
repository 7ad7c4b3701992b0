// Package adaptertest holds what the adapters' tests share: the world that they
// run in, and what every adapter has to do there, whichever library it is for.
package adaptertest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/supplier"
)

const (
	Audience         = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws"
	SubjectTokenType = "urn:ietf:params:aws:token-type:aws4_request"
	ImpersonationURL = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + account + ":generateAccessToken"
	Scope            = "https://www.googleapis.com/auth/bigquery"
	// API takes the tokens of the world's Google.
	API = "https://bigquery.googleapis.com/projects"

	account = "reports@p.iam.gserviceaccount.com"
	// planted begins whatever must be in no error.
	planted = "planted-"
)

var key = fakecloud.AWSKey{
	AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: planted + "key", SessionToken: planted + "session",
	ARN: "arn:aws:sts::123456789012:assumed-role/fn/fn",
}

// function is the environment of a Lambda function that has a key.
func function(k fakecloud.AWSKey) map[string]string {
	return map[string]string{
		"AWS_LAMBDA_FUNCTION_NAME": "fn",
		"AWS_REGION":               "eu-west-1",
		"AWS_ACCESS_KEY_ID":        k.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":    k.SecretAccessKey,
		"AWS_SESSION_TOKEN":        k.SessionToken,
	}
}

// Getenv looks into the environment of the function that the world trusts.
func Getenv(name string) string { return function(key)[name] }

// World is an AWS and a Google that trust the function, and [API]. Its time is the
// process's, or that of the synctest bubble it is made in.
type World struct{ *fakecloud.Cloud }

// NewWorld makes a world whose secrets hold nothing.
func NewWorld() World {
	cloud := fakecloud.New(fakecloud.Options{})
	cloud.AddAWSKey(key)
	cloud.AddProvider(fakecloud.Provider{Audience: Audience, AWSAccount: "123456789012", RequireSignedTarget: true})
	cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: account})
	return World{cloud}
}

// RoundTrip answers for the API, too, and says there whose token came and who is
// billed.
func (w World) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "bigquery.googleapis.com" {
		return w.Cloud.RoundTrip(r)
	}
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}
	token, good := w.LookupToken(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if !good {
		answer.StatusCode = http.StatusUnauthorized
	}
	answer.Header.Set("Principal", token.Principal)
	answer.Header.Set("Billed", r.Header.Get("X-Goog-User-Project"))
	return answer, nil
}

// Call calls the API, which has to know the token as the account's.
func Call(t *testing.T, client *http.Client) {
	t.Helper()
	answer, err := client.Get(API)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Principal") != account {
		t.Errorf("status %d for %q", answer.StatusCode, answer.Header.Get("Principal"))
	}
}

// Credentials are those that the function mints with, by a transport.
func Credentials(t testing.TB, transport http.RoundTripper) *externalaccount.Credentials {
	file, err := externalaccount.ParseFile([]byte(`{
		"type": "external_account",
		"audience": "`+Audience+`",
		"subject_token_type": "`+SubjectTokenType+`",
		"service_account_impersonation_url": "`+ImpersonationURL+`",
		"credential_source": {"environment_id": "aws1"}
	}`), externalaccount.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return externalaccount.New(file, externalaccount.Options{
		Supplier:   supplier.Default(Getenv),
		Scopes:     []string{Scope},
		HTTPClient: &http.Client{Transport: transport},
		Getenv:     func(string) string { return "" },
	})
}

// KeepsSecrets fails if an error shows a secret.
func (w World) KeepsSecrets(t *testing.T, err error) {
	t.Helper()
	secrets := []string{planted}
	for _, issued := range w.IssuedTokens() {
		secrets = append(secrets, issued.Token)
	}
	for _, text := range secrets {
		if strings.Contains(err.Error(), text) {
			t.Error("the error shows a secret")
		}
	}
}

// Until sleeps until so long before a time.
func Until(at time.Time, before time.Duration) { time.Sleep(time.Until(at) - before) }
