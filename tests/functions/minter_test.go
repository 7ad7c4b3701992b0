package functions_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

const (
	oneTarget = `[{"name": "federated", "secret": "wifmint/federated"}]`
	mixed     = `[{"name": "federated", "secret": "wifmint/federated"}, {"name": "second", "secret": "wifmint/second"},
		{"name": "reports", "secret": "wifmint/reports", "service_account": "reports@p-roject.iam.gserviceaccount.com", "scopes": ["https://www.googleapis.com/auth/bigquery"]}]`
)

func TestTheMinterTakesEveryEventOfEvents(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(root + "/events/minter-*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d events, %v", len(files), err)
	}
	w := newWorld(t, oneTarget)
	minter := w.start("minter")
	for i, file := range files {
		event, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		report, failed := w.invoke(minter, string(event))
		if failed != nil {
			t.Errorf("%s: %v", file, failed)
			continue
		}
		if want := (keeper.Summary{Targets: 1, Minted: 1}); i == 0 && report.Summary != want {
			t.Errorf("%s: %+v, want %+v", file, report.Summary, want)
		}
		if report.Function != "minter" || len(report.Results) != 1 || report.Results[0].Target != "federated" {
			t.Errorf("%s: %+v", file, report)
		}
	}
	if token := w.stored("wifmint/federated"); token.Principal != audience || token.Target != "federated" {
		t.Errorf("stored %v", token)
	}
}

func TestTheMinterOwnsFederatedTargetsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mixed)
	minter := w.start("minter")
	report, failed := w.invoke(minter, "{}")
	if failed != nil || report.Summary != (keeper.Summary{Targets: 2, Minted: 2}) {
		t.Fatalf("%+v, %v", report, failed)
	}
	for event, want := range map[string]string{
		`{"targets": ["reports"]}`: "not the minter's",
		`{"targets": ["nobody"]}`:  "no target",
		`{"Records": [1]}`:         `"Records"`,
		`{"Step": "createSecret", "SecretId": "s", "ClientRequestToken": "t", "RotationToken": "planted-rotation-token"}`: "rotator's",
	} {
		if _, failed := w.invoke(minter, event); failed == nil || failed.Type != "EventError" || !strings.Contains(failed.Message, want) {
			t.Errorf("%s: got %v, want an EventError with %q", event, failed, want)
		}
	}
}

func TestTheErrorOfAFailedInvocationIsTheReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneTarget)
	minter := w.start("minter")
	back := w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Status: 400, Body: `{"error":"invalid_grant","error_description":"The given credential is rejected by the attribute condition."}`})
	report, failed := w.invoke(minter, "{}")
	if failed == nil || failed.Type != "RunError" || report.Summary.Failed != 1 {
		t.Fatalf("%+v, %v", report, failed)
	}
	got := report.Results[0].Error
	if got.Leg != "sts" || got.Code != "invalid_grant" || got.HTTPStatus != 400 || got.Retryable || !strings.Contains(got.Message, "attribute condition") {
		t.Errorf("failure %+v", got)
	}
	back()
	if report, failed := w.invoke(minter, "{}"); failed != nil || outcomes(report) != "minted" {
		t.Errorf("after it: %+v, %v", report, failed)
	}
}

func TestAWrongDocumentIsAnInitErrorThatTellsEveryProblem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `[{"name": "a", "secret": "s", "refresh_at": 0.95}, {"name": "a"}]`)
	_, err := lambdaapi.Start(t.Context(), w.function("minter"))
	var failed *lambdaapi.FunctionError
	if !errors.As(err, &failed) || failed.Type != "ConfigError" {
		t.Fatalf("got %v, want a ConfigError", err)
	}
	for _, want := range []string{"targets[0].refresh_at", "targets[1].name", "targets[1].secret"} {
		if !strings.Contains(failed.Message, want) {
			t.Errorf("the message does not tell %s:\n%s", want, failed.Message)
		}
	}
}

