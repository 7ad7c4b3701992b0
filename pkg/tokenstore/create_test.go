package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func TestCreatingASecret(t *testing.T) {
	t.Parallel()
	w := newWorld()
	store := newStore(w.cloud)
	store.Create, store.KMSKeyID, store.Description = true, "alias/tokens", "kept fresh by wifmint"
	store.Tags = map[string]string{"team": "data", "stage": ""}

	next := w.minted(1)
	got, err := store.Write(t.Context(), read(t, store, "wifmint/new"), next, w.due)
	if err != nil {
		t.Fatal(err)
	}
	w.wantCalls(t, "GetSecretValue PutSecretValue CreateSecret")
	if again := read(t, store, "wifmint/new"); got.Outcome != Written || got.Current.ARN != again.ARN || got.Current.VersionID != again.VersionID ||
		!equalTokens(got.Current.Token, next) || !equalTokens(again.Token, next) {
		t.Errorf("got %+v, a fresh read gives %+v", got, again)
	}
	s, _ := w.cloud.Secret("wifmint/new")
	if s.KMSKeyID != store.KMSKeyID || s.Description != store.Description || len(s.Tags) != 2 || s.Tags["team"] != "data" {
		t.Errorf("created %+v", s)
	}
}

func TestASecretWithoutAValueNeedsNoPermissionToCreate(t *testing.T) {
	t.Parallel()
	w := newWorld()
	createEmpty(t, w, "s")
	w.cloud.ResetCalls()
	store := newStore(w.cloud)
	got, err := store.Write(t.Context(), read(t, store, "s"), w.minted(1), w.due)
	if err != nil || got.Outcome != Written {
		t.Fatalf("got %+v, %v", got, err)
	}
	w.wantCalls(t, "GetSecretValue PutSecretValue")
}

func TestAMissingSecretIsNotCreatedUnlessAllowed(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gone-AbCdEf"
	for name, tc := range map[string]struct {
		create bool
		id     string
	}{
		"not allowed":   {false, "s"},
		"only an ARN":   {true, arn},
		"neither of it": {false, arn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			store := newStore(w.cloud)
			store.Create = tc.create
			_, err := store.Write(t.Context(), read(t, store, tc.id), w.minted(1), w.due)
			e := wantError(t, err, "NotFound", false)
			if !strings.Contains(e.Error(), `"create_secrets": true`) || e.SecretID != tc.id {
				t.Errorf("got %v", e)
			}
			w.wantCalls(t, "GetSecretValue PutSecretValue")
			if len(w.cloud.Secrets()) != 0 {
				t.Error("a secret was created")
			}
		})
	}
}

func TestOfConcurrentCreatorsExactlyOneCreates(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T, *world, string){
		"the secret does not exist":      func(*testing.T, *world, string) {},
		"the secret exists but is empty": createEmpty,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			store := newStore(w.cloud)
			store.Create = true
			for round := range 20 {
				name := fmt.Sprintf("s%d", round)
				prepare(t, w, name)
				results, errs := make([]WriteResult, 4), make([]error, 4)
				var wg sync.WaitGroup
				for i := range results {
					wg.Go(func() {
						results[i], errs[i] = store.Write(context.Background(), Current{SecretID: name}, w.minted(i), w.due)
					})
				}
				wg.Wait()
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				if ids := versionIDs(t, w, name); len(ids) != 1 {
					t.Fatalf("versions %v, want one", ids)
				}
				stored := w.stored(t, name)
				for _, r := range results {
					if r.Current.VersionID == "" || !equalTokens(r.Current.Token, stored) {
						t.Fatalf("a writer ended %+v, but the secret holds %v", r, stored)
					}
				}
			}
		})
	}
}

func TestACreationWhoseAnswerIsLostIsRepeatedWithoutASecondEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.cloud.Fault(fakecloud.Fault{Operation: "CreateSecret", Times: 1, Status: 500, AfterEffect: true})
		store := newStore(w.cloud)
		store.Create = true
		got, err := store.Write(t.Context(), Current{SecretID: "s"}, w.minted(1), w.due)
		if err != nil || got.Outcome != Written || len(versionIDs(t, w, "s")) != 1 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// Some of AWS's imitations answer a repeated creation so.
func TestOurOwnTokenFoundAfterAConflictWasWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.cloud.Fault(fakecloud.Fault{Operation: "CreateSecret", Times: 1, Status: 400, AfterEffect: true,
			Body: `{"__type":"ResourceExistsException","message":"The operation failed because the secret s already exists."}`})
		store := newStore(w.cloud)
		store.Create = true
		next := w.minted(1)
		got, err := store.Write(t.Context(), Current{SecretID: "s"}, next, w.due)
		if err != nil || got.Outcome != Written || !equalTokens(got.Current.Token, next) || got.Current.VersionID == "" {
			t.Errorf("got %+v, %v, want it written", got, err)
		}
	})
}
