package keeper

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokeninfo"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	testAudience   = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/aws/providers/lambda"
	plantedKey     = "planted-secret-access-key"
	plantedSession = "planted-session-token"
	bigquery       = "https://www.googleapis.com/auth/bigquery"
	apiService     = "https://api.example.run.app"
)

// testWorld is a fake cloud and the environment of a minter in it. Everything a
// run lets out is collected, and searched for secrets when the test ends.
type testWorld struct {
	t      *testing.T
	cloud  *fakecloud.Cloud
	env    *Environment
	output lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newTestWorld makes a world with n federated targets t0, t1, …, whose secrets
// s0, s1, … exist without a value.
func newTestWorld(t *testing.T, n int) *testWorld {
	t.Helper()
	w := &testWorld{t: t, cloud: fakecloud.New(fakecloud.Options{Region: "eu-west-1"})}
	w.cloud.AddAWSKey(fakecloud.AWSKey{
		AccessKeyID: "ASIATESTMINTER000001", SecretAccessKey: plantedKey, SessionToken: plantedSession,
		ARN: "arn:aws:sts::123456789012:assumed-role/minter/minter",
	})
	w.cloud.AddProvider(fakecloud.Provider{Audience: testAudience, AWSAccount: "123456789012"})

	getenv := func(name string) string {
		return map[string]string{
			"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "ASIATESTMINTER000001",
			"AWS_SECRET_ACCESS_KEY": plantedKey, "AWS_SESSION_TOKEN": plantedSession,
			"AWS_LAMBDA_FUNCTION_NAME": "minter",
		}[name]
	}
	file := &externalaccount.File{
		Type: "external_account", Audience: testAudience, SubjectTokenType: "urn:ietf:params:aws:token-type:aws4_request",
		TokenURL: "https://sts.googleapis.com/v1/token", UniverseDomain: "googleapis.com", AWS: &externalaccount.AWSSource{EnvironmentID: "aws1"},
	}
	client := &http.Client{Transport: w.cloud}
	w.env = &Environment{
		Config:      &Config{Credentials: file},
		Credentials: externalaccount.New(file, externalaccount.Options{HTTPClient: client, Getenv: getenv}),
		Store: &tokenstore.Store{Client: tokenstore.NewClient(tokenstore.Options{
			Region: "eu-west-1", Credentials: supplier.SDK(supplier.Default(getenv)), HTTPClient: client,
		})},
	}
	for i := range n {
		w.env.Config.Targets = append(w.env.Config.Targets, Target{
			Name: fmt.Sprintf("t%d", i), Secret: fmt.Sprintf("s%d", i), Scopes: []string{CloudPlatformScope}, RefreshAt: DefaultRefreshAt,
		})
		w.createSecret(fmt.Sprintf("s%d", i))
	}
	t.Cleanup(w.nothingLeaked)
	return w
}

func (w *testWorld) admin() *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region: "eu-west-1", HTTPClient: &http.Client{Transport: w.cloud},
		Credentials: credentials.NewStaticCredentialsProvider("ASIATESTMINTER000001", plantedKey, plantedSession),
	})
}

func (w *testWorld) createSecret(name string) {
	w.t.Helper()
	if _, err := w.admin().CreateSecret(context.Background(), &secretsmanager.CreateSecretInput{Name: &name}); err != nil {
		w.t.Fatal(err)
	}
	w.cloud.ResetCalls()
}

// keeper is the minter.
func (w *testWorld) keeper() *Keeper {
	return w.function("minter", Target.Federated, minting(w.mint))
}

func (w *testWorld) rotator() *Keeper {
	impersonation := Impersonation{Environment: w.env, Log: w.log()}
	return w.function("rotator", func(t Target) bool { return !t.Federated() }, impersonation.Minting)
}

func (w *testWorld) function(name string, owns func(Target) bool, minting func() MintFunc) *Keeper {
	return New(Keeper{
		Function: name, Config: w.env.Config, Owns: owns, Minting: minting,
		Store: w.env.Store, TokenInfo: w.env.TokenInfo, Log: w.log(), Metrics: &Metrics{Out: &w.output},
	})
}

func (w *testWorld) log() *slog.Logger { return slog.New(slog.NewJSONHandler(&w.output, nil)) }

// minting is what a function's runs mint with when they share nothing.
func minting(mint MintFunc) func() MintFunc {
	return func() MintFunc { return mint }
}

