package tokenstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func (w *world) pause(reason string) Pause {
	return Pause{Target: "reports", At: w.Now(), Reason: reason}
}

// value is what the version with a label holds.
func (w *world) value(name, label string) string {
	s, _ := w.cloud.Secret(name)
	v, _ := s.Labelled(label)
	return v.Value
}

// wantPaused checks that neither label is on a token.
func (w *world) wantPaused(t *testing.T, name string) {
	t.Helper()
	for _, label := range []string{"AWSCURRENT", "AWSPREVIOUS"} {
		value := w.value(name, label)
		if _, err := Parse([]byte(value)); value != "" && !errors.As(err, new(*Pause)) {
			t.Errorf("%s is no tombstone: %s", label, strings.ReplaceAll(value, planted, "the token"))
		}
	}
}

func TestATombstoneIsNoTokenToAnybody(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for _, p := range []Pause{
		{Target: "reports", At: mintTime, Reason: `seen in ticket 7 & "elsewhere"`},
		{Target: "reports", At: mintTime},
		{},
	} {
		document := p.encode()
		token, err := Parse([]byte(document))
		got, ok := errors.AsType[*Pause](err)
		if !ok || *got != p || !token.Value.IsZero() {
			t.Errorf("%s gives %v, %v", document, token, err)
		}
		if p.Target != "" && validate(t, schema, document) != nil {
			t.Errorf("the schema refuses %s", document)
		}
		var foreign map[string]any
		if err := json.Unmarshal([]byte(document), &foreign); err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{"access_token", "id_token", "token_type", "expiry"} {
			if _, has := foreign[field]; has {
				t.Errorf("a reader of another language finds %s in %s", field, document)
			}
			if withToken := strings.Replace(document, "{", fmt.Sprintf("{%q:\"x\",", field), 1); validate(t, schema, withToken) == nil {
				t.Errorf("the schema takes %s", withToken)
			}
		}
	}
}

// In an emergency there may be the console of Secrets Manager and nothing else.
func TestATombstoneMayBeMadeByHand(t *testing.T) {
	t.Parallel()
	for _, document := range []string{
		`{"version":1,"kind":"paused"}`,
		` {"kind":"paused", "version":1, "paused_at":"yesterday", "reason":7, "target":null} `,
		edited(t, accessToken(), edit{"kind", `"paused"`}),
	} {
		p := newCurrent("s", nil, aws.String("v"), &document).Pause()
		if p == nil || p.Reason != "" || !p.At.IsZero() || p.Error() != "paused" {
			t.Errorf("%s is %v", document, p)
		}
	}
	for _, document := range []string{`{"kind":"paused"}`, `{"version":2,"kind":"paused"}`, `{"version":1,"kind":["paused"]}`, `{"version":1,"kind":"Paused"}`} {
		if p := newCurrent("s", nil, aws.String("v"), &document).Pause(); p != nil {
			t.Errorf("%s is %v", document, p)
		}
	}
}

func TestTheReasonIsOneLineWithoutATokenInIt(t *testing.T) {
	t.Parallel()
	p := Pause{Target: "reports", At: mintTime, Reason: "leaked:\n" + planted + "\x1b[2J" + strings.Repeat(" very", 1000)}
	byHand, err := json.Marshal(mark{Version: 1, Kind: kindPaused, Reason: p.Reason})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(p.encode(), planted) {
		t.Error("the token is stored with the reason")
	}
	for _, document := range []string{p.encode(), string(byHand)} {
		_, err = Parse([]byte(document))
		if text := err.Error(); strings.Contains(text, planted) || strings.ContainsAny(text, "\n\x1b") || len(text) > 700 || !strings.Contains(text, "leaked") {
			t.Errorf("it says %q", text)
		}
	}
}

func TestAPauseTakesTheTokenFromBothLabels(t *testing.T) {
	t.Parallel()
	w := newWorld()
	store := newStore(w.cloud)
	w.holding(t, "s", w.minted(1))
	w.holding(t, "s", w.minted(2))
	got, err := store.Pause(t.Context(), "s", w.pause("leaked"))
	if err != nil {
		t.Fatal(err)
	}
	w.wantPaused(t, "s")
	w.wantCalls(t, strings.Join(slices.Repeat([]string{"GetSecretValue GetSecretValue"}, 3), " PutSecretValue "))
	current := read(t, store, "s")
	if got.Pause != w.pause("leaked") || got.Already || got.VersionID != current.VersionID || !equalTokens(got.Last, w.minted(2)) {
		t.Errorf("got %+v", got)
	}

	w.pass(time.Minute)
	w.cloud.ResetCalls()
	again, err := store.Pause(t.Context(), "s", w.pause("another reason"))
	if err != nil || !again.Already || again.Pause != got.Pause || again.VersionID != got.VersionID {
		t.Errorf("paused again: %+v, %v", again, err)
	}
	w.wantCalls(t, "GetSecretValue GetSecretValue")
}

