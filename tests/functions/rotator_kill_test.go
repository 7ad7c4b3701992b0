package functions_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// changeExpiry stores the current token once more, with another expiry.
func (w *world) changeExpiry(by time.Duration) {
	w.t.Helper()
	token := w.stored("wifmint/reports")
	token.Expiry = token.Expiry.Add(by)
	value, err := token.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	w.cloud.PutSecret("wifmint/reports", string(value))
}

// calls counts what a step calls when nobody kills it.
func (w *world) calls(rotator *lambdaapi.Environment, step, version string) int {
	w.t.Helper()
	w.cloud.ResetCalls()
	if failed := w.rotate(rotator, step, version); failed != nil {
		w.t.Fatal(failed)
	}
	return w.cloud.Count("", "")
}

// killAt kills the function in its call number at, counted from 0: before the
// call has an effect, or after, when the function does not yet know of it.
func (w *world) killAt(rotator *lambdaapi.Environment, at int, after bool) {
	w.cloud.OnCall(func(c fakecloud.Call) {
		if c.Err == "fault: hang" {
			rotator.Kill()
		}
	})
	w.cloud.Fault(fakecloud.Fault{Skip: at, Times: 1, Hang: true, AfterEffect: after})
}

func TestARotationSurvivesAKillBeforeAndAfterEachCallOfEachStep(t *testing.T) {
	t.Parallel()
	measured := newRotatorWorld(t, federatedTarget, reportsTarget)
	rotator := measured.start("rotator")
	if _, failed := measured.invoke(rotator, "{}"); failed != nil {
		t.Fatal(failed)
	}
	version := measured.mustStartRotation()
	for i, step := range keeper.RotationSteps {
		for at := range measured.calls(rotator, step, version) {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, call %d, after its effect: %v", step, at, after), func(t *testing.T) {
					t.Parallel()
					survive(t, keeper.RotationSteps[:i], step, at, after)
				})
			}
		}
	}
}

// survive kills a step, and then repeats the rotation as Secrets Manager does.
func survive(t *testing.T, before []string, step string, at int, after bool) {
	w := newRotatorWorld(t, federatedTarget, reportsTarget)
	rotator := w.start("rotator")
	if _, failed := w.invoke(rotator, "{}"); failed != nil {
		t.Fatal(failed)
	}
	w.alwaysGood()
	version := w.mustStartRotation()
	for _, earlier := range before {
		if failed := w.rotate(rotator, earlier, version); failed != nil {
			t.Fatal(failed)
		}
	}
	w.killAt(rotator, at, after)
	if failed := w.rotate(rotator, step, version); failed == nil || failed.Type != "Runtime.ExitError" || !strings.Contains(failed.Message, "killed") {
		t.Fatalf("the function was not killed: %v", failed)
	}
	if failed := w.rotateThrough(rotator, version); failed != nil {
		t.Fatal(failed)
	}
	if w.current().ID != version {
		t.Errorf("the current version is %s, not %s", w.current().ID, version)
	}
	if failed := w.rotateThrough(rotator, w.mustStartRotation()); failed != nil {
		t.Errorf("the next rotation: %v", failed)
	}
}

func TestAFinishThatHasToStepBackSurvivesAKillToo(t *testing.T) {
	t.Parallel()
	for at := range 4 {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("call %d, after its effect: %v", at, after), func(t *testing.T) {
				t.Parallel()
				w := newRotatorWorld(t, reportsTarget)
				rotator := w.start("rotator")
				if _, failed := w.invoke(rotator, "{}"); failed != nil {
					t.Fatal(failed)
				}
				w.alwaysGood()
				version := w.mustStartRotation()
				for _, step := range keeper.RotationSteps[:3] {
					if failed := w.rotate(rotator, step, version); failed != nil {
						t.Fatal(failed)
					}
				}
				w.changeExpiry(time.Hour)
				current := w.current().ID

				w.killAt(rotator, at, after)
				if failed := w.rotate(rotator, "finishSecret", version); failed == nil || failed.Type != "Runtime.ExitError" {
					t.Fatalf("the function was not killed: %v", failed)
				}
				// Killed after it had ended the rotation, it finds none to go on with.
				failed := w.rotateThrough(rotator, version)
				if over := at == 3 && after; over != (failed != nil) || over && !strings.Contains(failed.Message, "its rotation is over") {
					t.Errorf("again: %v", failed)
				}
				if w.current().ID != current {
					t.Error("the better token is not the current one any more")
				}
				if err := w.startRotation(uuid.NewString()); err != nil {
					t.Errorf("the next rotation cannot begin: %v", err)
				}
			})
		}
	}
}

func TestAScheduledRunSurvivesAKillBeforeAndAfterEachCall(t *testing.T) {
	t.Parallel()
	refresh := func(w *world) *lambdaapi.Environment {
		rotator := w.start("rotator")
		if _, failed := w.invoke(rotator, "{}"); failed != nil {
			w.t.Fatal(failed)
		}
		w.changeExpiry(-30 * time.Minute) // else a new token would be no better, and not be put
		w.cloud.ResetCalls()
		return rotator
	}
	measured := newRotatorWorld(t, reportsTarget)
	if _, failed := measured.invoke(refresh(measured), `{"force": true}`); failed != nil {
		t.Fatal(failed)
	}
	for at := range measured.cloud.Count("", "") {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("call %d, after its effect: %v", at, after), func(t *testing.T) {
				t.Parallel()
				w := newRotatorWorld(t, reportsTarget)
				rotator := refresh(w)
				w.alwaysGood()
				w.killAt(rotator, at, after)
				if _, failed := w.invoke(rotator, `{"force": true}`); failed == nil || failed.Type != "Runtime.ExitError" {
					t.Fatalf("the function was not killed: %v", failed)
				}
				if report, failed := w.invoke(rotator, `{"force": true}`); failed != nil || report.Summary.Failed != 0 {
					t.Errorf("again: %+v, %v", report, failed)
				}
			})
		}
	}
}
