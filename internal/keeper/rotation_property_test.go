package keeper

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// TestAnyHistoryKeepsTheSecretGood has the schedule, Secrets Manager's rotations,
// time and accidents come in any order, and looks after each event whether the
// secret is what its consumers rely on.
func TestAnyHistoryKeepsTheSecretGood(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var failed any // a bubble is another goroutine, whose panics would not reach rapid
		synctest.Test(t, func(t *testing.T) {
			defer func() { failed = recover() }()
			h := newHistory(t, rt)
			rt.Repeat(h.events())
			h.end()
		})
		switch failed := failed.(type) {
		case nil:
		case badHistory:
			rt.Fatal(string(failed))
		default:
			panic(failed) // rapid's own, such as that this history cannot be drawn
		}
	})
}

// badHistory is what check and end panic with.
type badHistory string

// history is one secret's.
type history struct {
	*testWorld
	k       *Keeper
	target  Target
	version string // of the rotation under way, or of the last one
	broken  []fakecloud.Fault
	mend    []func()         // undoes each of broken
	last    tokenstore.Token // the best that AWSCURRENT ever was
}

func newHistory(t *testing.T, rt *rapid.T) *history {
	target := rapid.SampledFrom([]Target{accessTarget("reports"), idTarget("api")}).Draw(rt, "target")
	w := newRotatorWorld(t, target)
	return &history{testWorld: w, k: w.rotator(), target: target}
}

func (h *history) events() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"time passes": func(rt *rapid.T) {
			time.Sleep(time.Duration(rapid.SampledFrom([]int{1, 10, 25, 57, 70}).Draw(rt, "minutes")) * time.Minute)
		},
		"the schedule fires": func(rt *rapid.T) { _, _ = h.run(h.t.Context(), h.k, Event{Force: rapid.Bool().Draw(rt, "force")}) },
		"a rotation starts":  func(*rapid.T) { h.startNext() },
		"a rotation is tried": func(rt *rapid.T) {
			h.try(func() {
				if rapid.Bool().Draw(rt, "the schedule fires in between") {
					time.Sleep(time.Minute)
					_, _ = h.run(h.t.Context(), h.k, Event{Force: true})
				}
			})
		},
		"a step comes": func(rt *rapid.T) {
			if h.version != "" {
				_ = h.rotate(h.k, rapid.SampledFrom(RotationSteps).Draw(rt, "step"), h.target.Secret, h.version)
			}
		},
		"a stranger fills the pending version": func(rt *rapid.T) {
			if h.labels(h.target.Secret, h.version) == "AWSPENDING" && h.valueOf(h.version) == "" {
				h.whole(func() { h.pend(h.target.Secret, h.version, "planted-hello") })
			}
		},
		"something breaks": func(rt *rapid.T) {
			h.broken = append(h.broken, anyFault(rt))
			h.mend = append(h.mend, h.cloud.Fault(h.broken[len(h.broken)-1]))
		},
		"all is mended": func(*rapid.T) { h.mendAll() },
		"":              func(*rapid.T) { h.check() },
	}
}

func anyFault(rt *rapid.T) fakecloud.Fault {
	f := fakecloud.Fault{
		Service:     rapid.SampledFrom([]string{"", "secretsmanager", "google-sts", "iamcredentials", "tokeninfo"}).Draw(rt, "service"),
		Skip:        rapid.IntRange(0, 3).Draw(rt, "skip"),
		Times:       rapid.IntRange(1, 5).Draw(rt, "times"),
		AfterEffect: rapid.Bool().Draw(rt, "after the effect"),
	}
	switch rapid.SampledFrom([]string{"status", "hang", "reset", "truncated", "wrong", "late"}).Draw(rt, "fault") {
	case "status":
		f.Status = rapid.SampledFrom([]int{400, 401, 403, 429, 500, 503}).Draw(rt, "status")
	case "hang":
		f.Hang = true
	case "reset":
		f.Reset = true
	case "truncated":
		f.TruncateBody = 7
	case "wrong":
		f.Status, f.Body = 200, "<html>"
	case "late":
		f.Latency = 3 * time.Second
	}
	return f
}

func (h *history) mendAll() {
	for _, mend := range h.mend {
		mend()
	}
	h.mend, h.broken = nil, nil
}

// whole does what is not to fail here, since it is others' work.
func (h *history) whole(do func()) {
	broken := h.broken
	h.mendAll()
	do()
	h.broken = broken
	for _, f := range broken {
		h.mend = append(h.mend, h.cloud.Fault(f))
	}
}

// startNext does what Secrets Manager does: nothing while a rotation is under way.
func (h *history) startNext() {
	if !h.underWay() {
		h.whole(func() { h.version = h.startRotation(h.target.Secret) })
	}
}

func (h *history) try(before func()) {
	if h.version == "" {
		return
	}
	for _, step := range RotationSteps {
		before()
		if h.rotate(h.k, step, h.target.Secret, h.version) != nil {
			return
		}
		h.check()
	}
}

