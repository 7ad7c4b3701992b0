package reliability_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// answered is how long a failing call is tried again, at most: an outage that ends
// within it of a tick is over for that tick. Outages here end a little later.
const answered = 10 * time.Second

// simulate lets both functions run by a schedule and readers read, on the bubble's
// clock, until a while after the outage, in which every call meets the fault. It
// returns the readers' gaps, by secret, and the metadata server's under "metadata".
func (w *world) simulate(ticks []time.Duration, repeat bool, o outage, fault fakecloud.Fault) map[string][]gap {
	ctx, cancel := context.WithCancel(w.t.Context())
	minter := start(ctx, w.function("minter", &clock{}), ticks, repeat)
	rotator := start(ctx, w.function("rotator", &clock{}), ticks, repeat)
	began := time.Now()
	time.Sleep(time.Second / 2) // so that nobody reads at the very moment of a tick
	watches := map[string]func() []gap{"metadata": w.watchMetadata(ctx, w.config.Targets[0].Secret)}
	for _, target := range w.config.Targets {
		watches[target.Secret] = w.watch(ctx, target.Secret)
	}
	if o.to > 0 {
		time.Sleep(time.Until(began.Add(o.from)))
		end := w.fails(o.service, fault)
		time.Sleep(time.Until(began.Add(o.to)))
		end()
	}
	minter()
	rotator()
	time.Sleep(usual)
	cancel()
	gaps := map[string][]gap{}
	for name, wait := range watches {
		gaps[name] = wait()
	}
	return gaps
}

// fails makes every call of a service fail, and returns what ends that.
func (w *world) fails(service string, fault fakecloud.Fault) (end func()) {
	services := []string{service}
	if service == "google" {
		services = []string{"google-sts", "iamcredentials"}
	}
	var all []func()
	for _, fault.Service = range services {
		all = append(all, w.cloud.Fault(fault))
	}
	return func() {
		for _, end := range all {
			end()
		}
	}
}

// TestReadersNoticeAnOutageWhenItIsComputed sweeps the length of an outage, and
// where in the life of a token it begins, and compares when each reader had no
// token with what the model says, and so with docs/reliability.md.
func TestReadersNoticeAnOutageWhenItIsComputed(t *testing.T) {
	t.Parallel()
	var cases atomic.Int64
	t.Cleanup(func() { figure(t, "outages: %d, each noticed by every reader when computed", cases.Load()) })
	lengths := []time.Duration{5 * time.Minute, 30 * time.Minute, 60 * time.Minute}
	starts := []time.Duration{55 * time.Minute, 58 * time.Minute, 70 * time.Minute}
	if raced {
		starts = starts[1:2]
	}
	if soak() {
		lengths = append(punctual(usual, 100*time.Minute), 24*time.Hour)
		starts = append(starts, 60*time.Minute, 65*time.Minute, 75*time.Minute)
	}
	for _, service := range []string{"google", "secretsmanager"} {
		for _, length := range lengths {
			for _, begin := range starts {
				// From just before a tick to a while after one, which is where the
				// least is survived.
				o := outage{service, begin - time.Second, begin + length + answered}
				t.Run(fmt.Sprintf("%s for %v from %v", service, length, begin), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { compare(t, o) })
					cases.Add(1)
				})
			}
		}
	}
}

func compare(t *testing.T, o outage) {
	w := newWorld(t, 1, targets(1, 1, 1, ""))
	ticks := punctual(usual, o.to+90*time.Minute)
	gaps := w.simulate(ticks, false, o, fakecloud.Fault{Status: 503})
	for _, target := range w.config.Targets {
		l := lifeOf(t, w.config, target)
		computed := l.gaps(l.mints(ticks, o), o, ticks[len(ticks)-1])
		if got := gaps[target.Secret]; !closeTo(got, computed, 10*time.Second) {
			t.Errorf("a reader of %s was without a token in %v, computed %v", target.Secret, got, computed)
		}
		if o.service == "google" && o.to-o.from <= l.survives(usual) && len(computed) > 0 {
			t.Errorf("%v is survived by the formula, but not by the model: %v", o.to-o.from, computed)
		}
		if target.Federated() && !closeTo(gaps["metadata"], computed, 20*time.Second) {
			t.Errorf("the metadata server was without a token in %v, computed %v", gaps["metadata"], computed)
		}
	}
}

