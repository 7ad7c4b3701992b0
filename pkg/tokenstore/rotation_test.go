package tokenstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

const (
	rotationFunction = "arn:aws:lambda:eu-west-1:123456789012:function:rotator"
	rotatingTo       = "11111111-2222-4333-8444-555555555555"
)

// startRotation does what Secrets Manager does before it invokes a rotation
// function: it makes an empty version AWSPENDING.
func startRotation(t *testing.T, w *world, name, versionID string) {
	t.Helper()
	w.cloud.SetRotationFunction(rotationFunction, func(context.Context, fakecloud.RotationEvent) error {
		return errors.New("the test takes the steps itself")
	})
	if _, err := consoleUser(w.cloud).RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: &name, ClientRequestToken: &versionID, RotationLambdaARN: aws.String(rotationFunction),
	}); err != nil {
		t.Fatal(err)
	}
	w.cloud.ResetCalls()
}

func describe(t *testing.T, s *Store, name string) Description {
	t.Helper()
	d, err := s.Describe(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAPendingVersionIsFilledOnceAndMadeCurrent(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.holding(t, "s", w.minted(1))
	before := describe(t, newStore(w.cloud), "s")
	startRotation(t, w, "s", rotatingTo)
	store := newStore(w.cloud)

	d := describe(t, store, "s")
	if before.RotationEnabled || !d.RotationEnabled || !d.IsPending(rotatingTo) || d.IsCurrent(rotatingTo) {
		t.Fatalf("before %+v, after %+v", before, d)
	}
	empty, err := store.ReadVersion(t.Context(), "s", rotatingTo)
	if err != nil || empty.VersionID != "" || empty.Usable() {
		t.Fatalf("a version without a value: %+v, %v", empty, err)
	}

	w.pass(time.Minute)
	next := w.minted(2)
	put, err := store.PutPending(t.Context(), "s", rotatingTo, next)
	if err != nil || put.VersionID != rotatingTo || !equalTokens(put.Token, next) {
		t.Fatalf("%+v, %v", put, err)
	}
	again, err := store.PutPending(t.Context(), "s", rotatingTo, w.minted(3))
	if err != nil || !equalTokens(again.Token, next) {
		t.Errorf("a second value: %+v, %v, want the first one to stay", again, err)
	}
	if d := describe(t, store, "s"); d.IsCurrent(rotatingTo) || !d.IsPending(rotatingTo) {
		t.Errorf("after the put: %+v", d)
	}

	current := read(t, store, "s")
	if err := store.MakeCurrent(t.Context(), "s", current.VersionID, rotatingTo); err != nil {
		t.Fatal(err)
	}
	if !equalTokens(w.stored(t, "s"), next) {
		t.Error("the version is not the current one")
	}
}

// pendingWorld is a world where a rotation of the secret s is under way, whose
// version has its token already, and a store there.
func pendingWorld(t *testing.T) (*world, *Store) {
	t.Helper()
	w := newWorld()
	w.holding(t, "s", w.minted(1))
	startRotation(t, w, "s", rotatingTo)
	store := newStore(w.cloud)
	if _, err := store.PutPending(t.Context(), "s", rotatingTo, w.minted(2)); err != nil {
		t.Fatal(err)
	}
	return w, store
}

func TestMakeCurrentIsACompareAndSwap(t *testing.T) {
	t.Parallel()
	w, store := pendingWorld(t)
	seen := read(t, store, "s")
	scheduled := w.minted(3)
	scheduled.Expiry = scheduled.Expiry.Add(time.Minute)
	if _, err := store.Write(t.Context(), seen, scheduled, w.due); err != nil {
		t.Fatal(err)
	}

	for name, from := range map[string]string{"from a version that was current": seen.VersionID, "from none": ""} {
		err := store.MakeCurrent(t.Context(), "s", from, rotatingTo)
		e := wantError(t, err, "InvalidParameterException", false)
		if !errors.Is(err, ErrMoved) || e.Op != "UpdateSecretVersionStage" {
			t.Errorf("%s: got %#v, want ErrMoved", name, e)
		}
	}
	if !equalTokens(w.stored(t, "s"), scheduled) {
		t.Error("the token that came meanwhile is not the current one any more")
	}
}

func TestTheFirstVersionOfAnEmptySecretBecomesCurrentFromNone(t *testing.T) {
	t.Parallel()
	w := newWorld()
	createEmpty(t, w, "s")
	startRotation(t, w, "s", rotatingTo)
	store := newStore(w.cloud)
	next := w.minted(1)
	if _, err := store.PutPending(t.Context(), "s", rotatingTo, next); err != nil {
		t.Fatal(err)
	}
	if err := store.MakeCurrent(t.Context(), "s", "", rotatingTo); err != nil {
		t.Fatal(err)
	}
	if !equalTokens(w.stored(t, "s"), next) {
		t.Error("the version is not the current one")
	}
}

func TestRemovePendingLeavesTheLabelOfAnotherVersionAlone(t *testing.T) {
	t.Parallel()
	const later = "99999999-2222-4333-8444-555555555555"
	w := newWorld()
	w.holding(t, "s", w.minted(1))
	startRotation(t, w, "s", rotatingTo)
	store := newStore(w.cloud)
	for range 2 { // the second time it is gone already
		if err := store.RemovePending(t.Context(), "s", rotatingTo); err != nil {
			t.Fatal(err)
		}
	}
	startRotation(t, w, "s", later)
	if err := store.RemovePending(t.Context(), "s", rotatingTo); err != nil {
		t.Fatal(err)
	}
	if d := describe(t, store, "s"); !d.IsPending(later) {
		t.Errorf("the later rotation's version lost its label: %+v", d)
	}
}

func TestLabelsMovedByACallWhoseAnswerWasLostAreWhereTheyShouldBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store := pendingWorld(t)
		lost := fakecloud.Fault{Operation: "UpdateSecretVersionStage", Times: 1, Status: 500, AfterEffect: true}

		w.cloud.Fault(lost)
		current := read(t, store, "s")
		// The SDK tries again, and finds AWSCURRENT gone from where it was: by itself.
		if err := store.MakeCurrent(t.Context(), "s", current.VersionID, rotatingTo); !errors.Is(err, ErrMoved) {
			t.Errorf("got %v, want ErrMoved, on which a caller looks again", err)
		}
		if d := describe(t, store, "s"); !d.IsCurrent(rotatingTo) {
			t.Errorf("labels %+v", d)
		}
		w.cloud.Fault(lost)
		if err := store.RemovePending(t.Context(), "s", rotatingTo); err != nil {
			t.Error(err)
		}
	})
}

func TestErrorsOfARotationSayWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.holding(t, "s", w.minted(1))
	startRotation(t, w, "s", rotatingTo)
	store := newStore(w.cloud)
	w.cloud.Fault(fakecloud.Fault{Status: 400, Body: `{"__type":"AccessDeniedException","message":"no"}`})

	const denied = "no; allow the role secretsmanager:"
	_, describeErr := store.Describe(t.Context(), "s")
	for op, err := range map[string]error{
		"DescribeSecret":           describeErr,
		"UpdateSecretVersionStage": store.RemovePending(t.Context(), "s", rotatingTo),
	} {
		e := wantError(t, err, "AccessDeniedException", false)
		if want := denied + op + " on this secret"; e.Message != want || e.Op != op {
			t.Errorf("%s: got %#v, want %q", op, e, want)
		}
	}
	if _, err := store.PutPending(t.Context(), "s", rotatingTo, Token{}); err == nil {
		t.Error("a token that is none was put")
	}
}

func TestASecretThatDoesNotExistCannotBeDescribed(t *testing.T) {
	t.Parallel()
	_, err := newStore(newWorld().cloud).Describe(t.Context(), "s")
	wantError(t, err, "ResourceNotFoundException", false)
}
