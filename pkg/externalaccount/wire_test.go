package externalaccount

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
)

const (
	provider  = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws"
	workforce = "//iam.googleapis.com/locations/global/workforcePools/staff/providers/aws"
	subjects  = "principal://iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/subject/"

	lambdaARN = "arn:aws:sts::123456789012:assumed-role/lambda/fn"
	deployARN = "arn:aws:iam::123456789012:role/deploy"
	reports   = "reports@p.iam.gserviceaccount.com"

	bigquery = "https://www.googleapis.com/auth/bigquery"
	platform = "https://www.googleapis.com/auth/cloud-platform"

	plantedKey     = "planted-secret-access-key"
	plantedSession = "planted-session-token"
	plantedClient  = "GOCSPX-planted-client-secret"
)

// env is the environment of a Lambda function, whose role is lambdaARN's.
var env = map[string]string{
	"AWS_LAMBDA_FUNCTION_NAME": "fn",
	"AWS_REGION":               "eu-west-1",
	"AWS_ACCESS_KEY_ID":        "ASIALAMBDAEXAMPLE001",
	"AWS_SECRET_ACCESS_KEY":    plantedKey,
	"AWS_SESSION_TOKEN":        plantedSession,
}

// without is env with some variables unset.
func without(names ...string) map[string]string {
	rest := maps.Clone(env)
	for _, name := range names {
		delete(rest, name)
	}
	return rest
}

// with is env with some variables set, as names and values in turn.
func with(variables ...string) map[string]string {
	more := maps.Clone(env)
	for pair := range slices.Chunk(variables, 2) {
		more[pair[0]] = pair[1]
	}
	return more
}

// wire is the way to a fake AWS and Google that trust the function, and keeps
// what was sent on it.
type wire struct {
	*fakecloud.Cloud
	mu   sync.Mutex
	sent []message
}

type message struct {
	url    string
	header http.Header
	body   string
}

func (m message) form() url.Values {
	form, _ := url.ParseQuery(m.body)
	return form
}

func newWire() *wire { return newWireAt(nil) }

func newWireAt(now func() time.Time) *wire {
	cloud := fakecloud.New(fakecloud.Options{Now: now})
	cloud.AddAWSKey(fakecloud.AWSKey{AccessKeyID: env["AWS_ACCESS_KEY_ID"], SecretAccessKey: plantedKey, SessionToken: plantedSession, ARN: lambdaARN})
	cloud.AddRole(fakecloud.AWSRole{ARN: deployARN, TrustedARNs: []string{lambdaARN}})
	cloud.AddProvider(fakecloud.Provider{Audience: provider, AWSAccount: "123456789012", RequireSignedTarget: true})
	cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: reports, MaxLifetime: 12 * time.Hour})
	return &wire{Cloud: cloud}
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	w.mu.Lock()
	w.sent = append(w.sent, message{r.URL.String(), r.Header.Clone(), string(body)})
	w.mu.Unlock()
	return w.Cloud.RoundTrip(r)
}

// one returns the only message to a host.
func (w *wire) one(t *testing.T, host string) message {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []message
	for _, m := range w.sent {
		if u, err := url.Parse(m.url); err == nil && u.Host == host {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d messages to %s, want 1", len(found), host)
	}
	return found[0]
}

// credentials are of minimal with fields changed, in env and on the wire unless
// the options say otherwise.
func (w *wire) credentials(t *testing.T, fields map[string]string, o Options) *Credentials {
	t.Helper()
	f, err := ParseFile(change(t, fields), FileOptions{AllowAnyEndpoint: o.AllowAnyEndpoint})
	if err != nil {
		t.Fatal(err)
	}
	return w.of(f, o)
}

func (w *wire) of(f *File, o Options) *Credentials {
	if o.Getenv == nil {
		o.Getenv = func(name string) string { return env[name] }
	}
	o.HTTPClient = w.client()
	return New(f, o)
}

func (w *wire) client() *http.Client { return &http.Client{Transport: w} }

func lookup(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

// exchange exchanges and returns the token as the cloud knows it.
func (w *wire) exchange(t *testing.T, c *Credentials) fakecloud.IssuedToken {
	t.Helper()
	token, err := c.Exchange(t.Context(), []string{bigquery})
	if err != nil {
		t.Fatal(err)
	}
	issued, good := w.LookupToken(token.AccessToken.Reveal())
	if !good {
		t.Fatal("the token is none that Google would accept")
	}
	return issued
}

// signedRequest is what stands in a subject token.
type signedRequest struct {
	URL     string
	Headers []struct{ Key, Value string }
}

func (r signedRequest) header(key string) string {
	for _, h := range r.Headers {
		if strings.EqualFold(h.Key, key) {
			return h.Value
		}
	}
	return ""
}

func subjectToken(t *testing.T, c *Credentials) signedRequest {
	t.Helper()
	token, err := c.SubjectToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	document, err := url.QueryUnescape(token.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	var r signedRequest
	if err := json.Unmarshal([]byte(document), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// named is a supplier of one's own.
type named struct {
	creds  supplier.AwsSecurityCredentials
	region string
	err    error
	asked  *[]supplier.SupplierContext
}

func (n named) AwsSecurityCredentials(_ context.Context, sc supplier.SupplierContext) (supplier.AwsSecurityCredentials, error) {
	if n.asked != nil {
		*n.asked = append(*n.asked, sc)
	}
	return n.creds, n.err
}

func (n named) AwsRegion(context.Context, supplier.SupplierContext) (string, error) {
	return n.region, n.err
}

// userSupplier has the key of a person whom the cloud knows.
func (w *wire) userSupplier() named {
	const alice = "arn:aws:iam::123456789012:user/alice"
	w.AddAWSKey(fakecloud.AWSKey{AccessKeyID: "AKIAALICEEXAMPLE0001", SecretAccessKey: plantedKey, ARN: alice})
	w.AddRole(fakecloud.AWSRole{ARN: deployARN, TrustedARNs: []string{alice}})
	return named{
		creds:  supplier.AwsSecurityCredentials{AccessKeyID: "AKIAALICEEXAMPLE0001", SecretAccessKey: secret.New(plantedKey)},
		region: "ap-south-1",
	}
}
