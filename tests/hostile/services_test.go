// Package hostile_test has somebody else answer for each service that the programs
// call, and somebody else write what they read.
package hostile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokeninfo"
	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	region   = "eu-west-1"
	audience = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/aws/providers/lambda"
	reports  = "reports@p.iam.gserviceaccount.com"
	role     = "arn:aws:iam::123456789012:role/other"
	// timeout is the template's.
	timeout = 120 * time.Second
)

var key = fakecloud.AWSKey{
	AccessKeyID: "ASIAHOSTILE000000001", SecretAccessKey: "planted-secret-access-key", SessionToken: "planted-session-token",
	ARN: "arn:aws:sts::123456789012:assumed-role/wifmint/wifmint",
}

// world is the functions' configuration in a network. Everything that comes out is
// collected, and searched for secrets.
type world struct {
	t       *testing.T
	network *network
	env     *keeper.Environment
	output  bytes.Buffer // of one goroutine at a time, by mu
	mu      sync.Mutex
}

func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.output.Write(p)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cloud := fakecloud.New(fakecloud.Options{Region: region})
	cloud.AddAWSKey(key)
	cloud.AddProvider(fakecloud.Provider{Audience: audience, AWSAccount: "123456789012"})
	cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: reports})
	config, err := keeper.ParseConfig([]byte(`{"credentials": {"type": "external_account", "audience": "`+audience+`",
		"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
		"credential_source": {"environment_id": "aws1", "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}},
		"create_secrets": true, "targets": [{"name": "federated", "secret": "wifmint/federated"}, {"name": "reports", "secret": "wifmint/reports", "service_account": "`+reports+`", "scopes": ["https://www.googleapis.com/auth/bigquery"]}]}`),
		keeper.ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, network: newNetwork(t, cloud)}
	w.env = &keeper.Environment{
		Config:    config,
		IAM:       &impersonate.Client{HTTPClient: w.client()},
		TokenInfo: &tokeninfo.Client{HTTPClient: w.client()},
	}
	w.supply(supplier.Environment{Getenv: getenv})
	return w
}

func (w *world) client() *http.Client { return &http.Client{Transport: w.network} }

// supply has the functions find their AWS credentials there.
func (w *world) supply(s supplier.AwsSecurityCredentialsSupplier) {
	w.env.Credentials = externalaccount.New(w.env.Config.Credentials, externalaccount.Options{HTTPClient: w.client(), Supplier: s, Getenv: getenv})
	w.env.Store = &tokenstore.Store{Create: true, Client: tokenstore.NewClient(tokenstore.Options{
		Region: region, Credentials: supplier.SDK(s), HTTPClient: w.client(),
	})}
}

func getenv(name string) string {
	return map[string]string{
		"AWS_REGION": region, "AWS_ACCESS_KEY_ID": key.AccessKeyID, "AWS_SECRET_ACCESS_KEY": key.SecretAccessKey, "AWS_SESSION_TOKEN": key.SessionToken,
	}[name]
}

// function wires what functions/*/handler.go wires.
func (w *world) function(name string) *keeper.Keeper {
	k := keeper.Keeper{
		Function: name, Config: w.env.Config, Store: w.env.Store, TokenInfo: w.env.TokenInfo,
		Log:     slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Metrics: &keeper.Metrics{Out: w},
		Owns:    func(t keeper.Target) bool { return !t.Federated() },
		Minting: (&keeper.Impersonation{Environment: w.env}).Minting,
	}
	if name == "minter" {
		k.Owns = keeper.Target.Federated
		k.Minting = func() keeper.MintFunc {
			return func(ctx context.Context, t keeper.Target) (keeper.MintedToken, error) {
				token, err := w.env.Credentials.Exchange(ctx, t.Scopes)
				return keeper.MintedToken{Value: token.AccessToken, Expiry: token.Expiry}, err
			}
		}
	}
	return keeper.New(k)
}

// run invokes a function, and returns the leg of its target's failure, "" for none.
func (w *world) run(ctx context.Context, name string, e keeper.Event) (leg string, err error) {
	report, err := w.function(name).Run(ctx, e)
	document, _ := json.Marshal(report)
	fmt.Fprintf(w, "%s\n", document)
	for _, result := range report.Results {
		if result.Error != nil {
			leg = result.Error.Leg
		}
	}
	return leg, err
}

// versions are what the secrets hold, and under which labels.
func (w *world) versions() string {
	var all strings.Builder
	for _, target := range w.env.Config.Targets {
		s, _ := w.network.cloud.Secret(target.Secret)
		for _, v := range s.Versions {
			if len(v.Value) > 0 {
				fmt.Fprintln(&all, target.Name, v.ID, v.Labels, v.Value)
			}
		}
	}
	return all.String()
}