func TestAPauseCompletesOneThatWasBegun(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.holding(t, "s", w.minted(1))
	w.cloud.PutSecret("s", `{"version":1,"kind":"paused"}`)
	got, err := newStore(w.cloud).Pause(t.Context(), "s", w.pause("leaked"))
	if err != nil || !got.Already || !equalTokens(got.Last, w.minted(1)) {
		t.Errorf("got %+v, %v", got, err)
	}
	w.wantPaused(t, "s")
}

func TestAPauseOfWhatHoldsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld()
	store := newStore(w.cloud)
	store.Create = true
	_, err := store.Pause(t.Context(), "s", w.pause(""))
	if failed, ok := errors.AsType[*Error](err); !ok || failed.Code != notFoundCode || failed.Retryable {
		t.Errorf("a secret that does not exist: %v", err)
	}
	if _, err := store.Client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	early := read(t, store, "s")
	if got, err := store.Pause(t.Context(), "s", w.pause("")); err != nil || !got.Last.Value.IsZero() {
		t.Errorf("a secret without a value: %+v, %v", got, err)
	}
	if got, err := store.Write(t.Context(), early, w.minted(1), w.due); err != nil || got.Outcome != Paused {
		t.Errorf("a writer that saw it without a value: %+v, %v", got, err)
	}
	w.wantPaused(t, "s")
}

// Whatever happens between two calls of the one, the other gets in there.
func TestAPauseWinsOverAWriterWhereverItCutsIn(t *testing.T) {
	t.Parallel()
	for cut := range 10 {
		t.Run(fmt.Sprintf("a pause after %d calls of a writer", cut), func(t *testing.T) {
			t.Parallel()
			w, store, _ := dueWorld(t)
			w.after(cut, func() {
				if _, err := store.Pause(context.Background(), "s", w.pause("")); err != nil {
					t.Error(err)
				}
			}, func() {
				current := read(t, store, "s")
				got, err := store.Write(t.Context(), current, w.minted(2), w.due)
				if want := map[bool]Outcome{true: Paused, false: Written}[cut < 2]; err != nil || got.Outcome != want {
					t.Errorf("the writer: %+v, %v", got, err)
				}
			})
			w.wantPaused(t, "s")
		})
		t.Run(fmt.Sprintf("a writer after %d calls of a pause", cut), func(t *testing.T) {
			t.Parallel()
			w, store, early := dueWorld(t)
			w.after(cut, func() {
				for _, current := range []Current{early, read(t, store, "s")} {
					if _, err := store.Write(context.Background(), current, w.minted(2), w.due); err != nil {
						t.Error(err)
					}
				}
			}, func() {
				if _, err := store.Pause(t.Context(), "s", w.pause("")); err != nil {
					t.Error(err)
				}
			})
			w.wantPaused(t, "s")
		})
	}
}

// after calls f and has cut happen after so many calls, which f does not see
// answered before: at the first for 1, after f for more than it makes.
func (w *world) after(calls int, cut, f func()) {
	if calls == 0 {
		cut()
		f()
		return
	}
	n, done := 0, false
	w.cloud.OnCall(func(fakecloud.Call) {
		if n++; n == calls && !done {
			done = true
			cut()
		}
	})
	f()
	if !done {
		done = true
		cut()
	}
}

// A rotation's version is derived from none, so a writer that read the secret
// before the rotation ended would not find its ClientRequestToken taken.
func TestAPauseWinsOverAWriterFromBeforeARotation(t *testing.T) {
	t.Parallel()
	for cut := range 10 {
		t.Run(fmt.Sprintf("that ended after %d calls of the pause", cut), func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.holding(t, "s", w.minted(0))
			w.holding(t, "s", w.minted(1))
			w.pass(30 * time.Minute)
			store := newStore(w.cloud)
			readers := []Current{read(t, store, "s")}
			w.after(cut, func() {
				if current := read(t, store, "s"); current.Pause() == nil { // as finishSecret makes sure
					w.holding(t, "s", w.minted(100))
					w.pass(30 * time.Minute)
					readers = append(readers, read(t, store, "s"))
				}
			}, func() {
				if _, err := store.Pause(t.Context(), "s", w.pause("")); err != nil {
					t.Fatal(err)
				}
			})
			for _, current := range readers {
				w.pass(time.Second)
				if got, err := store.Write(t.Context(), current, w.minted(2), w.due); err != nil || got.Outcome != Paused {
					t.Errorf("got %+v, %v", got, err)
				}
			}
			w.wantPaused(t, "s")
		})
	}
}

