package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

func TestOneSecretThatCannotBeReadLeavesTimeForTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 5)
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "BatchGetSecretValue", Status: 400, Body: `{"__type":"AccessDeniedException"}`})
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "GetSecretValue", Resource: "s2", Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		report, err := w.run(ctx, w.keeper(), Event{})
		if err == nil || outcomes(report) != "minted minted failed minted minted" {
			t.Fatalf("%s, %v", outcomes(report), err)
		}
	})
}

func TestWhatThereWasNoTimeToReadIsDeferred(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 60)
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "BatchGetSecretValue", Status: 400, Body: `{"__type":"AccessDeniedException"}`})
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "GetSecretValue", Latency: 600 * time.Millisecond})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		report, _ := w.run(ctx, w.keeper(), Event{})
		if s := report.Summary; s.Minted < 16 || s.Deferred < 10 {
			t.Errorf("summary %+v", s)
		}
	})
}

func TestThrottledWritesArePutAgainWithTheSameToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		// More than the SDK's own three tries.
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "PutSecretValue", Status: 400, Body: `{"__type":"ThrottlingException","message":"Rate exceeded"}`, Times: 5})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		report, err := w.run(ctx, w.keeper(), Event{})
		if err != nil || outcomes(report) != "minted" {
			t.Fatalf("%s, %v", outcomes(report), err)
		}
		if n := w.cloud.Count("google-sts", ""); n != 1 {
			t.Errorf("%d exchanges", n)
		}
	})
}

func TestWritesKeepToTheQuotaAndShardsShareIt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		shard string
		least time.Duration // 100 writes at 50 a second
	}{{"", 1980 * time.Millisecond}, {"0/4", 7900 * time.Millisecond}} {
		t.Run("shard "+tc.shard, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := 100
				event := Event{}
				if tc.shard != "" {
					n, event.Shard = 400, Shard{0, 4}
				}
				w := newTestWorld(t, n)
				began := time.Now()
				report, err := w.run(t.Context(), w.keeper(), event)
				if err != nil || report.Summary.Minted != 100 {
					t.Fatalf("%+v, %v", report.Summary, err)
				}
				if took := time.Since(began); took < tc.least || took > tc.least*5/4 {
					t.Errorf("100 writes took %v, want %v and little more", took, tc.least)
				}
			})
		})
	}
}

func TestAnErrorDocumentIsBounded(t *testing.T) {
	t.Parallel()
	var results []Result
	for i := range 5000 {
		results = append(results, Result{Target: fmt.Sprintf("t%d", i), Secret: "s", Outcome: Failed,
			Error: &Failure{Leg: "sts", Code: "invalid_grant", Message: strings.Repeat("<&>", 100)}})
	}
	message := (&RunError{newReport("minter", results)}).Error()
	quoted, err := json.Marshal(map[string]string{"errorMessage": message})
	if err != nil {
		t.Fatal(err)
	}
	var read Report
	if err := json.Unmarshal([]byte(message), &read); err != nil {
		t.Fatal(err)
	}
	if len(message) > 110<<10 || read.Summary.Failed != 5000 || len(read.Results) < 100 {
		t.Errorf("%d bytes (%d quoted), %d of %d results", len(message), len(quoted), len(read.Results), read.Summary.Failed)
	}
}

// decodeMetrics returns the metric lines of an output.
func decodeMetrics(t *testing.T, output string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(output) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["_aws"] != nil {
			all = append(all, fields)
		}
	}
	return all
}

func TestAMetricLineIsWhatCloudWatchReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Latency: 250 * time.Millisecond})
		w.wantRun(w.keeper(), Event{}, "minted")
		metric := func(name, unit string) map[string]any { return map[string]any{"Name": name, "Unit": unit} }
		want := []map[string]any{{
			"_aws": map[string]any{
				"Timestamp": float64(time.Now().UnixMilli()),
				"CloudWatchMetrics": []any{map[string]any{
					"Namespace":  "wifmint",
					"Dimensions": []any{[]any{"function", "target"}},
					"Metrics": []any{
						metric("Minted", "Count"), metric("Failed", "Count"), metric("SecondsRemaining", "Seconds"), metric("MintLatency", "Milliseconds"),
					},
				}, map[string]any{
					"Namespace":  "wifmint",
					"Dimensions": []any{[]any{"function"}},
					"Metrics":    []any{metric("SecondsRemaining", "Seconds")},
				}},
			},
			"function": "minter", "target": "t0", "Minted": 1.0, "Failed": 0.0, "SecondsRemaining": 3599.0, "MintLatency": 250.0,
		}}
		if diff := cmp.Diff(want, decodeMetrics(t, w.output.String())); diff != "" {
			t.Errorf("metrics (-want +got):\n%s", diff)
		}
	})
}