func (w *world) nothingLeaked() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.output.String()
	for _, never := range []string{"planted-", "ya29.", "eyJ", "Signature=", "Signature%3D"} {
		if i := strings.Index(out, never); i >= 0 {
			w.t.Errorf("%q came out: …%.200q…", never, out[max(0, i-100):])
		}
	}
}

const tokenInfo = "oauth2.googleapis.com"

// service is somebody whom the programs call, and what calls it. An invoke returns the
// leg that is to blame, if its program has legs.
type service struct {
	host   string
	leg    string
	invoke func(w *world, ctx context.Context) (leg string, err error)
}

var services = map[string]service{
	"Google STS": {"sts.googleapis.com", "sts", func(w *world, ctx context.Context) (string, error) {
		return w.run(ctx, "minter", keeper.Event{Force: true})
	}},
	"IAM": {"iamcredentials.googleapis.com", "impersonate", func(w *world, ctx context.Context) (string, error) {
		return w.run(ctx, "rotator", keeper.Event{Force: true})
	}},
	"tokeninfo": {tokenInfo, "impersonate", rotateOnce},
	"AWS STS, for a role": {"sts." + region + ".amazonaws.com", "aws-credentials", func(w *world, ctx context.Context) (string, error) {
		w.supply(&supplier.AssumeRole{Base: supplier.Environment{Getenv: getenv}, RoleARN: role, HTTPClient: w.client()})
		return w.run(ctx, "minter", keeper.Event{Force: true})
	}},
	"the container's endpoint": {"169.254.170.23", "aws-credentials", func(w *world, ctx context.Context) (string, error) {
		w.supply(supplier.Container{HTTPClient: w.client(), Getenv: func(name string) string {
			return map[string]string{
				"AWS_REGION": region, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "planted-container-token",
			}[name]
		}})
		return w.run(ctx, "minter", keeper.Event{Force: true})
	}},
	"the machine's metadata": {"169.254.169.254", "aws-credentials", func(w *world, ctx context.Context) (string, error) {
		w.supply(supplier.IMDS{HTTPClient: w.client(), Getenv: func(string) string { return "" }})
		return w.run(ctx, "minter", keeper.Event{Force: true})
	}},
	"Secrets Manager": {"secretsmanager." + region + ".amazonaws.com", "store", func(w *world, ctx context.Context) (string, error) {
		return w.run(ctx, "minter", keeper.Event{Force: true})
	}},
	"the extension that caches secrets": {"localhost", "", func(w *world, ctx context.Context) (string, error) {
		_, err := tokensource.Extension{HTTPClient: w.client(), Getenv: getenv}.ReadStage(ctx, "wifmint/reports", "AWSCURRENT")
		return "", err
	}},
	"a file's URL": {"idp.example", "", func(w *world, ctx context.Context) (string, error) {
		file, err := externalaccount.ParseAny([]byte(`{"type": "external_account", "audience": "`+audience+`", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
			"credential_source": {"url": "https://idp.example/token", "headers": {"Authorization": "Bearer planted-header"}, "format": {"type": "json", "subject_token_field_name": "missing"}}}`), externalaccount.FileOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		c, err := file.Credentials(externalaccount.Options{HTTPClient: w.client(), Getenv: getenv, Scopes: []string{"https://www.googleapis.com/auth/bigquery"}})
		if err != nil {
			w.t.Fatal(err)
		}
		_, err = c.CachedToken(ctx)
		return "", err
	}},
}

// rotateOnce goes through a rotation until a step fails, as Secrets Manager does.
func rotateOnce(w *world, ctx context.Context) (leg string, err error) {
	const function = "arn:aws:lambda:eu-west-1:123456789012:function:rotator"
	secretID := "wifmint/reports"
	rotator := w.function("rotator")
	w.network.cloud.SetRotationFunction(function, func(_ context.Context, e fakecloud.RotationEvent) error {
		err = rotator.Rotate(ctx, keeper.Rotation{Step: e.Step, SecretID: e.SecretId, ClientRequestToken: e.ClientRequestToken})
		return err
	})
	admin := secretsmanager.New(secretsmanager.Options{
		Region: region, HTTPClient: w.client(), Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, key.SessionToken),
	})
	if _, failed := admin.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: &secretID, RotationLambdaARN: aws.String(function)}); failed != nil {
		w.t.Fatal(failed)
	}
	if step, ok := errors.AsType[*keeper.RotationError](err); ok {
		leg = step.Failure.Leg
	}
	return leg, err
}

