package metadata

import (
	"bufio"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	reports   = "reports@p.iam.gserviceaccount.com"
	caller    = "caller@p.iam.gserviceaccount.com"
	provider  = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/aws/providers/lambda"
	pool      = "aws.global.123456.workload.id.goog"
	bigquery  = "https://www.googleapis.com/auth/bigquery"
	storage   = "https://www.googleapis.com/auth/devstorage.read_only"
	platform  = "https://www.googleapis.com/auth/cloud-platform"
	runApp    = "https://api.example.run.app"
	dashboard = "https://dashboard.example.com"
)

// The secrets of the world. Each token's value is the secret's name after "ya29.".
const (
	reportsSecret   = "reports"
	storageSecret   = "reports-storage"
	dashboardSecret = "reports-dashboard"
	runAppSecret    = "caller-api"
	federatedSecret = "federated"
)

var allSecrets = []string{reportsSecret, storageSecret, dashboardSecret, runAppSecret, federatedSecret}

// world is an AWS account with tokens for an hour in its secrets.
type world struct {
	cloud *fakecloud.Cloud
	log   strings.Builder
}

func newWorld() *world {
	w := &world{cloud: fakecloud.New(fakecloud.Options{})}
	w.holds(reportsSecret, tokenstore.Token{Kind: tokenstore.AccessToken, Principal: reports, Scopes: []string{bigquery}, ProjectID: "p"})
	w.holds(storageSecret, tokenstore.Token{Kind: tokenstore.AccessToken, Principal: reports, Scopes: []string{storage}, ProjectID: "p"})
	w.holds(dashboardSecret, tokenstore.Token{Kind: tokenstore.IDToken, Principal: reports, Audience: dashboard})
	w.holds(runAppSecret, tokenstore.Token{Kind: tokenstore.IDToken, Principal: caller, Audience: runApp, ProjectID: "p"})
	w.holds(federatedSecret, tokenstore.Token{Kind: tokenstore.Federated, Principal: provider, Scopes: []string{platform}, UniverseDomain: "example.goog"})
	return w
}

// holds puts a token into a secret. What t leaves out is the same for all.
func (w *world) holds(id string, t tokenstore.Token) {
	now := time.Now()
	if t.Expiry.IsZero() {
		t.Expiry = now.Add(time.Hour)
	}
	t.Target, t.TokenType, t.Value, t.MintedAt = id, "Bearer", secret.New("ya29."+id), t.Expiry.Add(-time.Hour)
	data, err := t.Encode()
	if err != nil {
		panic(err)
	}
	w.cloud.PutSecret(id, string(data))
}

// serve is the server over secrets, the first being the default account. Each
// read of a secret is one call.
func (w *world) serve(t *testing.T, secrets ...string) http.Handler {
	t.Helper()
	h, err := NewServer(Options{
		Secrets: secrets,
		Reader: &tokenstore.Store{Client: secretsmanager.New(secretsmanager.Options{
			Region: "us-east-1", Credentials: aws.AnonymousCredentials{},
			HTTPClient: &http.Client{Transport: w.cloud}, Retryer: aws.NopRetryer{},
		})},
		Log: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// reads counts the reads of a secret.
func (w *world) reads(id string) int {
	n := 0
	for _, c := range w.cloud.Calls() {
		if c.Resource == id {
			n++
		}
	}
	return n
}

const (
	base     = "/computeMetadata/v1/"
	accounts = base + "instance/service-accounts/"
)

// get asks as an SDK does.
func get(h http.Handler, target string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = "127.0.0.1:2774"
	r.Header.Set("Metadata-Flavor", "Google")
	return do(h, r)
}

// send sends a request as it goes over the wire.
func send(t *testing.T, h http.Handler, lines ...string) *httptest.ResponseRecorder {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.Join(lines, "\r\n") + "\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return do(h, r)
}

func do(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func wantAnswer(t *testing.T, got *httptest.ResponseRecorder, status int, contentType, body string) {
	t.Helper()
	if got.Code != status || got.Header().Get("Content-Type") != contentType || got.Body.String() != body {
		t.Errorf("got %d %s %q\nwant %d %s %q", got.Code, got.Header().Get("Content-Type"), got.Body, status, contentType, body)
	}
}

// wantRefusal checks the status and that the text says something.
func wantRefusal(t *testing.T, got *httptest.ResponseRecorder, status int, says string) {
	t.Helper()
	if got.Code != status || !strings.Contains(got.Body.String(), says) {
		t.Errorf("got %d %q, want %d and %q", got.Code, got.Body, status, says)
	}
	if strings.Contains(got.Body.String(), "ya29.") {
		t.Errorf("there is a token in a refusal: %q", got.Body)
	}
}