// TestTheSurvivableOutageIsTheComputedOne has a target for which the formula leaves
// no room: its token is a second short of being due at a tick, and a reader's margin
// ends 5 seconds before the tick that comes too late. An outage of the computed
// length is not noticed wherever it begins; one that is 15 s longer is.
func TestTheSurvivableOutageIsTheComputedOne(t *testing.T) {
	t.Parallel()
	const lifetime = 3625 * time.Second
	tight := func(t *testing.T) *world {
		w := newWorld(t, 1, targets(0, 1, 0, `, "lifetime": "3625s"`))
		target := &w.config.Targets[0]
		jittered := lifeOf(t, w.config, *target).wait.Seconds() / (1 - target.RefreshAt) // the lifetime less its jitter
		target.RefreshAt = 1 - (4*usual+time.Second).Seconds()/jittered
		return w
	}
	probe := tight(t)
	l := lifeOf(t, probe.config, probe.config.Targets[0])
	bound := l.survives(usual)
	if l.lifetime != lifetime || (l.wait-4*usual-time.Second).Abs() > time.Second {
		t.Fatalf("the target is not the one to test: %v", l)
	}
	phases := punctual(25*time.Minute/time.Duration(size(75, 5)), 25*time.Minute)
	figure(t, "bound: %v, at %d moments", bound, len(phases))
	const warm = 50 * time.Minute
	for _, phase := range phases {
		for _, longer := range []time.Duration{0, 15 * time.Second} {
			from := warm + phase - time.Second
			if longer > 0 && from+time.Second != warm {
				continue
			}
			t.Run(fmt.Sprintf("%v from %v", bound+longer, from), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := tight(t)
					o := outage{"google", from, from + bound + longer}
					gaps := w.simulate(punctual(usual, o.to+20*time.Minute), false, o, fakecloud.Fault{Reset: true})
					if got := gaps[w.config.Targets[0].Secret]; (len(got) > 0) != (longer > 0) {
						t.Errorf("a reader was without a token in %v", got)
					}
				})
			})
		}
	}
}

// TestRecoveryTakesAtMostOneTick has outages of any kind, length and beginning under
// schedules as AWS delivers them. When one is over, the next event that arrives
// makes every token fresh; one that the schedule's longest wait makes survivable is
// not noticed.
func TestRecoveryTakesAtMostOneTick(t *testing.T) {
	t.Parallel()
	runs := uint64(size(200, 4))
	first, _ := firstSeed(t)
	t.Cleanup(func() {
		figure(t, "recovery: %d outages under schedules of AWS's, from WIFMINT_SEED=%d on", runs, first)
	})
	for seed := first; seed < first+runs; seed++ {
		t.Run(fmt.Sprintf("WIFMINT_SEED=%d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { recovers(t, seed) })
		})
	}
}

func recovers(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	fault := []fakecloud.Fault{{Status: 503}, {Status: 429}, {Status: 403}, {Hang: true}, {Reset: true}, {TruncateBody: -1}, {Status: 200, Body: "<html>"}}[rng.IntN(7)]
	o := outage{service: []string{"google", "secretsmanager"}[rng.IntN(2)], from: time.Hour + time.Duration(rng.Int64N(int64(time.Hour)))}
	o.to = o.from + time.Duration(rng.Int64N(int64(2*time.Hour)))
	ticks := delivered(rng, usual, o.to+90*time.Minute)
	w := newWorld(t, seed, targets(1, 1, 1, ""))

	began := time.Now()
	type refresh struct{ at, expiry time.Duration }
	refreshed := map[string][]refresh{}
	w.onMove(func(secret string, _, to fakecloud.SecretVersion) {
		token, err := tokenstore.Parse([]byte(to.Value))
		if err != nil {
			t.Errorf("AWSCURRENT of %s is no token: %v", secret, err)
		}
		refreshed[secret] = append(refreshed[secret], refresh{time.Since(began), token.Expiry.Sub(began)})
	})
	gaps := w.simulate(ticks, true, o, fault)

	every := longestWait(ticks)
	next, _ := slices.BinarySearch(ticks, o.to)
	by := ticks[next] + answered
	for _, target := range w.config.Targets {
		l := lifeOf(t, w.config, target)
		expires := time.Duration(0)
		for _, r := range refreshed[target.Secret] {
			if r.at <= by {
				expires = r.expiry
			}
		}
		if left := expires - by; left < l.lifetime-l.wait-answered {
			t.Errorf("%s has %v left %v after the outage (%+v, %+v) was over", target.Secret, left, by-o.to, o, fault)
		}
		// A reader's own copy may be old when Secrets Manager fails.
		survivable := l.survives(every)
		if o.service == "secretsmanager" {
			survivable = min(survivable, readerRenews-readerMargin)
		}
		if got := gaps[target.Secret]; o.to-o.from <= survivable-answered && len(got) > 0 {
			t.Errorf("a reader of %s was without a token in %v, for %+v (%+v) with ticks up to %v apart", target.Secret, got, o, fault, every)
		}
	}
}