func (w *testWorld) mint(ctx context.Context, t Target) (MintedToken, error) {
	token, err := w.env.Credentials.Exchange(ctx, t.Scopes)
	return MintedToken{token.AccessToken, token.Expiry}, err
}

// run runs once and returns the report, of a failed run too.
func (w *testWorld) run(ctx context.Context, k *Keeper, e Event) (*Report, error) {
	report, err := k.Run(ctx, e)
	b, _ := json.Marshal(report)
	fmt.Fprintf(&w.output, "%s\n%v\n%+v\n%#v\n", b, err, err, err)
	return report, err
}

// wantRun runs once, without a failure and with these outcomes.
func (w *testWorld) wantRun(k *Keeper, e Event, want string) *Report {
	w.t.Helper()
	report, err := w.run(w.t.Context(), k, e)
	if got := outcomes(report); err != nil || got != want {
		w.t.Fatalf("the outcomes are %q, want %q; %v", got, want, err)
	}
	return report
}

func (w *testWorld) nothingLeaked() {
	out := w.output.String()
	for _, planted := range []string{"planted-", "ya29.", "eyJ", "Signature=", "AWS4-HMAC", "Signature%3D"} {
		if i := strings.Index(out, planted); i >= 0 {
			w.t.Errorf("a log, an error or a response shows %q: …%s…", planted, out[max(0, i-80):min(len(out), i+80)])
		}
	}
}

// stored is the token that a consumer would read now.
func (w *testWorld) stored(name string) tokenstore.Token {
	w.t.Helper()
	s, _ := w.cloud.Secret(name)
	current, _ := s.Labelled("AWSCURRENT")
	token, err := tokenstore.Parse([]byte(current.Value))
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// operations are those that the functions have asked for since they were last
// looked at.
func (w *testWorld) operations() (all []string) {
	for _, c := range w.cloud.Calls() {
		if c.Service != "aws-sts" { // Google's
			all = append(all, c.Operation)
		}
	}
	w.cloud.ResetCalls()
	return all
}

func (w *testWorld) wantCalls(want string) {
	w.t.Helper()
	if got := strings.Join(w.operations(), " "); got != want {
		w.t.Errorf("calls: %s\nwant:  %s", got, want)
	}
}

// wantCounts checks how often each operation was called, all others not at all.
func (w *testWorld) wantCounts(want map[string]int) {
	w.t.Helper()
	got := map[string]int{}
	for _, operation := range w.operations() {
		got[operation]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func outcomes(r *Report) string {
	var all []string
	for _, res := range r.Results {
		all = append(all, string(res.Outcome))
	}
	return strings.Join(all, " ")
}

// newRotatorWorld makes a world with targets, whose accounts everyone may
// impersonate and whose secrets exist without a value.
func newRotatorWorld(t *testing.T, targets ...Target) *testWorld {
	t.Helper()
	w := newTestWorld(t, 0)
	client := &http.Client{Transport: w.cloud}
	w.env.IAM = &impersonate.Client{HTTPClient: client}
	w.env.TokenInfo = &tokeninfo.Client{HTTPClient: client}
	for _, target := range targets {
		w.env.Config.Targets = append(w.env.Config.Targets, target)
		if !target.Federated() {
			w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: target.ServiceAccount})
		}
		w.createSecret(target.Secret)
	}
	return w
}

func (w *testWorld) encode(token tokenstore.Token) string {
	w.t.Helper()
	value, err := token.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return string(value)
}

func (w *testWorld) put(name string, token tokenstore.Token) {
	w.t.Helper()
	w.cloud.PutSecret(name, w.encode(token))
}

func accessTarget(name string) Target {
	return Target{Name: name, Secret: "wifmint/" + name, ServiceAccount: name + "@p-roject.iam.gserviceaccount.com", Scopes: []string{bigquery}, RefreshAt: DefaultRefreshAt}
}

func accessTargets(n int) []Target {
	targets := make([]Target, n)
	for i := range targets {
		targets[i] = accessTarget(fmt.Sprintf("account-%d", i))
	}
	return targets
}

func idTarget(name string) Target {
	t := accessTarget(name)
	t.Scopes, t.IDTokenAudience = nil, apiService
	return t
}

func federatedTarget(scopes ...string) Target {
	return Target{Name: "federated", Secret: "wifmint/federated", Scopes: scopes, RefreshAt: DefaultRefreshAt}
}
