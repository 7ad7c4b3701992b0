package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/uuid"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

const rotationFunction = "arn:aws:lambda:eu-west-1:123456789012:function:rotator"

// startRotation has the fake Secrets Manager begin a rotation, whose steps the
// test takes itself, and returns the version to rotate to.
func (w *testWorld) startRotation(secretID string) string {
	w.t.Helper()
	w.cloud.SetRotationFunction(rotationFunction, func(context.Context, fakecloud.RotationEvent) error {
		return errors.New("the test takes the steps itself")
	})
	version := uuid.NewString()
	if err := w.rotateSecret(secretID, version); err != nil {
		w.t.Fatal(err)
	}
	w.cloud.ResetCalls()
	return version
}

func (w *testWorld) rotateSecret(secretID, version string) error {
	_, err := w.admin().RotateSecret(context.Background(), &secretsmanager.RotateSecretInput{
		SecretId: &secretID, ClientRequestToken: &version, RotationLambdaARN: aws.String(rotationFunction),
	})
	return err
}

// rotate takes one step; the error is searched for secrets like all output.
func (w *testWorld) rotate(k *Keeper, step, secretID, version string) error {
	event := fmt.Sprintf(`{"Step": %q, "SecretId": %q, "ClientRequestToken": %q, "RotationToken": "planted-rotation-token"}`, step, secretID, version)
	e, err := ParseEvent([]byte(event))
	if err != nil {
		w.t.Fatal(err)
	}
	err = k.Rotate(w.t.Context(), *e.Rotation)
	fmt.Fprintf(&w.output, "%v\n%+v\n%#v\n", err, err, err)
	return err
}

// rotateThrough takes all steps, and stops where one fails as Secrets Manager does.
func (w *testWorld) rotateThrough(k *Keeper, secretID, version string) error {
	for _, step := range RotationSteps {
		if err := w.rotate(k, step, secretID, version); err != nil {
			return err
		}
	}
	return nil
}

// rotateUntilFinish takes all steps but finishSecret.
func (w *testWorld) rotateUntilFinish(k *Keeper, secretID, version string) {
	w.t.Helper()
	for _, step := range RotationSteps[:3] {
		if err := w.rotate(k, step, secretID, version); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *testWorld) labels(secretID, version string) string {
	s, _ := w.cloud.Secret(secretID)
	for _, v := range s.Versions {
		if v.ID == version {
			return strings.Join(v.Labels, " ")
		}
	}
	return ""
}

// wantStepFailed checks the error of a step.
func wantStepFailed(t *testing.T, err error, leg, code, message string) {
	t.Helper()
	failed, ok := errors.AsType[*RotationError](err)
	if !ok {
		t.Fatalf("got %T %v, want a *RotationError", err, err)
	}
	if f := failed.Failure; f.Leg != leg || f.Code != code || !strings.Contains(f.Message, message) {
		t.Errorf("got %+v, want leg %s, code %s and %q", f, leg, code, message)
	}
	if !strings.Contains(err.Error(), failed.Step+" failed at leg "+leg) {
		t.Errorf("the error does not name step and leg: %v", err)
	}
}

func TestARotationTakesFourSteps(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]Target{"of an access token": accessTarget("reports"), "of an ID token": idTarget("api")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newRotatorWorld(t, target)
				k := w.rotator()
				w.wantRun(k, Event{}, "minted")
				before := w.stored(target.Secret)
				time.Sleep(time.Minute)
				version := w.startRotation(target.Secret)
				secret, _ := w.cloud.Secret(target.Secret)

				impersonated := "generateAccessToken"
				if target.IDTokenAudience != "" {
					impersonated = "generateIdToken"
				}
				calls := map[string]string{
					"createSecret": "DescribeSecret GetSecretValue GetSecretValue token " + impersonated + " PutSecretValue",
					"setSecret":    "DescribeSecret",
					"testSecret":   "DescribeSecret GetSecretValue tokeninfo",
					"finishSecret": "DescribeSecret GetSecretValue GetSecretValue UpdateSecretVersionStage",
				}
				again := map[string]string{
					"createSecret": "DescribeSecret GetSecretValue",
					"setSecret":    "DescribeSecret",
					"testSecret":   calls["testSecret"],
					"finishSecret": "DescribeSecret",
				}
				for _, step := range RotationSteps {
					if err := w.rotate(k, step, secret.ARN, version); err != nil {
						t.Fatal(err)
					}
					w.wantCalls(calls[step])
					if err := w.rotate(k, step, secret.ARN, version); err != nil {
						t.Fatalf("a second time: %v", err)
					}
					w.wantCalls(again[step])
					if step != "finishSecret" && !w.stored(target.Secret).Value.Equal(before.Value) {
						t.Fatalf("%s moved AWSCURRENT", step)
					}
					w.cloud.ResetCalls()
				}
				// AWSPENDING is Secrets Manager's own to take away.
				if got := w.labels(target.Secret, version); got != "AWSCURRENT AWSPENDING" {
					t.Errorf("the version is %s", got)
				}
				after := w.stored(target.Secret)
				if !after.Expiry.After(before.Expiry) || !after.SameIdentity(before) {
					t.Errorf("before %v, after %v", before, after)
				}
				for _, step := range RotationSteps { // the whole rotation is repeated
					w.cloud.ResetCalls()
					if err := w.rotate(k, step, secret.ARN, version); err != nil {
						t.Fatal(err)
					}
					w.wantCalls("DescribeSecret")
				}
				if w.cloud.TokensInURLs() != 0 {
					t.Error("a token was in a URL")
				}
			})
		})
	}
}

