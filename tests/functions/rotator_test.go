package functions_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/uuid"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	rotationFunction = "arn:aws:lambda:eu-west-1:123456789012:function:wifmint-rotator"
	reportsAccount   = "reports@p-roject.iam.gserviceaccount.com"
	callerAccount    = "caller@p-roject.iam.gserviceaccount.com"
	reportsTarget    = `{"name": "reports", "secret": "wifmint/reports", "service_account": "` + reportsAccount + `", "scopes": ["https://www.googleapis.com/auth/bigquery"]}`
	apiTarget        = `{"name": "api", "secret": "wifmint/api", "service_account": "` + callerAccount + `", "id_token_audience": "https://api.example.run.app"}`
	federatedTarget  = `{"name": "federated", "secret": "wifmint/federated"}`
)

// newRotatorWorld makes a world whose role may impersonate the targets' accounts.
func newRotatorWorld(t *testing.T, targets ...string) *world {
	t.Helper()
	w := newWorld(t, "["+strings.Join(targets, ", ")+"]")
	for _, email := range []string{reportsAccount, callerAccount} {
		w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: email, Callers: []string{
			"principalSet://iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/aws/attribute.aws_role/arn:aws:sts::123456789012:assumed-role/wifmint"}})
	}
	return w
}

// startRotation has Secrets Manager begin a rotation, whose steps the test takes
// itself, to a version.
func (w *world) startRotation(version string) error {
	w.cloud.SetRotationFunction(rotationFunction, func(context.Context, fakecloud.RotationEvent) error {
		return errors.New("the test takes the steps itself")
	})
	_, err := w.admin().RotateSecret(context.Background(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String("wifmint/reports"), ClientRequestToken: &version, RotationLambdaARN: aws.String(rotationFunction),
	})
	return err
}

func (w *world) mustStartRotation() (version string) {
	w.t.Helper()
	version = uuid.NewString()
	if err := w.startRotation(version); err != nil {
		w.t.Fatal(err)
	}
	return version
}