// underWay reports whether Secrets Manager would refuse to start a rotation.
func (h *history) underWay() bool {
	s, _ := h.cloud.Secret(h.target.Secret)
	pending, ok := s.Labelled("AWSPENDING")
	return ok && !slices.Contains(pending.Labels, "AWSCURRENT")
}

func (h *history) valueOf(version string) string {
	s, _ := h.cloud.Secret(h.target.Secret)
	for _, v := range s.Versions {
		if v.ID == version {
			return v.Value
		}
	}
	return ""
}

// check looks at the secret as a consumer would.
func (h *history) check() {
	s, _ := h.cloud.Secret(h.target.Secret)
	places := map[string]int{}
	for _, v := range s.Versions {
		for _, label := range v.Labels {
			places[label]++
		}
	}
	for label, n := range places {
		if n != 1 {
			panic(badHistory(fmt.Sprintf("%s is on %d versions", label, n)))
		}
	}
	current, ok := s.Labelled("AWSCURRENT")
	if !ok {
		if !h.last.Expiry.IsZero() {
			panic(badHistory("AWSCURRENT is gone"))
		}
		return
	}
	token, err := tokenstore.Parse([]byte(current.Value))
	switch {
	case err != nil:
		panic(badHistory(fmt.Sprintf("AWSCURRENT is no token: %v", err)))
	case !token.SameIdentity(h.env.Config.Identity(h.target)):
		panic(badHistory(fmt.Sprintf("AWSCURRENT is of another identity: %v", token)))
	case token.Expiry.Before(h.last.Expiry):
		panic(badHistory(fmt.Sprintf("AWSCURRENT went back from %v to %v", h.last.Expiry, token.Expiry)))
	}
	h.last = token
}

// end: whatever has happened, the rotation under way can be ended, in no more
// than one try after the one that finds out, and the next one works.
func (h *history) end() {
	h.mendAll()
	for range 2 {
		if h.underWay() {
			h.try(func() {})
			h.check()
		}
	}
	if h.underWay() {
		panic(badHistory(fmt.Sprintf("the rotation to %s is stuck: %s", h.version, h.labels(h.target.Secret, h.version))))
	}
	time.Sleep(time.Second)
	next := h.startRotation(h.target.Secret)
	if err := h.rotateThrough(h.k, h.target.Secret, next); err != nil {
		panic(badHistory(fmt.Sprintf("the next rotation: %v", err)))
	}
	if got := h.labels(h.target.Secret, next); got != "AWSCURRENT AWSPENDING" {
		panic(badHistory(fmt.Sprintf("the next rotation's version is %q", got)))
	}
	h.check()
}

func TestRotationsAndScheduledRunsAtOnce(t *testing.T) {
	t.Parallel()
	rounds := 30
	if testing.Short() {
		rounds = 10
	}
	synctest.Test(t, func(t *testing.T) {
		target := accessTarget("reports")
		w := newRotatorWorld(t, target)
		scheduled := w.rotator()
		w.wantRun(scheduled, Event{}, "minted")
		jitter := w.cloud.Fault(fakecloud.Fault{Latency: 10 * time.Millisecond, Probability: 0.5})
		defer jitter()
		for round := range rounds {
			time.Sleep(55 * time.Minute)
			version := w.startRotation(target.Secret)
			done := make(chan error, 4)
			for range 2 { // Lambda delivers at least once, so the same rotation may run twice
				k := w.rotator()
				go func() { done <- w.rotateThrough(k, target.Secret, version) }()
			}
			for range 2 {
				go func() {
					_, err := w.run(t.Context(), scheduled, Event{Force: true})
					done <- err
				}()
			}
			for range cap(done) {
				// One that is late finds the rotation over, and the version replaced.
				err := <-done
				if failed, ok := errors.AsType[*RotationError](err); ok && (failed.Failure.Code == "unknown_version" || failed.Failure.Code == "not_pending") {
					continue
				}
				if err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			}
			if left := time.Until(w.stored(target.Secret).Expiry); left < 59*time.Minute {
				t.Fatalf("round %d: the token lives for %v", round, left)
			}
			if labels := w.labels(target.Secret, version); labels == "AWSPENDING" {
				t.Fatalf("round %d: the rotation is stuck", round)
			}
			if err := w.rotateSecret(target.Secret, uuid.NewString()); err != nil {
				t.Fatalf("round %d: the next rotation cannot begin: %v", round, err)
			}
			w.endRotation(target.Secret)
		}
	})
}

// endRotation takes AWSPENDING away by hand.
func (w *testWorld) endRotation(name string) {
	w.t.Helper()
	s, _ := w.cloud.Secret(name)
	pending, ok := s.Labelled("AWSPENDING")
	if !ok {
		return
	}
	if err := w.env.Store.RemovePending(w.t.Context(), name, pending.ID); err != nil {
		w.t.Fatal(err)
	}
}
