package tokenstore

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func TestReadingASecret(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(*testing.T, *world)
		// want is a part of Malformed; "token" and "nothing" are what they say.
		want string
	}{
		"with a token":                  {func(t *testing.T, w *world) { w.holding(t, "s", w.minted(1)) }, "token"},
		"that does not exist":           {func(*testing.T, *world) {}, "nothing"},
		"that was never given a value":  {func(t *testing.T, w *world) { createEmpty(t, w, "s") }, "nothing"},
		"with somebody else's JSON":     {func(t *testing.T, w *world) { w.cloud.PutSecret("s", `{"password":"`+planted+`"}`) }, `"version" is missing`},
		"with a password":               {func(t *testing.T, w *world) { w.cloud.PutSecret("s", planted) }, "not JSON"},
		"with binary data":              {func(t *testing.T, w *world) { putBinary(t, w, "s") }, "binary"},
		"with a newer version's token":  {func(t *testing.T, w *world) { w.cloud.PutSecret("s", `{"version":2}`) }, "newer wifmint"},
		"with a token that has expired": {func(t *testing.T, w *world) { w.holding(t, "s", w.minted(1)); w.pass(24 * time.Hour) }, "token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			tc.prepare(t, w)
			w.cloud.ResetCalls()
			got := read(t, newStore(w.cloud), "s")
			w.wantCalls(t, "GetSecretValue")
			switch tc.want {
			case "token":
				if !got.Usable() || got.ARN == "" || !equalTokens(got.Token, w.stored(t, "s")) {
					t.Errorf("got %+v", got)
				}
			case "nothing":
				if got.Usable() || got.VersionID != "" || got.ARN != "" || got.Malformed != nil {
					t.Errorf("got %+v", got)
				}
			default:
				if got.Usable() || got.VersionID == "" || got.ARN == "" || got.Malformed == nil || !strings.Contains(got.Malformed.Error(), tc.want) {
					t.Errorf("got %+v, want malformed: %s", got, tc.want)
				}
				wantNoSecret(t, got.Malformed)
			}
			if got.SecretID != "s" {
				t.Errorf("got id %q", got.SecretID)
			}
		})
	}
}

func TestReadingUnderAStagingLabel(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.holding(t, "s", w.minted(1))
	first := w.stored(t, "s")
	store := newStore(w.cloud)
	if got, err := store.ReadStage(t.Context(), "s", "AWSPREVIOUS"); err != nil || got.SecretID != "s" || got.VersionID != "" || got.Usable() {
		t.Errorf("a label that no version has: %+v, %v", got, err)
	}
	w.pass(time.Minute)
	w.holding(t, "s", w.minted(2))
	for stage, want := range map[string]Token{"AWSPREVIOUS": first, "AWSCURRENT": w.stored(t, "s")} {
		if got, err := store.ReadStage(t.Context(), "s", stage); err != nil || !got.Usable() || !equalTokens(got.Token, want) {
			t.Errorf("%s: %+v, %v", stage, got, err)
		}
	}
	w.cloud.Deny("GetSecretValue", "s")
	_, err := store.ReadStage(t.Context(), "s", "AWSPREVIOUS")
	wantError(t, err, "AccessDeniedException", false)
}

func putBinary(t *testing.T, w *world, name string) {
	t.Helper()
	_, err := consoleUser(w.cloud).CreateSecret(context.Background(), &secretsmanager.CreateSecretInput{Name: &name, SecretBinary: []byte(encode(t, w.minted(1)))})
	if err != nil {
		t.Fatal(err)
	}
}

func TestASecretScheduledForDeletionSaysHowToRestoreIt(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.holding(t, "wifmint/s", w.minted(1))
	store := newStore(w.cloud)
	current := read(t, store, "wifmint/s")
	scheduleDeletion(t, w, "wifmint/s")

	const restore = "restore-secret --secret-id wifmint/s"
	_, err := store.Read(t.Context(), "wifmint/s")
	if e := wantError(t, err, "InvalidRequestException", false); !strings.Contains(e.Error(), restore) {
		t.Errorf("got %v", e)
	}
	w.pass(time.Minute)
	_, err = store.Write(t.Context(), current, w.minted(2), w.due)
	if e := wantError(t, err, "InvalidRequestException", false); !strings.Contains(e.Error(), restore) || e.Op != "PutSecretValue" {
		t.Errorf("got %v", e)
	}
	results := store.ReadMany(t.Context(), []string{"wifmint/s", "other"})
	if e := wantError(t, results[0].Err, "InvalidRequestException", false); !strings.Contains(e.Error(), restore) {
		t.Errorf("got %v", e)
	}
}

