package functions_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/wifmint/wifmint/internal/doctor"
	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// diagnosis invokes a function with {"doctor": true}.
func (w *world) diagnosis(e *lambdaapi.Environment) (report doctor.Report) {
	w.t.Helper()
	result, err := e.Invoke(w.t.Context(), []byte(`{"doctor": true}`))
	if err != nil || result.Error != nil {
		w.t.Fatalf("asking the doctor: %v, %v", err, result.Error)
	}
	w.collect(string(result.Payload))
	if err := json.Unmarshal(result.Payload, &report); err != nil {
		w.t.Fatal(err)
	}
	return report
}

func TestAFunctionTellsWhatItsOwnRoleMeets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mixed)
	w.env["AWS_ENDPOINT_URL_STS"] = w.server.Endpoints().AWSSTS
	w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: "reports@p-roject.iam.gserviceaccount.com"})
	for _, function := range []string{"minter", "rotator"} {
		e := w.start(function)
		if _, failed := w.invoke(e, "{}"); failed != nil {
			t.Fatal(failed)
		}
		report := w.diagnosis(e)
		if report.Function != function || len(report.Checks) < 10 {
			t.Errorf("the %s told %+v", function, report)
		}
		for _, c := range report.Checks {
			if c.Status != doctor.OK {
				t.Errorf("%+v", c)
			}
		}
		allow := w.cloud.Deny("PutSecretValue", "")
		ill := w.diagnosis(e)
		allow()
		if !slices.ContainsFunc(ill.Checks, func(c doctor.Check) bool { return c.Status == doctor.Failed && c.Cause == "write-denied" }) {
			t.Errorf("the %s does not tell that it may not write: %+v", function, ill)
		}
	}
}
