// Package reliability_test proves that tokens stay fresh: through outages, on one
// simulated clock with the schedule and the readers; under random faults; and when
// the functions are killed in any call. docs/reliability.md tells what is computed
// and what was measured.
//
// The tests' long forms take minutes and are run by "make soak".
package reliability_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokeninfo"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// soak reports whether the long forms are asked for.
func soak() bool { return os.Getenv("WIFMINT_SOAK") != "" }

// size is how many of something a test makes: in its long form, in its short one,
// and in that with the race detector, which is ten times as slow.
func size(long, short int) int {
	switch {
	case soak():
		return long
	case raced:
		return max(1, short/8)
	}
	return short
}

// figure tells what a test has measured. The long form prints it, for
// docs/reliability.md.
func figure(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf(format, args...)
	if soak() {
		fmt.Printf(format+"\n", args...)
	}
}

// firstSeed is WIFMINT_SEED, with which a failure that named its seed comes again.
func firstSeed(t testing.TB) (seed uint64, given bool) {
	text := os.Getenv("WIFMINT_SEED")
	if text == "" {
		return 1, false
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("WIFMINT_SEED is no number: %v", err)
	}
	return seed, true
}

const (
	region     = "eu-west-1"
	provider   = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/aws/providers/lambda"
	tokenURL   = "https://sts.googleapis.com/v1/token"
	idAudience = "https://api.example.run.app"

	reportsAccount = "reports@p-roject.iam.gserviceaccount.com"
	callerAccount  = "caller@p-roject.iam.gserviceaccount.com"
)

// targets is the "targets" of a config document: federated ones, and service
// accounts' access and ID tokens, each kind in the secrets named after it. rest is
// appended to each of the access tokens', such as `, "lifetime": "43200s"`.
func targets(federated, access, id int, rest string) string {
	var all []string
	add := func(n int, kind, format string) {
		for i := range n {
			name := fmt.Sprintf("%s-%d", kind, i)
			all = append(all, fmt.Sprintf(format, name, name))
		}
	}
	add(federated, "federated", `{"name": %q, "secret": "wifmint/%s"}`)
	add(access, "access", `{"name": %q, "secret": "wifmint/%s", "service_account": "`+reportsAccount+`", "scopes": ["https://www.googleapis.com/auth/bigquery"]`+rest+`}`)
	add(id, "id", `{"name": %q, "secret": "wifmint/%s", "service_account": "`+callerAccount+`", "id_token_audience": "`+idAudience+`"}`)
	return "[" + strings.Join(all, ", ") + "]"
}

// document is a config document; iamURL "" means Google's.
func document(targets, tokenURL, iamURL string) string {
	if iamURL != "" {
		iamURL = fmt.Sprintf(`"service_account_impersonation_url": %q,`, iamURL)
	}
	return fmt.Sprintf(`{"credentials": {"type": "external_account", "audience": %q,
		"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request", "token_url": %q, `+iamURL+`
		"credential_source": {"environment_id": "aws1", "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}},
		"create_secrets": true, "targets": %s}`, provider, tokenURL, targets)
}

// world is AWS and Google in memory, and the functions' configuration there. Its
// clock is the bubble's.
type world struct {
	t      *testing.T
	cloud  *fakecloud.Cloud
	config *keeper.Config
	// key is what the functions' environment holds; nil for nothing.
	key atomic.Pointer[fakecloud.AWSKey]
}

func newWorld(t *testing.T, seed uint64, targets string) *world {
	t.Helper()
	config, err := keeper.ParseConfig([]byte(document(targets, tokenURL, "")), keeper.ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, cloud: newCloud(seed), config: config}
	w.newKey(time.Time{})
	return w
}

// newCloud is AWS and Google, where the functions' role is trusted.
func newCloud(seed uint64) *fakecloud.Cloud {
	cloud := fakecloud.New(fakecloud.Options{Region: region, Seed: seed})
	cloud.AddAWSKey(key)
	cloud.AddProvider(fakecloud.Provider{Audience: provider, AWSAccount: "123456789012"})
	for _, email := range []string{reportsAccount, callerAccount} {
		cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: email, MaxLifetime: 12 * time.Hour})
	}
	return cloud
}

