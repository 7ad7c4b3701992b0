package doctor

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	audience = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/lambda"
	role     = "arn:aws:sts::123456789012:assumed-role/minter-role"
	member   = "principalSet://iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/attribute.aws_role/" + role
	deputy   = "deputy@demo-project.iam.gserviceaccount.com"
	reports  = "reports@demo-project.iam.gserviceaccount.com"
	api      = "api@demo-project.iam.gserviceaccount.com"
	region   = "eu-west-1"

	// Secrets of the world, which must never be told.
	secretKey    = "SECRETKEYofTheWorldThatNobodyMaySee12345"
	sessionToken = "SESSIONTOKENofTheWorldThatNobodyMaySee12345"
	storedValue  = "ya29.STOREDofTheWorldThatNobodyMaySee12345"
)

// document is a config document of which parts can be spoiled.
const document = `{
  "credentials": {
    "type": "external_account",
    "audience": "AUDIENCE",
    "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
    ROLE
    "credential_source": {"environment_id": "aws1"}
  },
  "targets": [
    {"name": "federated", "secret": "FEDERATED"},
    {"name": "reports", "secret": "wifmint/reports", "service_account": "` + reports + `", "scopes": ["SCOPE"], "lifetime": "LIFETIME"},
    {"name": "api", "secret": "wifmint/api", "service_account": "` + api + `", "delegates": ["` + deputy + `"], "id_token_audience": "https://api.example.run.app"}
  ]
}`

// world is an account, a project and a machine in which everything works. A case
// spoils one thing of it.
type world struct {
	t        *testing.T
	cloud    *fakecloud.Cloud
	provider fakecloud.Provider
	key      fakecloud.AWSKey
	env      map[string]string
	document map[string]string // what to write for the words in capitals
	hosts    map[string]func(*http.Request) (*http.Response, error)
	skew     time.Duration // of this machine's clock
	function string
	without  []string // secrets that no token is put into
	later    []func() // what is done when the secrets are there
}

func newWorld(t *testing.T) *world {
	w := &world{
		t:        t,
		cloud:    fakecloud.New(fakecloud.Options{Region: region}),
		provider: fakecloud.Provider{Audience: audience, AWSAccount: "123456789012", AllowedRoleARNs: []string{role}},
		key: fakecloud.AWSKey{
			AccessKeyID: "ASIADOCTOR", SecretAccessKey: secretKey, SessionToken: sessionToken, ARN: role + "/wifmint-minter",
		},
		env: map[string]string{
			"AWS_REGION": region, "AWS_ACCESS_KEY_ID": "ASIADOCTOR", "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_SESSION_TOKEN": sessionToken,
			"AWS_LAMBDA_FUNCTION_NAME": "wifmint-minter",
		},
		document: map[string]string{
			"AUDIENCE": audience, "ROLE": "", "FEDERATED": "wifmint/federated",
			"SCOPE": "https://www.googleapis.com/auth/bigquery", "LIFETIME": "3600s",
		},
		hosts: map[string]func(*http.Request) (*http.Response, error){},
	}
	for _, email := range []string{reports, deputy} {
		w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: email, Callers: []string{member}})
	}
	w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: api, Callers: []string{deputy}})
	return w
}

// text is the document as it is spoiled.
func (w *world) text() string {
	text := document
	for word, with := range w.document {
		text = strings.ReplaceAll(text, word, with)
	}
	return text
}

// keep puts a token into each secret that there is not yet.
func (w *world) keep(config *keeper.Config, age time.Duration) {
	for _, t := range config.Targets {
		if !strings.HasPrefix(t.Secret, "arn:") && !slices.Contains(w.without, t.Secret) {
			w.cloud.PutSecret(t.Secret, w.encoded(config, t, age))
		}
	}
}

func (w *world) encoded(config *keeper.Config, t keeper.Target, age time.Duration) string {
	token := config.Identity(t)
	token.Value, token.MintedAt = secret.New(storedValue), time.Now().Add(-age)
	token.Expiry = token.MintedAt.Add(time.Hour)
	text, err := token.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

func (w *world) getenv(name string) string { return w.env[name] }

func (w *world) now() time.Time { return time.Now().Add(w.skew) }

// RoundTrip is the network: the fake cloud, but for hosts that a case has changed.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, host := range []string{r.URL.Host, "*"} {
		if answer := w.hosts[host]; answer != nil {
			return answer(r)
		}
	}
	return w.cloud.RoundTrip(r)
}

// parsed is the document as keeper takes it.
func (w *world) parsed() *keeper.Config {
	config, err := keeper.ParseConfig([]byte(w.text()), keeper.ConfigOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return config
}

// walk walks through the world as a case has left it.
func (w *world) walk(config *keeper.Config) (checks []Check) {
	if err := w.open(config).Run(w.t.Context(), keeper.Event{}, func(c Check) { checks = append(checks, c) }); err != nil {
		w.t.Fatal(err)
	}
	return checks
}

// open makes the world known to its cloud.
func (w *world) open(config *keeper.Config) Walk {
	w.cloud.AddAWSKey(w.key)
	w.cloud.AddProvider(w.provider)
	aws := supplier.Default(w.getenv)
	client := &http.Client{Transport: w}
	options := externalaccount.Options{Supplier: aws, HTTPClient: client, Getenv: w.getenv, Now: w.now}
	secrets := tokenstore.NewClient(tokenstore.Options{Region: w.env["AWS_REGION"], Credentials: supplier.SDK(aws), HTTPClient: client})
	return Walk{
		Environment: &keeper.Environment{
			Config:      config,
			Credentials: externalaccount.New(config.Credentials, options),
			Store:       &tokenstore.Store{Client: secrets, Create: config.CreateSecrets},
			IAM:         &impersonate.Client{HTTPClient: client, Now: w.now},
		},
		AWS: aws, Getenv: w.getenv, Describe: Describe(secrets), Function: w.function, HTTPClient: client, Now: w.now,
	}
}

// inWorld runs f where time is the bubble's, so that no retry costs any.
func inWorld(t *testing.T, f func(*world)) {
	synctest.Test(t, func(t *testing.T) { f(newWorld(t)) })
}

// reply is an answer to any request.
func reply(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
}

// broken is a network that fails.
func broken(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func noSuchHost(r *http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: r.URL.Host, IsNotFound: true}}
}