// The one may know the secret by its name and the other by its ARN, which a secret
// that holds nothing does not tell.
func TestAPauseWinsOverAWriterThatSawTheSecretEmpty(t *testing.T) {
	t.Parallel()
	for _, byHand := range []string{"", "put by hand"} { // before the pause, derived from nothing
		for i, name := range []string{"the name and the name", "the name and the ARN", "the ARN and the name", "the ARN and the ARN"} {
			t.Run(name+byHand, func(t *testing.T) {
				t.Parallel()
				w := newWorld()
				store := newStore(w.cloud)
				made, err := store.Client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("s")})
				if err != nil {
					t.Fatal(err)
				}
				ids := []string{"s", *made.ARN}
				early := read(t, store, ids[i/2])
				if byHand != "" {
					w.cloud.PutSecret("s", byHand)
				}
				if _, err := store.Pause(t.Context(), ids[i%2], w.pause("")); err != nil {
					t.Fatal(err)
				}
				if got, err := store.Write(t.Context(), early, w.minted(1), w.due); err != nil || got.Outcome != Paused {
					t.Errorf("the writer: %+v, %v", got, err)
				}
				w.wantPaused(t, "s")
			})
		}
	}
}

func TestAResumedSecretIsDueAtOnceAndItsTokenDoesNotComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.holding(t, "s", w.minted(1))
	store := newStore(w.cloud)
	if p, err := store.Resume(t.Context(), "s", w.Now()); p != nil || err != nil || read(t, store, "s").Malformed != nil {
		t.Errorf("what is not paused was resumed: %v, %v", p, err)
	}
	schema := compileSchema(t)
	for range 3 {
		if _, err := store.Pause(t.Context(), "s", w.pause("leaked")); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		p, err := store.Resume(t.Context(), "s", w.Now())
		if err != nil || p == nil || p.Reason != "leaked" {
			t.Fatalf("got %v, %v", p, err)
		}
		if again, err := store.Resume(t.Context(), "s", w.Now()); again != nil || err != nil {
			t.Errorf("resumed again: %v, %v", again, err)
		}
		current := read(t, store, "s")
		if current.Pause() != nil || !errors.Is(current.Malformed, errResumed) || !w.due(current) {
			t.Errorf("after resuming it holds %+v", current)
		}
		if err := validate(t, schema, w.value("s", "AWSCURRENT")); err != nil {
			t.Errorf("the schema refuses what resuming put: %v", err)
		}
		if strings.Contains(w.value("s", "AWSPREVIOUS"), planted) {
			t.Error("AWSPREVIOUS holds the token of before")
		}
	}
	got, err := store.Write(t.Context(), read(t, store, "s"), w.minted(2), w.due)
	if err != nil || got.Outcome != Written || !equalTokens(w.stored(t, "s"), w.minted(2)) {
		t.Errorf("the next run: %+v, %v", got, err)
	}
}

func TestAPauseThatCannotBePutSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.holding(t, "s", w.minted(1))
	store := newStore(w.cloud)
	allow := w.cloud.Deny("PutSecretValue", "s")
	_, err := store.Pause(t.Context(), "s", w.pause(""))
	if failed, ok := errors.AsType[*Error](err); !ok || failed.Code != "AccessDeniedException" || !strings.Contains(failed.Message, "secretsmanager:PutSecretValue") {
		t.Errorf("got %v", err)
	}
	allow()
	w.cloud.Fault(fakecloud.Fault{Operation: "PutSecretValue", Status: 503, AfterEffect: true, Times: 1})
	if _, err := store.Pause(t.Context(), "s", w.pause("")); err != nil {
		t.Errorf("one whose answer was lost: %v", err)
	}
	w.wantPaused(t, "s")
}

func TestTheVersionsOfASecretAreTheNewestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for i := range 120 {
		w.holding(t, "s", w.minted(i))
		w.pass(time.Minute)
	}
	store := newStore(w.cloud)
	versions, err := store.Versions(t.Context(), "s")
	if err != nil || len(versions) != 120 {
		t.Fatalf("got %d versions, %v", len(versions), err)
	}
	w.wantCalls(t, "ListSecretVersionIds ListSecretVersionIds")
	if !versions[0].Created.Equal(w.Now().Add(-time.Minute)) || strings.Join(versions[0].Labels, "") != "AWSCURRENT" ||
		strings.Join(versions[1].Labels, "") != "AWSPREVIOUS" || versions[119].Labels != nil || versions[119].ID == "" {
		t.Errorf("got %+v, %+v … %+v", versions[0], versions[1], versions[119])
	}
	w.cloud.Deny("ListSecretVersionIds", "")
	_, err = store.Versions(t.Context(), "s")
	if failed, ok := errors.AsType[*Error](err); !ok || !strings.Contains(failed.Message, "allow the role secretsmanager:ListSecretVersionIds on this secret") || strings.Contains(failed.Message, "kms") {
		t.Errorf("got %v", err)
	}
}
