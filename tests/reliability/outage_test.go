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
// returns the readers' gaps, by secret: those of one that reads Secrets Manager, of
// one behind the extension, and, of the first secret, of the metadata server.
func (w *world) simulate(ticks []time.Duration, repeat bool, o outage, fault fakecloud.Fault) map[reader][]gap {
	ctx, cancel := context.WithCancel(w.t.Context())
	minter := start(ctx, w.function("minter", &clock{}), ticks, repeat)
	rotator := start(ctx, w.function("rotator", &clock{}), ticks, repeat)
	began := time.Now()
	time.Sleep(time.Second / 2) // so that nobody reads at the very moment of a tick
	first := w.config.Targets[0].Secret
	watches := map[reader]func() []gap{{"metadata", first}: w.watchMetadata(ctx, first)}
	for _, target := range w.config.Targets {
		watches[reader{"store", target.Secret}] = w.watch(ctx, target.Secret, w.store())
		watches[reader{"extension", target.Secret}] = w.watch(ctx, target.Secret, w.extension())
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
	gaps := map[reader][]gap{}
	for reader, wait := range watches {
		gaps[reader] = wait()
	}
	return gaps
}

// reader is a program that needs a secret's token.
type reader struct{ through, secret string }

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
	lengths := []time.Duration{30 * time.Minute, 75 * time.Minute}
	starts := []time.Duration{55 * time.Minute, 58 * time.Minute}
	if raced {
		starts = starts[1:]
	}
	if soak() {
		lengths = append(punctual(usual, 100*time.Minute), 24*time.Hour)
		starts = append(starts, 60*time.Minute, 65*time.Minute, 70*time.Minute, 75*time.Minute)
	}
	for _, service := range []string{"google", "google-sts", "iamcredentials", "secretsmanager"} {
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
	minter := lifeOf(t, w.config, w.config.Targets[0])
	minted := minter.mints(ticks, o)
	for _, target := range w.config.Targets {
		l := lifeOf(t, w.config, target)
		mints := l.mints(ticks, o.felt(target, minter, minted))
		survived := l.survives(usual)
		if o.service == "google-sts" && !target.Federated() {
			survived += minter.bears(usual)
		}
		for through, ttl := range map[string]time.Duration{"store": 0, "extension": extensionTTL, "metadata": 0} {
			got, watched := gaps[reader{through, target.Secret}]
			computed := l.gaps(mints, o, ticks[len(ticks)-1], ttl)
			tolerance := 10 * time.Second
			if through == "metadata" { // which is asked every 10 s
				tolerance *= 2
			}
			if watched && !closeTo(got, computed, tolerance) {
				t.Errorf("who reads %s through %s was without a token in %v, computed %v", target.Secret, through, got, computed)
			}
			if o.service != "secretsmanager" && o.to-o.from <= survived-ttl && len(computed) > 0 {
				t.Errorf("%v is survived by the formula, but not by the model of who reads %s through %s: %v", o.to-o.from, target.Secret, through, computed)
			}
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
	o := outage{service: pick(rng, "google", "google-sts", "iamcredentials", "secretsmanager"), from: time.Hour + time.Duration(rng.Int64N(int64(time.Hour)))}
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

	every, minter := longestWait(ticks), lifeOf(t, w.config, w.config.Targets[0])
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
		survived := l.survives(every)
		if o.service == "google-sts" && !target.Federated() {
			survived += minter.bears(every)
		}
		for through, ttl := range map[string]time.Duration{"store": 0, "extension": extensionTTL} {
			survived := survived - ttl
			if o.service == "secretsmanager" { // a reader's own copy may be old
				survived = min(survived, readerRenews-readerMargin)
			}
			if got := gaps[reader{through, target.Secret}]; o.to-o.from <= survived-answered && len(got) > 0 {
				t.Errorf("who reads %s through %s was without a token in %v, for %+v (%+v) with ticks up to %v apart", target.Secret, through, got, o, fault, every)
			}
		}
	}
}