// Whoever answers, and whatever: the caller fails in time, blames the right leg, has
// read little, has sent nothing elsewhere and no cookie, tells no secret, and the
// stored token is the one from before. When the right one answers again, all is well.
func TestAHostileServiceGetsNothingAndSpoilsNothing(t *testing.T) {
	t.Parallel()
	for name, service := range services {
		for does, answer := range answers {
			t.Run(name+" "+does, func(t *testing.T) {
				t.Parallel()
				service.endure(t, func(n *network) { n.taken, n.answer = service.host, answer })
			})
		}
	}
}

// endure has somebody take the service over, and looks what comes of it.
func (s service) endure(t *testing.T, take func(*network)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, function := range []string{"minter", "rotator"} {
			if _, err := w.run(t.Context(), function, keeper.Event{}); err != nil {
				t.Fatal(err)
			}
		}
		before := w.versions()
		began := time.Now()
		take(w.network)

		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		leg, err := s.invoke(w, ctx)
		fmt.Fprintf(w, "%v\n%+v\n%#v\n", err, err, err)

		if err == nil || leg != s.leg {
			t.Errorf("the leg is %q, want %q: %v", leg, s.leg, err)
		}
		if took := time.Since(began); took >= timeout {
			t.Errorf("it took %v, all the time there was", took)
		}
		w.inspect(before, s)
		w.recovers(before)
	})
}

// inspect looks at what a hostile service has got, and has left behind.
func (w *world) inspect(before string, s service) {
	w.t.Helper()
	requests := w.network.requests()
	if n := len(requests); n == 0 || n > 24 {
		w.t.Errorf("%d requests", n)
	}
	for _, r := range requests {
		if cookie := r.Header.Get("Cookie"); cookie != "" {
			w.t.Errorf("it got its cookie back: %s", cookie)
		}
	}
	if strays := w.network.strayed(); strays != "" {
		w.t.Errorf("something was sent to %s", strays)
	}
	// By HTTP/2 more may come than is read: it is dropped, and the connection goes on.
	if read := w.network.received.Load() / int64(max(1, len(requests))); w.network.stream == nil && read > s.most() {
		w.t.Errorf("%d bytes were read for each request", read)
	}
	if after := w.versions(); s.host != tokenInfo && after != before {
		w.t.Errorf("the secrets hold\n%s\nand held\n%s", after, before)
	}
	w.nothingLeaked()
}

// most is how much may be read of an answer: a body of 1 MiB, or 8 of Secrets Manager,
// whose secrets come 20 at a time, and what was on its way.
func (s service) most() int64 {
	if s.leg == "store" {
		return 10 << 20
	}
	return 3 << 20
}

// recovers has the right server answer again.
func (w *world) recovers(before string) {
	w.t.Helper()
	w.network.taken = ""
	w.supply(supplier.Environment{Getenv: getenv})
	time.Sleep(time.Minute)
	if leg, err := w.run(w.t.Context(), "minter", keeper.Event{Force: true}); err != nil {
		w.t.Errorf("the next invocation failed at %s: %v", leg, err)
	}
	if w.versions() == before {
		w.t.Error("the next invocation minted nothing")
	}
}

// What is read of an answer without end must not stay in memory either.
func TestAHostileServiceCostsLittleMemory(t *testing.T) {
	for _, tc := range []struct {
		service, does string
		most          uint64
	}{
		{"Google STS", "answers without end", 64 << 20},
		{"Google STS", "answers with 64 MiB in 64 KiB of gzip", 64 << 20},
		{"Google STS", "answers with 10 MiB", 64 << 20},
		{"Google STS", "sends a body without end", 64 << 20},
		{"Google STS", "continues its headers, for ever", 64 << 20},
		{"Google STS", "sends a header 20,000 times", 64 << 20},
		{"Secrets Manager", "answers with a text without end", 256 << 20}, // three tries, each of which lets go of it
		{"Secrets Manager", "refuses without end", 256 << 20},
		{"Secrets Manager", "sends a body without end", 256 << 20},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.network.taken, w.network.answer, w.network.stream = services[tc.service].host, answers[tc.does], streams[tc.does]
			var before, after runtime.MemStats
			large()
			bomb()
			runtime.GC()
			runtime.ReadMemStats(&before)
			if _, err := w.run(t.Context(), "minter", keeper.Event{}); err == nil {
				t.Error("no error")
			}
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > tc.most {
				t.Errorf("%s, which %s, had %d bytes allocated", tc.service, tc.does, grown)
			}
		})
	}
}