// rotate invokes a step as Secrets Manager does.
func (w *world) rotate(e *lambdaapi.Environment, step, version string) *lambdaapi.FunctionError {
	w.t.Helper()
	secret, _ := w.cloud.Secret("wifmint/reports")
	event, err := json.Marshal(map[string]string{
		"Step": step, "SecretId": secret.ARN, "ClientRequestToken": version, "RotationToken": "planted-rotation-token",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	result, err := e.Invoke(w.t.Context(), event)
	if err != nil {
		w.t.Fatal(err)
	}
	w.collect(string(result.Payload))
	if result.Error == nil && string(result.Payload) != "null" {
		w.t.Errorf("%s answered %s, want null", step, result.Payload)
	}
	return result.Error
}

// rotateThrough takes all steps, and stops where one fails as Secrets Manager does.
func (w *world) rotateThrough(e *lambdaapi.Environment, version string) *lambdaapi.FunctionError {
	w.t.Helper()
	for _, step := range keeper.RotationSteps {
		if failed := w.rotate(e, step, version); failed != nil {
			return failed
		}
	}
	return nil
}

// current is the version that consumers of wifmint/reports read.
func (w *world) current() fakecloud.SecretVersion {
	secret, _ := w.cloud.Secret("wifmint/reports")
	version, _ := secret.Labelled("AWSCURRENT")
	return version
}

// alwaysGood has every call, from now on, look whether consumers have a valid token.
func (w *world) alwaysGood() {
	w.cloud.OnCall(func(c fakecloud.Call) {
		token, err := tokenstore.Parse([]byte(w.current().Value))
		if err != nil || !token.Expiry.After(time.Now()) {
			w.t.Errorf("at %s of %s the current token is %v, %v", c.Operation, c.Resource, token, err)
		}
	})
}

func TestTheRotatorTakesTheEventsOfEvents(t *testing.T) {
	t.Parallel()
	w := newRotatorWorld(t, reportsTarget, apiTarget)
	rotator := w.start("rotator")
	report, failed := w.invoke(rotator, readEvent(t, "rotator-schedule.json"))
	if failed != nil || report.Function != "rotator" || report.Summary != (keeper.Summary{Targets: 2, Minted: 2}) {
		t.Fatalf("%+v, %v", report, failed)
	}
	if token := w.stored("wifmint/reports"); token.Kind != tokenstore.AccessToken || token.Principal != reportsAccount {
		t.Errorf("stored %v", token)
	}
	if token := w.stored("wifmint/api"); token.Kind != tokenstore.IDToken || token.Audience != "https://api.example.run.app" {
		t.Errorf("stored %v", token)
	}

	var version string
	for i, name := range []string{"create", "set", "test", "finish"} {
		text := readEvent(t, "rotation-"+name+".json")
		event, err := keeper.ParseEvent([]byte(text))
		if err != nil || event.Rotation.Step != keeper.RotationSteps[i] {
			t.Fatalf("%+v, %v", event.Rotation, err)
		}
		if version == "" {
			version = event.Rotation.ClientRequestToken
			if err := w.startRotation(version); err != nil {
				t.Fatal(err)
			}
		}
		result, err := rotator.Invoke(t.Context(), []byte(text))
		if err != nil || result.Error != nil || string(result.Payload) != "null" {
			t.Fatalf("%s: %s, %v, %v", name, result.Payload, result.Error, err)
		}
	}
	if w.current().ID != version {
		t.Error("the rotation's version is not the current one")
	}
	if n := w.cloud.TokensInURLs(); n != 0 {
		t.Errorf("%d tokens in URLs", n)
	}
}

func readEvent(t *testing.T, name string) string {
	t.Helper()
	event, err := os.ReadFile(root + "/events/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(event)
}

func TestTheRotatorUsesTheMintersTokenAndEndsAtItsOwnTargets(t *testing.T) {
	t.Parallel()
	w := newRotatorWorld(t, federatedTarget, reportsTarget, apiTarget)
	minter, rotator := w.start("minter"), w.start("rotator")
	if _, failed := w.invoke(minter, "{}"); failed != nil {
		t.Fatal(failed)
	}
	w.cloud.ResetCalls()
	report, failed := w.invoke(rotator, "{}")
	if failed != nil || outcomes(report) != "minted minted" {
		t.Fatalf("%+v, %v", report, failed)
	}
	if n := w.cloud.Count("google-sts", ""); n != 0 {
		t.Errorf("%d exchanges beside the minter's", n)
	}
	federated, _ := w.cloud.Secret("wifmint/federated")
	for event, want := range map[string]string{
		`{"targets": ["federated"]}`: "not the rotator's",
		`{"Step": "createSecret", "SecretId": "` + federated.ARN + `", "ClientRequestToken": "t", "RotationToken": "planted-rotation-token"}`: "not the rotator's",
		`{"Step": "createSecret", "SecretId": "wifmint/nobodys", "ClientRequestToken": "t", "RotationToken": "planted-rotation-token"}`:       "no target",
		`{"Step": "dropSecret", "SecretId": "wifmint/reports", "ClientRequestToken": "t", "RotationToken": "planted-rotation-token"}`:         "unknown Step",
	} {
		if _, failed := w.invoke(rotator, event); failed == nil || failed.Type != "EventError" || !strings.Contains(failed.Message, want) {
			t.Errorf("%s: got %v, want an EventError with %q", event, failed, want)
		}
	}
}

func TestAnAccountWithoutPermissionFailsAloneWithGooglesWords(t *testing.T) {
	t.Parallel()
	w := newRotatorWorld(t, reportsTarget, apiTarget)
	w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: callerAccount, Callers: []string{reportsAccount}})
	rotator := w.start("rotator")
	report, failed := w.invoke(rotator, "{}")
	if failed == nil || failed.Type != "RunError" || report.Summary != (keeper.Summary{Targets: 2, Minted: 1, Failed: 1}) {
		t.Fatalf("%+v, %v", report, failed)
	}
	if e := report.Results[0].Error; e.Leg != "impersonate" || e.Code != "PERMISSION_DENIED" || e.HTTPStatus != 403 || !strings.Contains(e.Message, callerAccount) {
		t.Errorf("failure %+v", e)
	}
}

func TestTheErrorOfAFailedStepIsTextThatNamesStepAndLeg(t *testing.T) {
	t.Parallel()
	w := newRotatorWorld(t, reportsTarget)
	rotator := w.start("rotator")
	if _, failed := w.invoke(rotator, "{}"); failed != nil {
		t.Fatal(failed)
	}
	version := w.mustStartRotation()
	mend := w.cloud.Fault(fakecloud.Fault{Service: "iamcredentials", Status: 403, Body: `{"error":{"code":403,"status":"PERMISSION_DENIED","message":"Permission denied."}}`})
	failed := w.rotate(rotator, "createSecret", version)
	if failed == nil || failed.Type != "RotationError" || strings.HasPrefix(failed.Message, "{") {
		t.Fatalf("got %v", failed)
	}
	for _, want := range []string{"createSecret failed at leg impersonate", reportsAccount, "PERMISSION_DENIED: Permission denied. (HTTP 403)"} {
		if !strings.Contains(failed.Message, want) {
			t.Errorf("the message does not have %q: %s", want, failed.Message)
		}
	}
	mend()
	if failed := w.rotateThrough(rotator, version); failed != nil {
		t.Error(failed)
	}
}

func TestTwoRotatorsAndAScheduledRunAtOnce(t *testing.T) {
	t.Parallel()
	w := newRotatorWorld(t, reportsTarget)
	environments := []*lambdaapi.Environment{w.start("rotator"), w.start("rotator"), w.start("rotator")}
	if _, failed := w.invoke(environments[0], "{}"); failed != nil {
		t.Fatal(failed)
	}
	w.alwaysGood()
	for round := range 10 {
		version := w.mustStartRotation()
		var wg sync.WaitGroup
		for _, rotator := range environments[:2] {
			wg.Go(func() {
				// The late one may find the rotation over, and its version replaced by the schedule's.
				if failed := w.rotateThrough(rotator, version); failed != nil &&
					!strings.Contains(failed.Message, "its rotation is over") && !strings.Contains(failed.Message, "instead of AWSPENDING") {
					t.Errorf("round %d: %v", round, failed)
				}
			})
		}
		wg.Go(func() {
			if report, failed := w.invoke(environments[2], `{"force": true}`); failed != nil || report.Summary.Failed != 0 {
				t.Errorf("round %d: %+v, %v", round, report, failed)
			}
		})
		wg.Wait()
		secret, _ := w.cloud.Secret("wifmint/reports")
		if pending, ok := secret.Labelled("AWSPENDING"); ok && pending.ID != w.current().ID {
			t.Fatalf("round %d: the rotation is stuck", round)
		}
	}
}