// many makes n secrets with a token each and returns their names.
func many(t *testing.T, w *world, n int) []string {
	t.Helper()
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("wifmint/s%d", i))
		w.holding(t, names[i], w.minted(i))
	}
	return names
}

func wantTokens(t *testing.T, w *world, ids []string, results []ReadResult) {
	t.Helper()
	if len(results) != len(ids) {
		t.Fatalf("%d results for %d ids", len(results), len(ids))
	}
	for i, r := range results {
		if r.Current.SecretID != ids[i] {
			t.Errorf("result %d is of %q, want %q", i, r.Current.SecretID, ids[i])
		}
		if r.Err != nil || !r.Current.Usable() || r.Current.ARN == "" || !equalTokens(r.Current.Token, w.stored(t, ids[i])) {
			t.Errorf("result %d is %+v", i, r)
		}
	}
}

func TestReadManyMakesOneCallForTwentySecrets(t *testing.T) {
	t.Parallel()
	for n, calls := range map[int]string{
		0:  "",
		1:  "GetSecretValue",
		2:  "BatchGetSecretValue",
		20: "BatchGetSecretValue",
		45: "BatchGetSecretValue BatchGetSecretValue BatchGetSecretValue",
	} {
		t.Run(fmt.Sprintf("%d secrets", n), func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			names := many(t, w, n)
			wantTokens(t, w, names, newStore(w.cloud).ReadMany(t.Context(), names))
			w.wantCalls(t, calls)
		})
	}
	t.Run("21 secrets: the last one is read by itself", func(t *testing.T) {
		t.Parallel()
		w := newWorld()
		names := many(t, w, 21)
		wantTokens(t, w, names, newStore(w.cloud).ReadMany(t.Context(), names))
		if b, g := w.cloud.Count("", "BatchGetSecretValue"), w.cloud.Count("", "GetSecretValue"); b != 1 || g != 1 {
			t.Errorf("%d batches and %d single reads", b, g)
		}
	})
}

func TestReadManyTakesNamesFullAndPartialARNsAndRepetitions(t *testing.T) {
	t.Parallel()
	w := newWorld()
	names := many(t, w, 4)
	full, _ := w.cloud.Secret(names[1])
	partial, _ := w.cloud.Secret(names[2])
	ids := []string{names[0], full.ARN, partial.ARN[:len(partial.ARN)-7], names[3], names[0], full.ARN}
	wantTokens(t, w, ids, newStore(w.cloud).ReadMany(t.Context(), ids))
	w.wantCalls(t, "BatchGetSecretValue")
	if resource := w.cloud.Calls()[0].Resource; strings.Count(resource, ",") != 3 {
		t.Errorf("asked for %s: Secrets Manager refuses repeated ids", resource)
	}
}

func TestReadManyTellsWhatIsWrongWithEachSecret(t *testing.T) {
	t.Parallel()
	w := newWorld()
	names := many(t, w, 3)
	createEmpty(t, w, "empty")
	w.cloud.PutSecret("password", planted)
	w.cloud.Deny("GetSecretValue", names[1])
	const lookalike = "missing-AbCdEf" // a name that looks like the ARN of another
	w.cloud.Deny("GetSecretValue", lookalike)
	w.cloud.ResetCalls()

	ids := []string{names[0], lookalike, "missing", names[1], "empty", "password", names[2]}
	byID := map[string]ReadResult{}
	for i, r := range newStore(w.cloud).ReadMany(t.Context(), ids) {
		if r.Current.SecretID != ids[i] {
			t.Errorf("result %d is of %q, want %q", i, r.Current.SecretID, ids[i])
		}
		byID[ids[i]] = r
	}
	w.wantCalls(t, "BatchGetSecretValue")
	wantTokens(t, w, names[:1], []ReadResult{byID[names[0]]})
	wantTokens(t, w, names[2:], []ReadResult{byID[names[2]]})
	for _, id := range []string{"missing", "empty"} {
		if r := byID[id]; r.Err != nil || r.Current.VersionID != "" || r.Current.Malformed != nil {
			t.Errorf("%s is %+v, want nothing in it", id, r)
		}
	}
	if r := byID["password"]; r.Err != nil || r.Current.Malformed == nil {
		t.Errorf("password is %+v, want it malformed", r)
	}
	for _, id := range []string{names[1], lookalike} {
		e := wantError(t, byID[id].Err, "AccessDeniedException", false)
		if e.SecretID != id || !strings.Contains(e.Error(), "allow the role secretsmanager:GetSecretValue") {
			t.Errorf("%s: got %v", id, e)
		}
	}
}

func TestReadManyReadsSinglyWhatABatchDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]fakecloud.Fault{
		"the role may not batch": {Operation: "BatchGetSecretValue", Status: 400,
			Body: `{"__type":"AccessDeniedException","message":"User is not authorized to perform: secretsmanager:BatchGetSecretValue"}`},
		"one secret's key spoils the batch": {Operation: "BatchGetSecretValue", Status: 400, Body: `{"__type":"DecryptionFailure"}`},
		"the answer is empty":               {Operation: "BatchGetSecretValue", Status: 200, Body: `{}`},
		"the answer is about others": {Operation: "BatchGetSecretValue", Status: 200,
			Body: `{"SecretValues":[{"ARN":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:wifmint/s0-AbCdEf","Name":"s0","VersionId":"v","SecretString":"{}"}],` +
				`"Errors":[{"SecretId":"s0","ErrorCode":"AccessDeniedException"}]}`},
		"the answer lacks the versions": {Operation: "BatchGetSecretValue", Status: 200,
			Body: `{"SecretValues":[{"Name":"wifmint/s0"},{"Name":"wifmint/s1"},{"Name":"wifmint/s2"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			names := many(t, w, 3)
			w.cloud.Fault(tc)
			wantTokens(t, w, names, newStore(w.cloud).ReadMany(t.Context(), names))
			w.wantCalls(t, "BatchGetSecretValue GetSecretValue GetSecretValue GetSecretValue")
		})
	}
}

func TestReadManyFollowsPagesButNotForever(t *testing.T) {
	t.Parallel()
	w := newWorld()
	names := many(t, w, 3)
	w.cloud.Fault(fakecloud.Fault{Operation: "BatchGetSecretValue", Status: 200, Body: `{"NextToken":"more"}`, Times: 2})
	wantTokens(t, w, names, newStore(w.cloud).ReadMany(t.Context(), names))
	w.wantCalls(t, "BatchGetSecretValue BatchGetSecretValue BatchGetSecretValue")

	w.cloud.ResetCalls()
	w.cloud.Fault(fakecloud.Fault{Operation: "BatchGetSecretValue", Status: 200, Body: `{"NextToken":"more"}`})
	wantTokens(t, w, names, newStore(w.cloud).ReadMany(t.Context(), names))
	if b, g := w.cloud.Count("", "BatchGetSecretValue"), w.cloud.Count("", "GetSecretValue"); b != 3 || g != 3 {
		t.Errorf("%d batches and %d single reads, want 3 and 3", b, g)
	}
}

func TestReadManyDoesNotRepeatForEachSecretWhatHitThemAll(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault fakecloud.Fault
		code  string
	}{
		"throttling": {fakecloud.Fault{Status: 400, Body: `{"__type":"ThrottlingException","message":"Rate exceeded"}`}, "ThrottlingException"},
		"no network": {fakecloud.Fault{Reset: true}, "Unreachable"},
		"a hang":     {fakecloud.Fault{Hang: true}, "Timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				names := many(t, w, 3)
				w.cloud.Fault(tc.fault)
				for i, r := range newStore(w.cloud).ReadMany(t.Context(), names) {
					if e := wantError(t, r.Err, tc.code, true); e.SecretID != names[i] || r.Current.SecretID != names[i] {
						t.Errorf("result %d is %+v", i, r)
					}
				}
				if n := w.cloud.Count("", "GetSecretValue"); n != 0 {
					t.Errorf("%d single reads", n)
				}
			})
		})
	}
}

func TestReadManyEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		names := many(t, w, 100)
		w.cloud.Fault(fakecloud.Fault{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		for _, r := range newStore(w.cloud).ReadMany(ctx, names) {
			wantError(t, r.Err, "Timeout", true)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
