package keeper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	testAudience   = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/aws/providers/lambda"
	plantedKey     = "planted-secret-access-key"
	plantedSession = "planted-session-token"
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

func (w *testWorld) keeper() *Keeper {
	return New(Keeper{
		Function: "minter",
		Config:   w.env.Config,
		Owns:     Target.Federated,
		Minting:  minting(w.mint),
		Store:    w.env.Store,
		Log:      slog.New(slog.NewJSONHandler(&w.output, nil)),
		Metrics:  &Metrics{Out: &w.output},
	})
}

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

func (w *testWorld) nothingLeaked() {
	out := w.output.String()
	for _, planted := range []string{"planted-", "ya29.", "eyJ", "Signature=", "AWS4-HMAC", "Signature%3D"} {
		if i := strings.Index(out, planted); i >= 0 {
			w.t.Errorf("a log, an error or a response shows %q: …%s…", planted, out[max(0, i-80):min(len(out), i+80)])
		}
	}
}

func (w *testWorld) stored(name string) tokenstore.Token {
	w.t.Helper()
	out, err := w.admin().GetSecretValue(context.Background(), &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := tokenstore.Parse([]byte(aws.ToString(out.SecretString)))
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *testWorld) wantCalls(want string) {
	w.t.Helper()
	var got []string
	for _, c := range w.cloud.Calls() {
		if c.Service != "aws-sts" { // Google's, not ours
			got = append(got, c.Operation)
		}
	}
	if s := strings.Join(got, " "); s != want {
		w.t.Errorf("calls: %s\nwant:  %s", s, want)
	}
	w.cloud.ResetCalls()
}

func outcomes(r *Report) string {
	var all []string
	for _, res := range r.Results {
		all = append(all, string(res.Outcome))
	}
	return strings.Join(all, " ")
}

func TestADueTargetCostsThreeCallsAndAFreshOneASingleCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		k := w.keeper()

		report, err := w.run(t.Context(), k, Event{})
		if err != nil || outcomes(report) != "minted" {
			t.Fatalf("first run: %v, %v", report, err)
		}
		w.wantCalls("GetSecretValue token PutSecretValue")
		if got := report.Results[0]; *got.SecondsRemaining < 3590 || len(got.TokenSHA256) != 12 || got.VersionID == "" {
			t.Errorf("result %+v", got)
		}
		report, err = w.run(t.Context(), k, Event{})
		if err != nil || outcomes(report) != "fresh" {
			t.Fatalf("second run: %v, %v", report, err)
		}
		w.wantCalls("GetSecretValue")

		time.Sleep(20 * time.Minute)
		report, err = w.run(t.Context(), k, Event{})
		if err != nil || outcomes(report) != "minted" {
			t.Fatalf("after 20 minutes: %v, %v", report, err)
		}
		w.wantCalls("GetSecretValue token PutSecretValue")
	})
}

func TestManyTargetsAreReadTwentyAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 45)
		k := w.keeper()
		report, err := w.run(t.Context(), k, Event{})
		if err != nil || report.Summary != (Summary{Targets: 45, Minted: 45}) {
			t.Fatalf("%+v, %v", report.Summary, err)
		}
		w.cloud.ResetCalls()
		report, err = w.run(t.Context(), k, Event{})
		if err != nil || report.Summary != (Summary{Targets: 45, Fresh: 45}) {
			t.Fatalf("%+v, %v", report.Summary, err)
		}
		w.wantCalls("BatchGetSecretValue BatchGetSecretValue BatchGetSecretValue")
	})
}

func TestOneTargetFailsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 3)
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "PutSecretValue", Resource: "s1", Status: 400,
			Body: `{"__type":"AccessDeniedException","Message":"no"}`})
		report, err := w.run(t.Context(), w.keeper(), Event{})
		if outcomes(report) != "minted failed minted" {
			t.Fatalf("got %s", outcomes(report))
		}
		var failed *RunError
		if !errors.As(err, &failed) {
			t.Fatalf("got %v, want a *RunError", err)
		}
		var message Report
		if err := json.Unmarshal([]byte(err.Error()), &message); err != nil {
			t.Fatal(err)
		}
		if len(message.Results) != 1 || message.Results[0].Target != "t1" || message.Summary.Minted != 2 {
			t.Errorf("the error's document is %s", err)
		}
		if e := message.Results[0].Error; e.Leg != "store" || e.Code != "AccessDeniedException" || e.Retryable || e.HTTPStatus != 400 {
			t.Errorf("failure %+v", e)
		}
	})
}

func TestGoogleGoesDownAndComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 2)
		k := w.keeper()
		if _, err := w.run(t.Context(), k, Event{}); err != nil {
			t.Fatal(err)
		}
		before := w.stored("s0")
		time.Sleep(25 * time.Minute)

		back := w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Status: 503})
		report, err := w.run(t.Context(), k, Event{})
		if err == nil || outcomes(report) != "failed failed" {
			t.Fatalf("%s, %v", outcomes(report), err)
		}
		for _, r := range report.Results {
			if r.Error.Leg != "sts" || !r.Error.Retryable || r.Error.HTTPStatus != 503 {
				t.Errorf("failure %+v", r.Error)
			}
			if *r.SecondsRemaining < 30*60 {
				t.Errorf("the report does not tell the token that is still there: %+v", r)
			}
		}
		if after := w.stored("s0"); !after.Value.Equal(before.Value) {
			t.Error("the stored token changed while Google was down")
		}
		back()
		if report, err := w.run(t.Context(), k, Event{}); err != nil || outcomes(report) != "minted minted" {
			t.Errorf("Google is back: %s, %v", outcomes(report), err)
		}
	})
}

func TestAHangEndsBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ service, operation, leg string }{
		{"google-sts", "", "sts"},
		{"secretsmanager", "GetSecretValue", "store"},
		{"secretsmanager", "PutSecretValue", "store"},
	} {
		t.Run(tc.service+" "+tc.operation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newTestWorld(t, 1)
				w.cloud.Fault(fakecloud.Fault{Service: tc.service, Operation: tc.operation, Hang: true})
				ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
				defer cancel()
				report, err := w.run(ctx, w.keeper(), Event{})
				if ctx.Err() != nil {
					t.Fatal("the run outlived its deadline")
				}
				if err == nil || outcomes(report) != "failed" {
					t.Fatalf("%s, %v", outcomes(report), err)
				}
				if e := report.Results[0].Error; e.Leg != tc.leg || e.Code != "timeout" || !e.Retryable {
					t.Errorf("failure %+v", e)
				}
			})
		})
	}
}

func TestWhatThereIsNoTimeForIsDeferredEarliestExpiryFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 60)
		k := w.keeper()
		// Tokens minted in an order of their own: the last target's is the oldest.
		for i := 59; i >= 0; i-- {
			if _, err := w.run(t.Context(), k, Event{Targets: []string{fmt.Sprintf("t%d", i)}}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
		}
		time.Sleep(30 * time.Minute)
		w.cloud.ResetCalls()
		w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Latency: time.Second})

		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		report, err := w.run(ctx, k, Event{})
		if err != nil {
			t.Fatalf("deferring is no failure: %v", err)
		}
		s := report.Summary
		if s.Minted == 0 || s.Deferred == 0 || s.Minted+s.Deferred != 60 {
			t.Fatalf("summary %+v", s)
		}
		// Exactly the oldest were taken: the last s.Minted targets of the document.
		for i, r := range report.Results {
			if want := i >= 60-s.Minted; (r.Outcome == Minted) != want {
				t.Errorf("t%d ended %s with %d minted", i, r.Outcome, s.Minted)
			}
		}
	})
}

func TestAPanicIsOneTargetsFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 3)
		k := w.keeper()
		k.Minting = minting(func(ctx context.Context, target Target) (MintedToken, error) {
			switch target.Name {
			case "t0":
				panic("with " + plantedKey)
			case "t1":
				var none []int
				_ = none[len(target.Name)]
			}
			return w.mint(ctx, target)
		})
		report, err := w.run(t.Context(), k, Event{})
		if err == nil || outcomes(report) != "failed failed minted" {
			t.Fatalf("%s, %v", outcomes(report), err)
		}
		if m := report.Results[1].Error.Message; !strings.Contains(m, "index out of range") {
			t.Errorf("the runtime's own panic is not told: %q", m)
		}
	})
}

func TestForceRefreshesWhatIsFresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		k := w.keeper()
		if _, err := w.run(t.Context(), k, Event{}); err != nil {
			t.Fatal(err)
		}
		before := w.stored("s0")
		time.Sleep(time.Minute)
		report, err := w.run(t.Context(), k, Event{Force: true})
		if err != nil || outcomes(report) != "minted" {
			t.Fatalf("%s, %v", outcomes(report), err)
		}
		if after := w.stored("s0"); after.Value.Equal(before.Value) {
			t.Error("the token is the same")
		}
	})
}

func TestAForcedWorseTokenIsNotStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		k := w.keeper()
		if _, err := w.run(t.Context(), k, Event{}); err != nil {
			t.Fatal(err)
		}
		before := w.stored("s0")
		k.Minting = minting(func(context.Context, Target) (MintedToken, error) {
			return MintedToken{secret.New("ya29.worse"), time.Now().Add(10 * time.Minute)}, nil
		})
		report, err := w.run(t.Context(), k, Event{Force: true})
		if err != nil || outcomes(report) != "superseded" {
			t.Fatalf("%s, %v", outcomes(report), err)
		}
		if after := w.stored("s0"); !after.Value.Equal(before.Value) {
			t.Error("a token that expires sooner replaced a better one")
		}
	})
}

func TestAChangedDocumentReplacesABetterTokenAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		if _, err := w.run(t.Context(), w.keeper(), Event{}); err != nil {
			t.Fatal(err)
		}
		w.env.Config.Targets[0].Scopes = []string{"https://www.googleapis.com/auth/bigquery"}
		k := w.keeper()
		k.Minting = minting(func(context.Context, Target) (MintedToken, error) {
			return MintedToken{secret.New("ya29.narrow"), time.Now().Add(10 * time.Minute)}, nil
		})
		report, err := w.run(t.Context(), k, Event{})
		if err != nil || outcomes(report) != "minted" {
			t.Fatalf("%s, %v", outcomes(report), err)
		}
		if got := w.stored("s0"); !slices.Equal(got.Scopes, []string{"https://www.googleapis.com/auth/bigquery"}) {
			t.Errorf("stored scopes %v", got.Scopes)
		}
	})
}

func TestAStoreThatFailsAfterThePutTookEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		k := w.keeper()
		// Every try of the first run fails after its effect.
		back := w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "PutSecretValue", Status: 500, AfterEffect: true})
		report, err := w.run(t.Context(), k, Event{})
		if err == nil || report.Results[0].Error.Leg != "store" || !report.Results[0].Error.Retryable {
			t.Fatalf("%+v, %v", report.Results[0], err)
		}
		back()
		if report, err = w.run(t.Context(), k, Event{}); err != nil || outcomes(report) != "fresh" {
			t.Fatalf("the token is there, and yet: %s, %v", outcomes(report), err)
		}
		// One try fails after its effect: the SDK's retry is the same put.
		time.Sleep(25 * time.Minute)
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "PutSecretValue", Status: 500, AfterEffect: true, Times: 1})
		if report, err = w.run(t.Context(), k, Event{}); err != nil || outcomes(report) != "minted" {
			t.Fatalf("%s, %v", outcomes(report), err)
		}
	})
}

func TestTwoMintersAtOnceWriteOnce(t *testing.T) {
	t.Parallel()
	rounds := 1000
	if testing.Short() {
		rounds = 50
	}
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		a, b := w.keeper(), w.keeper()
		for round := range rounds {
			w.cloud.ResetCalls()
			var wg sync.WaitGroup
			reports := make([]*Report, 2)
			for i, k := range []*Keeper{a, b} {
				wg.Go(func() {
					var err error
					if reports[i], err = w.run(t.Context(), k, Event{}); err != nil {
						t.Errorf("round %d: %v", round, err)
					}
				})
			}
			wg.Wait()
			minted := 0
			for _, r := range reports {
				minted += r.Summary.Minted
			}
			if minted != 1 {
				t.Fatalf("round %d: %d minted: %s, %s", round, minted, outcomes(reports[0]), outcomes(reports[1]))
			}
			time.Sleep(25 * time.Minute)
		}
		if n := len(w.versions("s0")); n > 150 {
			t.Errorf("%d versions are left", n)
		}
	})
}

func (w *testWorld) versions(name string) []string {
	out, err := w.admin().ListSecretVersionIds(context.Background(), &secretsmanager.ListSecretVersionIdsInput{SecretId: &name, IncludeDeprecated: aws.Bool(true)})
	if err != nil {
		w.t.Fatal(err)
	}
	var ids []string
	for _, v := range out.Versions {
		ids = append(ids, *v.VersionId)
	}
	return ids
}

func TestLinesOfTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		if _, err := w.run(t.Context(), w.keeper(), Event{}); err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for line := range strings.Lines(w.output.String()) {
			var fields map[string]any
			if json.Unmarshal([]byte(line), &fields) != nil {
				continue
			}
			switch {
			case fields["_aws"] != nil:
				kinds = append(kinds, "metrics")
				if fields["function"] != "minter" || fields["target"] != "t0" || fields["SecondsRemaining"].(float64) < 3590 ||
					fields["Minted"] != 1.0 || fields["Failed"] != 0.0 || fields["MintLatency"] == nil {
					t.Errorf("metrics line %s", line)
				}
			case fields["msg"] != nil:
				kinds = append(kinds, fields["msg"].(string))
			}
		}
		if got := strings.Join(kinds, " "); got != "target metrics invocation" {
			t.Errorf("lines: %s", got)
		}
	})
}
