package keeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

const nobody = "nobody@p-roject.iam.gserviceaccount.com"

// refusing is IAM's PERMISSION_DENIED for another reason than the canary's.
func refusing(message string) *fakecloud.Fault {
	body, err := json.Marshal(map[string]any{"error": map[string]any{"code": 403, "status": "PERMISSION_DENIED", "message": message}})
	if err != nil {
		panic(err) // unreachable: strings and an integer
	}
	return &fakecloud.Fault{Service: "iamcredentials", Status: 403, Body: string(body)}
}

func TestACanaryIsRefusedOrTheInvocationFails(t *testing.T) {
	t.Parallel()
	someoneElse := &fakecloud.ServiceAccount{Email: nobody, Callers: []string{"someone@p-roject.iam.gserviceaccount.com"}}
	for _, tc := range []struct {
		name      string
		account   *fakecloud.ServiceAccount // nil: there is none
		fault     *fakecloud.Fault
		want      string // of the error; "" is none
		metric    string
		isGranted bool
	}{
		{"an account that grants nothing", someoneElse, nil, "", `"CanaryRefused":1}`, false},
		{"an account that everyone may impersonate", &fakecloud.ServiceAccount{Email: nobody}, nil, "which must be refused", `"CanaryRefused":0}`, true},
		{"an account that does not exist", nil, nil, "not known: impersonate:", "", false},
		{"an exchange that is refused", someoneElse, &fakecloud.Fault{Service: "google-sts", Status: 403}, "not known: sts:", "", false},
		{"a proxy that refuses in IAM's place", someoneElse, &fakecloud.Fault{Service: "iamcredentials", Status: 403}, "not known: impersonate:", "", false},
		{"an API that is not enabled", someoneElse, refusing("IAM Service Account Credentials API has not been used in project 123 before or it is disabled."), "not known: impersonate:", "", false},
		{"a perimeter around the project", someoneElse, refusing("Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: x"), "not known: impersonate:", "", false},
		{"another permission that is denied", someoneElse, refusing("Permission 'serviceusage.services.use' denied on resource (or it may not exist)."), "not known: impersonate:", "", false},
		{"an API that is down", someoneElse, &fakecloud.Fault{Service: "iamcredentials", Status: 503}, "not known: impersonate:", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newRotatorWorld(t, accessTarget("reports"))
				if tc.account != nil {
					w.cloud.AddServiceAccount(*tc.account)
				}
				if tc.fault != nil {
					w.cloud.Fault(*tc.fault)
				}
				report, err := w.rotator().TryCanary(t.Context(), Canary{nobody})
				var failed *CanaryError
				switch {
				case tc.want == "" && (err != nil || *report != CanaryReport{"rotator", CanaryResult{nobody, true}}):
					t.Errorf("got %+v, %v", report, err)
				case tc.want != "" && (!errors.As(err, &failed) || !strings.Contains(err.Error(), tc.want) || report != nil):
					t.Errorf("got %+v, %v, want an error with %q", report, err, tc.want)
				case failed != nil && (failed.Failure == nil) != tc.isGranted:
					t.Errorf("the token was granted: %v, want %v", failed.Failure == nil, tc.isGranted)
				}
				if tc.metric == "" && strings.Contains(w.output.String(), "CanaryRefused") || !strings.Contains(w.output.String(), tc.metric) {
					t.Errorf("the metric is not %q:\n%s", tc.metric, w.output.String())
				}
				fmt.Fprintf(&w.output, "%v %+v %#v", err, err, err)
				w.nothingLeaked()
				if n := w.cloud.Count("secretsmanager", "PutSecretValue"); n > 0 {
					t.Errorf("a canary wrote %d secrets", n)
				}
			})
		})
	}
}

func TestACanarysMetricHasTheDimensionsOfItsAlarm(t *testing.T) {
	t.Parallel()
	w := newRotatorWorld(t)
	w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: nobody, Callers: []string{"someone"}})
	if _, err := w.rotator().TryCanary(t.Context(), Canary{nobody}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(w.output.String()) {
		if !strings.Contains(line, "CanaryRefused") {
			continue
		}
		var got metricLine
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		want := []metricDirective{{Namespace: "wifmint", Dimensions: [][]string{{"function", "service_account"}}, Metrics: []metric{{"CanaryRefused", "Count"}}}}
		named := strings.Contains(line, `"function":"rotator","service_account":"`+nobody+`",`)
		if diff := cmp.Diff(want, got.AWS.CloudWatchMetrics); diff != "" || !named || got.AWS.Timestamp == 0 {
			t.Errorf("%s\n%s", line, diff)
		}
		return
	}
	t.Errorf("no metric:\n%s", w.output.String())
}

func TestACanaryIsAloneInItsEvent(t *testing.T) {
	t.Parallel()
	const canary = `{"service_account":"` + nobody + `"}`
	want := Event{ScheduledTime: time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC), Canary: &Canary{nobody}}
	for name, payload := range map[string]string{
		"the schedule's Input": `{"scheduled_time":"2026-01-02T03:00:00Z","canary":` + canary + `}`,
		"an envelope":          `{"source":"x","detail-type":"y","detail":{"scheduled_time":"2026-01-02T03:00:00Z","canary":` + canary + `}}`,
	} {
		if got, err := ParseEvent([]byte(payload)); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	for name, c := range map[string]struct{ payload, want string }{
		"beside targets":         {`{"canary":` + canary + `,"targets":["planted"]}`, `"targets"`},
		"beside force":           {`{"canary":` + canary + `,"force":true}`, `"force"`},
		"a text":                 {`{"canary":"planted"}`, "canary is not an object"},
		"no account":             {`{"canary":{}}`, "canary is not an object"},
		"what is no account":     {`{"canary":{"service_account":"planted@example.com"}}`, "canary is not an object"},
		"an account with more":   {`{"canary":{"service_account":"` + nobody + `","planted":1}}`, "canary is not an object"},
		"a scheduled time of 1":  {`{"canary":` + canary + `,"scheduled_time":1}`, "scheduled_time is not a string"},
		"a list of two accounts": {`{"canary":[` + canary + `]}`, "canary is not an object"},
	} {
		_, err := ParseEvent([]byte(c.payload))
		var typed *EventError
		if !errors.As(err, &typed) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: got %v, want an *EventError with %q", name, err, c.want)
		}
	}
}