var key = fakecloud.AWSKey{
	AccessKeyID: "ASIARELIABILITY00001", SecretAccessKey: "planted-secret-access-key", SessionToken: "planted-session-token",
	ARN: "arn:aws:sts::123456789012:assumed-role/wifmint/wifmint",
}

// newKey gives the functions credentials that expire then; zero means never.
func (w *world) newKey(expires time.Time) {
	key := key
	key.Expires = expires
	w.cloud.AddAWSKey(key)
	w.key.Store(&key)
}

// getenv is the functions' environment.
func (w *world) getenv(name string) string {
	key := w.key.Load()
	switch {
	case name == "AWS_REGION":
		return region
	case name == "AWS_LAMBDA_FUNCTION_NAME":
		return "wifmint"
	case key == nil:
	case name == "AWS_ACCESS_KEY_ID":
		return key.AccessKeyID
	case name == "AWS_SECRET_ACCESS_KEY":
		return key.SecretAccessKey
	case name == "AWS_SESSION_TOKEN":
		return key.SessionToken
	}
	return ""
}

func (w *world) store() *tokenstore.Store {
	return &tokenstore.Store{
		Client: tokenstore.NewClient(tokenstore.Options{
			Region: region, Credentials: supplier.SDK(supplier.Default(w.getenv)), HTTPClient: &http.Client{Transport: w.cloud},
		}),
		Create: true,
	}
}

// clock is one machine's: the bubble's, and how far it is wrong.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time        { return time.Now().Add(c.offset()) }
func (c *clock) offset() time.Duration { return time.Duration(c.ahead.Load()) }

// environment is what keeper.ReadEnvironment reads, but that it calls the world.
func (w *world) environment(c *clock) *keeper.Environment {
	client := &http.Client{Transport: w.cloud}
	return &keeper.Environment{
		Config:      w.config,
		Credentials: externalaccount.New(w.config.Credentials, externalaccount.Options{HTTPClient: client, Getenv: w.getenv, Now: c.Now}),
		Store:       w.store(),
		IAM:         &impersonate.Client{HTTPClient: client, Now: c.Now},
		TokenInfo:   &tokeninfo.Client{HTTPClient: client},
	}
}

func (w *world) function(name string, c *clock) *function {
	return newFunction(name, w.environment(c), c)
}

// function is an execution environment of the minter or the rotator.
type function struct {
	name   string
	clock  *clock
	keeper *keeper.Keeper
}

// newFunction wires what functions/*/handler.go wires, which are programs and
// cannot be imported.
func newFunction(name string, env *keeper.Environment, c *clock) *function {
	k := keeper.Keeper{
		Function: name, Config: env.Config, Store: env.Store, TokenInfo: env.TokenInfo,
		Log: slog.New(slog.DiscardHandler), Now: c.Now,
		Owns:    func(t keeper.Target) bool { return !t.Federated() },
		Minting: (&keeper.Impersonation{Environment: env, Now: c.Now}).Minting,
	}
	if name == "minter" {
		k.Owns = keeper.Target.Federated
		k.Minting = func() keeper.MintFunc {
			return func(ctx context.Context, t keeper.Target) (keeper.MintedToken, error) {
				token, err := env.Credentials.Exchange(ctx, t.Scopes)
				return keeper.MintedToken{Value: token.AccessToken, Expiry: token.Expiry}, err
			}
		}
	}
	return &function{name, c, keeper.New(k)}
}

// invoke is one invocation, with the template's timeout.
func (f *function) invoke(ctx context.Context, payload string) (*keeper.Report, error) {
	const timeout = 120 * time.Second
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	event, err := keeper.ParseEvent([]byte(payload))
	if err != nil {
		return nil, err
	}
	if event.Rotation != nil {
		return nil, f.keeper.Rotate(ctx, *event.Rotation)
	}
	return f.keeper.Run(ctx, event)
}