func TestEveryStepBeginsWithTheChecksOfTheTemplate(t *testing.T) {
	t.Parallel()
	unknown := uuid.NewString()
	for name, tc := range map[string]struct {
		prepare func(*testWorld, *string)
		code    string
		message string
	}{
		"rotation is not enabled": {func(w *testWorld, _ *string) {
			_, err := w.admin().CancelRotateSecret(context.Background(), &secretsmanager.CancelRotateSecretInput{SecretId: aws.String("wifmint/reports")})
			if err != nil {
				w.t.Fatal(err)
			}
		}, "rotation_disabled", "not enabled"},
		"the version is unknown": {func(_ *testWorld, version *string) { *version = unknown }, "unknown_version", "no staging label"},
		"the version is not pending": {func(w *testWorld, version *string) {
			secret, _ := w.cloud.Secret("wifmint/reports")
			previous, _ := secret.Labelled("AWSPREVIOUS")
			*version = previous.ID
		}, "not_pending", "is AWSPREVIOUS instead of AWSPENDING"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newRotatorWorld(t, accessTarget("reports"))
				k := w.rotator()
				for range 2 {
					w.wantRun(k, Event{Force: true}, "minted")
					time.Sleep(time.Minute)
				}
				version := w.startRotation("wifmint/reports")
				tc.prepare(w, &version)
				for _, step := range RotationSteps {
					w.cloud.ResetCalls()
					wantStepFailed(t, w.rotate(k, step, "wifmint/reports", version), "store", tc.code, tc.message)
					if step == "finishSecret" && tc.code == unknownVersion { // which may have been finished before
						w.wantCalls("DescribeSecret GetSecretValue GetSecretValue")
						continue
					}
					w.wantCalls("DescribeSecret")
				}
			})
		})
	}
}

func TestASecretIsFoundByNameAndByARN(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
	for _, tc := range []struct {
		target, event string
		same          bool
	}{
		{"wifmint/a", arn + "wifmint/a-AbCdEf", true},
		{"wifmint/a", arn + "wifmint/a", true},
		{"wifmint/a", "wifmint/a", true},
		{arn + "wifmint/a-AbCdEf", arn + "wifmint/a-AbCdEf", true},
		{arn + "wifmint/a", arn + "wifmint/a-AbCdEf", true},
		{arn + "wifmint/a-AbCdEf", "wifmint/a", true},
		{arn + "wifmint/db-secret", arn + "wifmint/db-secret-AbCdEf", true},
		{"wifmint/a", "wifmint/a-AbCdEf", false},
		{"wifmint/a", "wifmint/b", false},
		{"wifmint/a", arn + "wifmint/ab-AbCdEf", false},
		{"wifmint/db", arn + "wifmint/db-secret-AbCdEf", false},
		{"wifmint/a", arn + "other/wifmint/a-AbCdEf", false},
		{arn + "wifmint/a-AbCdEf", arn + "wifmint/a-GhIjKl", false},
		{arn + "wifmint/a", strings.Replace(arn, "eu-west-1", "us-east-1", 1) + "wifmint/a-AbCdEf", false},
	} {
		if got := sameSecret(tc.target, tc.event); got != tc.same {
			t.Errorf("target %s, event %s: %v, want %v", tc.target, tc.event, got, tc.same)
		}
	}
}

func TestASecretOfNoTargetIsRefusedWithoutACall(t *testing.T) {
	t.Parallel()
	w := newRotatorWorld(t, accessTarget("reports"))
	err := w.rotate(w.rotator(), "createSecret", "wifmint/nobodys", uuid.NewString())
	if !errors.As(err, new(*EventError)) || !strings.Contains(err.Error(), "no target") {
		t.Errorf("got %v", err)
	}
	if n := w.cloud.Count("", ""); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestAnEmptySecretGetsItsFirstTokenByRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, accessTarget("reports"))
		version := w.startRotation("wifmint/reports")
		if err := w.rotateThrough(w.rotator(), "wifmint/reports", version); err != nil {
			t.Fatal(err)
		}
		if w.stored("wifmint/reports").Target != "reports" || w.labels("wifmint/reports", version) != "AWSCURRENT AWSPENDING" {
			t.Errorf("the version is %s", w.labels("wifmint/reports", version))
		}
	})
}