func TestSecondsRemainingIsSilentWhenUnknownAndZeroWhenAnotherTokenIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorld(t, 1)
		w.wantRun(w.keeper(), Event{}, "minted")
		seconds := func(fault fakecloud.Fault) any {
			t.Helper()
			before := len(decodeMetrics(t, w.output.String()))
			defer w.cloud.Fault(fault)()
			if _, err := w.run(t.Context(), w.keeper(), Event{}); err == nil {
				t.Fatal("no failure")
			}
			return decodeMetrics(t, w.output.String())[before]["SecondsRemaining"]
		}
		if got := seconds(fakecloud.Fault{Service: "secretsmanager", Status: 400, Body: `{"__type":"AccessDeniedException"}`}); got != nil {
			t.Errorf("the secret could not be read: SecondsRemaining is %v", got)
		}
		w.env.Config.Targets[0].Scopes = []string{bigquery}
		if got := seconds(fakecloud.Fault{Service: "google-sts", Status: 400, Body: `{"error":"invalid_scope"}`}); got != 0.0 {
			t.Errorf("the secret holds a token with other scopes: SecondsRemaining is %v", got)
		}
	})
}

func TestEachFailureHasItsLeg(t *testing.T) {
	t.Parallel()
	noKeys := &supplier.Error{Source: "environment", Reason: "no keys"}
	for _, tc := range []struct {
		name string
		err  error
		want Failure
	}{
		{"a call to the store that lacked keys", &tokenstore.Error{Op: "GetSecretValue", Code: "NotSent", Err: noKeys}, Failure{Leg: "aws-credentials", Code: "no_credentials"}},
		{"a chain without keys", &tokenstore.Error{Op: "GetSecretValue", Code: "NotSent", Err: &supplier.ChainError{Errs: []error{noKeys}}}, Failure{Leg: "aws-credentials", Code: "no_credentials"}},
		{"minting without keys", &externalaccount.RefreshError{Leg: externalaccount.LegAWSCredentials, Err: noKeys}, Failure{Leg: "aws-credentials", Code: "no_credentials"}},
		{"the store", &tokenstore.Error{Op: "PutSecretValue", Code: "AccessDeniedException", HTTPStatus: 400}, Failure{Leg: "store", Code: "AccessDeniedException", HTTPStatus: 400}},
		{"a deadline", &tokenstore.Error{Op: "PutSecretValue", Code: "Timeout", Err: context.DeadlineExceeded, Retryable: true}, Failure{Leg: "store", Code: "timeout", Retryable: true}},
		{"a panic", errors.New("panic"), Failure{Leg: "sts"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := *failure(tc.err)
			if got.Message == "" {
				t.Error("no message")
			}
			got.Message = ""
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestWrongEnvironmentsAreRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	document := `{"credentials": {"type": "external_account", "audience": "` + testAudience + `",
		"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
		"credential_source": {"environment_id": "aws1", "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}},
		"targets": [{"name": "federated", "secret": "s"}]}`
	for _, tc := range []struct {
		name string
		env  map[string]string
		want string // "" for none
	}{
		{"the least", map[string]string{"WIFMINT_CONFIG": document, "AWS_REGION": "eu-west-1"}, ""},
		{"empty variables are unset", map[string]string{"WIFMINT_CONFIG": document, "AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_SECRETS_MANAGER": ""}, ""},
		{"no region", map[string]string{"WIFMINT_CONFIG": document}, "neither AWS_REGION nor AWS_DEFAULT_REGION is set"},
		{"a region that is a host", map[string]string{"WIFMINT_CONFIG": document, "AWS_REGION": "x@evil.example#"}, "AWS_REGION holds \"x@evil.example#\", which is no region"},
		{"an endpoint that is none", map[string]string{"WIFMINT_CONFIG": document, "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "not a url"}, "AWS_ENDPOINT_URL"},
		{"no document", map[string]string{"AWS_REGION": "eu-west-1"}, "WIFMINT_CONFIG is empty"},
		{"a document in base64", map[string]string{"WIFMINT_CONFIG": strings.Repeat("eyJjcmVkZW50aWFscyI6", 60), "AWS_REGION": "eu-west-1"}, "neither a document"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := ReadEnvironment(func(name string) string { return tc.env[name] }, slog.New(slog.DiscardHandler))
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "eyJjcm") {
				t.Errorf("the variable is shown: %v", err)
			}
		})
	}
}
