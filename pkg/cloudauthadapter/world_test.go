package cloudauthadapter_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	audience         = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws"
	subjectTokenType = "urn:ietf:params:aws:token-type:aws4_request"
	reports          = "reports@p.iam.gserviceaccount.com"
	impersonateURL   = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + reports + ":generateAccessToken"
	bigquery         = "https://www.googleapis.com/auth/bigquery"

	accessKeyID = "ASIAIOSFODNN7EXAMPLE"
	// Whatever begins like this is in no error.
	planted = "planted-"
)

// lambda is the environment of a function.
var lambda = map[string]string{
	"AWS_LAMBDA_FUNCTION_NAME": "fn",
	"AWS_REGION":               "eu-west-1",
	"AWS_ACCESS_KEY_ID":        accessKeyID,
	"AWS_SECRET_ACCESS_KEY":    planted + "key",
	"AWS_SESSION_TOKEN":        planted + "session",
}

// world is an AWS and a Google that trust the function, and an API of Google's
// that takes their tokens.
type world struct{ *fakecloud.Cloud }

func newWorld() world {
	cloud := fakecloud.New(fakecloud.Options{})
	cloud.AddAWSKey(fakecloud.AWSKey{
		AccessKeyID: accessKeyID, SecretAccessKey: planted + "key", SessionToken: planted + "session",
		ARN: "arn:aws:sts::123456789012:assumed-role/fn/fn",
	})
	cloud.AddProvider(fakecloud.Provider{Audience: audience, AWSAccount: "123456789012", RequireSignedTarget: true})
	cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: reports})
	return world{cloud}
}

const api = "https://bigquery.googleapis.com/projects"

// RoundTrip answers for the API, and says whose token came and who is billed.
func (w world) RoundTrip(r *http.Request) (*http.Response, error) {
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

// credentials are those that the function mints with.
func (w world) credentials(t testing.TB) *externalaccount.Credentials {
	return w.credentialsBy(t, w)
}

// credentialsBy are credentials that call Google by a transport.
func (w world) credentialsBy(t testing.TB, transport http.RoundTripper) *externalaccount.Credentials {
	file, err := externalaccount.ParseFile([]byte(`{
		"type": "external_account",
		"audience": "`+audience+`",
		"subject_token_type": "`+subjectTokenType+`",
		"service_account_impersonation_url": "`+impersonateURL+`",
		"credential_source": {"environment_id": "aws1"}
	}`), externalaccount.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return externalaccount.New(file, externalaccount.Options{
		Supplier:   environment(lambda),
		Scopes:     []string{bigquery},
		HTTPClient: &http.Client{Transport: transport},
		Getenv:     func(string) string { return "" },
	})
}

func environment(variables map[string]string) supplier.Chain {
	return supplier.Default(func(name string) string { return variables[name] })
}

// call calls the API, which has to know the token as the account's.
func call(t *testing.T, client *http.Client) {
	t.Helper()
	answer, err := client.Get(api)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Principal") != reports {
		t.Errorf("status %d for %q", answer.StatusCode, answer.Header.Get("Principal"))
	}
}

// keepsSecrets fails if an error shows a secret.
func keepsSecrets(t *testing.T, w world, err error) {
	t.Helper()
	for _, text := range append(tokens(w), planted) {
		if strings.Contains(err.Error(), text) {
			t.Error("the error shows a secret")
		}
	}
}

func tokens(w world) (texts []string) {
	for _, issued := range w.IssuedTokens() {
		texts = append(texts, issued.Token)
	}
	return texts
}

func until(at time.Time, before time.Duration) { time.Sleep(time.Until(at) - before) }

// shelf is a secret that holds a token of a kind, minted just now.
type shelf tokenstore.Kind

func (s shelf) ReadStage(context.Context, string, string) (tokenstore.Current, error) {
	now := time.Now()
	token := tokenstore.Token{Kind: tokenstore.Kind(s), TokenType: "Bearer", Value: secret.New("ya29.example"), MintedAt: now, Expiry: now.Add(time.Hour), Principal: reports}
	if token.Kind == tokenstore.IDToken {
		token.Audience = "https://api.example.run.app"
	}
	return tokenstore.Current{VersionID: "1", Token: token}, nil
}