func TestTheConfigurationOfAnEmptySecretPassesTestSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, accessTarget("reports"))
		k := w.rotator()
		var answers []error
		w.cloud.SetRotationFunction(rotationFunction, func(_ context.Context, e fakecloud.RotationEvent) error {
			answers = append(answers, w.rotate(k, e.Step, e.SecretId, e.ClientRequestToken))
			return answers[len(answers)-1]
		})
		_, err := w.admin().RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
			SecretId: aws.String("wifmint/reports"), ClientRequestToken: aws.String(uuid.NewString()),
			RotationLambdaARN: aws.String(rotationFunction), RotateImmediately: aws.Bool(false),
		})
		if err != nil || len(answers) != 1 || answers[0] != nil {
			t.Errorf("%v, %v", answers, err)
		}
		if !strings.Contains(w.output.String(), `"level":"WARN","msg":"rotation"`) {
			t.Error("the log does not say that nothing was tested")
		}
	})
}

func TestAVersionWithoutAValueIsNeitherTestedNorFinished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, accessTarget("reports"))
		k := w.rotator()
		w.wantRun(k, Event{}, "minted")
		version := w.startRotation("wifmint/reports")
		for _, step := range []string{"testSecret", "finishSecret"} {
			wantStepFailed(t, w.rotate(k, step, "wifmint/reports", version), "store", "no_value", "createSecret comes first")
		}
		if err := w.rotateThrough(k, "wifmint/reports", version); err != nil {
			t.Errorf("afterwards the rotation goes on, and yet: %v", err)
		}
	})
}

func TestAStepThatCannotMintSaysWhoIsDenied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := accessTarget("reports")
		w := newRotatorWorld(t, target)
		w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: target.ServiceAccount, Disabled: true})
		version := w.startRotation(target.Secret)
		err := w.rotate(w.rotator(), "createSecret", target.Secret, version)
		wantStepFailed(t, err, "impersonate", "PERMISSION_DENIED", target.ServiceAccount)
		want := `rotating secret "wifmint/reports" of target "reports": createSecret failed at leg impersonate: impersonating ` + target.ServiceAccount
		if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %q, want %q", err, want)
		}
	})
}

func TestAPanicIsTheStepsFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, accessTarget("reports"))
		k := w.rotator()
		k.Minting = minting(func(context.Context, Target) (MintedToken, error) { panic("with " + plantedKey) })
		err := w.rotate(k, "createSecret", "wifmint/reports", w.startRotation("wifmint/reports"))
		wantStepFailed(t, err, "sts", "", "panic with a string")
	})
}

func TestAHangEndsAStepBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, accessTarget("reports"))
		version := w.startRotation("wifmint/reports")
		w.cloud.Fault(fakecloud.Fault{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		err := w.rotator().Rotate(ctx, Rotation{Step: "createSecret", SecretID: "wifmint/reports", ClientRequestToken: version})
		if ctx.Err() != nil {
			t.Fatal("the step outlived its deadline")
		}
		wantStepFailed(t, err, "store", "timeout", "no answer in time")
	})
}

func TestARotationLogsEachStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, accessTarget("reports"))
		version := w.startRotation("wifmint/reports")
		if err := w.rotateThrough(w.rotator(), "wifmint/reports", version); err != nil {
			t.Fatal(err)
		}
		token := w.stored("wifmint/reports")
		var told []string
		for line := range strings.Lines(w.output.String()) {
			var fields map[string]any
			if json.Unmarshal([]byte(line), &fields) != nil {
				continue
			}
			switch {
			case fields["_aws"] != nil:
				told = append(told, fmt.Sprint("metrics ", fields["Minted"], fields["Failed"], fields["SecondsRemaining"] != nil, fields["MintLatency"] != nil))
			case fields["msg"] == "rotation":
				told = append(told, fmt.Sprint(fields["step"], " ", fields["outcome"]))
				if fields["rotating_to"] != version || fields["target"] != "reports" || fields["secret"] != "wifmint/reports" || fields["took_ms"] == nil {
					t.Errorf("line %s", line)
				}
				if sum := fields["token_sha256"]; sum != nil && sum != token.Value.Fingerprint() {
					t.Errorf("line %s", line)
				}
			}
		}
		want := "metrics 1 0 false true; createSecret minted; setSecret done; testSecret done; metrics 0 0 true false; finishSecret done"
		if got := strings.Join(told, "; "); got != want {
			t.Errorf("lines: %s\nwant:  %s", got, want)
		}
	})
}