func TestUnsafeEndpointsAreRefusedUnlessAllowedAndThenLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneTarget)
	w.start("minter").Close() // which ends with its last line of output
	if !strings.Contains(w.collected(), "WIFMINT_UNSAFE_ENDPOINTS=allow") {
		t.Error("no warning at start")
	}
	delete(w.env, "WIFMINT_UNSAFE_ENDPOINTS")
	_, err := lambdaapi.Start(t.Context(), w.function("minter"))
	var failed *lambdaapi.FunctionError
	if !errors.As(err, &failed) || !strings.Contains(failed.Message, "credentials.token_url") {
		t.Errorf("got %v, want an error about credentials.token_url", err)
	}
}

func TestTheMinterAsksNoMetadataServerAndNoOneElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneTarget)
	delete(w.env, "AWS_ACCESS_KEY_ID")
	delete(w.env, "AWS_SECRET_ACCESS_KEY")
	delete(w.env, "AWS_SESSION_TOKEN")
	minter := w.start("minter")
	began := time.Now()
	report, failed := w.invoke(minter, "{}")
	if failed == nil || report.Results[0].Error.Leg != "store" && report.Results[0].Error.Leg != "aws-credentials" {
		t.Fatalf("%+v, %v", report, failed)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to find no credentials: something was waited for", took)
	}
	if n := w.cloud.Count("", ""); n != 0 {
		t.Errorf("%d calls without credentials: %v", n, w.cloud.Calls())
	}
}

func TestAHangEndsBeforeLambdaKillsTheMinter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneTarget)
	f := w.function("minter")
	f.Timeout = 2 * time.Second
	minter, err := lambdaapi.Start(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer minter.Close()
	w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Hang: true})
	report, failed := w.invoke(minter, "{}")
	if failed == nil || failed.Type != "RunError" {
		t.Fatalf("got %v, want a report", failed)
	}
	if e := report.Results[0].Error; e.Leg != "sts" || e.Code != "timeout" || !e.Retryable {
		t.Errorf("failure %+v", e)
	}
}

func TestTwoMintersAtOnceWriteOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneTarget)
	minters := []*lambdaapi.Environment{w.start("minter"), w.start("minter")}
	// The exchanges of a round wait for each other, so that both minters have
	// read before either writes.
	meet := make(chan struct{})
	w.cloud.OnCall(func(c fakecloud.Call) {
		if c.Service == "google-sts" {
			select {
			case meet <- struct{}{}:
			case <-meet:
			case <-t.Context().Done():
			}
		}
	})
	versions := func() int {
		stored, _ := w.cloud.Secret("wifmint/federated")
		return len(stored.Versions)
	}
	for round := range 20 { // the first creates the secret
		// A round's tokens outlive those before, which else are not replaced.
		w.cloud.AddProvider(fakecloud.Provider{Audience: audience, AWSAccount: "123456789012", TokenLifetime: time.Hour + time.Duration(round)*time.Minute})
		before := versions()
		reports := make([]keeper.Report, len(minters))
		var wg sync.WaitGroup
		for i, minter := range minters {
			wg.Go(func() {
				var failed *lambdaapi.FunctionError
				if reports[i], failed = w.invoke(minter, `{"force": true}`); failed != nil {
					t.Errorf("round %d: %v", round, failed)
				}
			})
		}
		wg.Wait()
		got := []string{outcomes(reports[0]), outcomes(reports[1])}
		slices.Sort(got)
		if !slices.Equal(got, []string{"minted", "superseded"}) {
			t.Errorf("round %d: %s, want one minted and one superseded", round, got)
		}
		if n := versions() - before; n != 1 {
			t.Errorf("round %d: %d new versions, want 1", round, n)
		}
	}
}

func TestLogLinesAreJSONWithTheRequestID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneTarget)
	minter := w.start("minter")
	if _, failed := w.invoke(minter, "{}"); failed != nil {
		t.Fatal(failed)
	}
	minter.Close()
	messages := map[string]int{}
	for line := range strings.Lines(w.collected()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("not JSON: %s", line)
			continue
		}
		if m, ok := fields["message"].(string); ok && fields["level"] == "INFO" {
			messages[m]++
			if fields["requestId"] == nil || fields["timestamp"] == nil {
				t.Errorf("without a request id or a timestamp: %s", line)
			}
		}
		if fields["_aws"] != nil {
			messages["metrics"]++
		}
	}
	if messages["target"] != 1 || messages["invocation"] != 1 || messages["metrics"] != 1 {
		t.Errorf("lines %v", messages)
	}
}
