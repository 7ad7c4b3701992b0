package reliability_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokensource"
)

// The targets here are those for which the formulas leave no room: a token is a
// second short of being due at a tick, and a reader's margin ends 5 seconds before
// the tick that comes too late. An outage of the computed length is not noticed
// wherever it begins; one that is longer by tooLong is, where it begins at warm.
const (
	tightLifetime = `, "lifetime": "3625s"`
	warm          = 50 * time.Minute
	tooLong       = 15 * time.Second
)

// dueAfter has a target's tokens become due so long after their minting.
func dueAfter(t *testing.T, config *keeper.Config, at int, wait time.Duration) life {
	t.Helper()
	target := &config.Targets[at]
	jittered := lifeOf(t, config, *target).wait.Seconds() / (1 - target.RefreshAt) // the lifetime less its jitter
	target.RefreshAt = 1 - wait.Seconds()/jittered
	l := lifeOf(t, config, *target)
	if (l.wait - wait).Abs() > time.Second {
		t.Fatalf("%s becomes due after %v, not %v", target.Name, l.wait, wait)
	}
	return l
}

// tight is a world with a target for which D leaves no room.
func tight(t *testing.T) (w *world, bound time.Duration) {
	w = newWorld(t, 1, targets(0, 1, 0, tightLifetime))
	return w, dueAfter(t, w.config, 0, 4*usual+time.Second).survives(usual)
}

// tightBearer is a world whose rotator impersonates with the minter's token, where
// neither leaves room.
func tightBearer(t *testing.T) (w *world, bound time.Duration) {
	const federatedLifetime = time.Hour - 2*time.Second // so that the minter's token ceases to serve just before a tick
	w = newWorld(t, 1, targets(1, 1, 0, tightLifetime))
	w.cloud.AddProvider(fakecloud.Provider{Audience: provider, AWSAccount: "123456789012", TokenLifetime: federatedLifetime})
	w.config.Targets[0].Lifetime = federatedLifetime // for lifeOf: the minter does not ask for one
	minter := dueAfter(t, w.config, 0, 4*usual+time.Second)
	return w, dueAfter(t, w.config, 1, 3*usual+time.Second).survives(usual) + minter.bears(usual)
}

func TestTheSurvivableOutageIsTheComputedOne(t *testing.T) {
	t.Parallel()
	for service, tt := range map[string]struct {
		world func(*testing.T) (*world, time.Duration)
		step  time.Duration // between the moments to try
		again time.Duration // when ticks lie to the tokens as before
	}{
		"google":         {tight, usual, 5 * usual},
		"google-sts":     {tightBearer, 5 * usual, 20 * usual}, // the minter mints at each
		"iamcredentials": {tight, usual, 5 * usual},
	} {
		_, bound := tt.world(t)
		phases := punctual(tt.step/time.Duration(size(15, 1)), tt.again)
		figure(t, "bound: %v of %s, at %d moments", bound, service, len(phases))
		for _, phase := range phases {
			begin(t, service, warm+phase, bound, phase == 0, func(t *testing.T, o outage) []gap {
				w, _ := tt.world(t)
				gaps := w.simulate(punctual(usual, o.to+20*time.Minute), false, o, fakecloud.Fault{Reset: true})
				impersonated := w.config.Targets[len(w.config.Targets)-1]
				return gaps[reader{"store", impersonated.Secret}]
			})
		}
	}
}

// begin lets an outage that is survived begin just before a moment and, in the worst
// case, another one that is not.
func begin(t *testing.T, service string, moment, bound time.Duration, worst bool, simulate func(*testing.T, outage) []gap) {
	for _, longer := range []time.Duration{0, tooLong} {
		if longer > 0 && !worst {
			continue
		}
		from := moment - time.Second
		t.Run(fmt.Sprintf("%s for %v from %v", service, bound+longer, from), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got := simulate(t, outage{service, from, from + bound + longer})
				if (len(got) > 0) != (longer > 0) {
					t.Errorf("a reader was without a token in %v", got)
				}
			})
		})
	}
}

// TestBehindTheExtensionItIsShorterByTheTTL has a program that keeps no token
// itself, so that the moments at which the extension reads go on from its start, and
// lie to the ticks in every way.
func TestBehindTheExtensionItIsShorterByTheTTL(t *testing.T) {
	t.Parallel()
	const worst = usual - 2*time.Second // just before each tick
	_, bound := tight(t)
	bound -= extensionTTL
	starts := punctual(usual/time.Duration(size(30, 2)), worst)
	figure(t, "bound: %v behind the extension, at %d moments", bound, 1+len(starts))
	for _, started := range append(starts, worst) {
		t.Run(fmt.Sprintf("a program started at %v", started), func(t *testing.T) {
			t.Parallel()
			begin(t, "google", warm, bound, started == worst, func(t *testing.T, o outage) []gap {
				w, _ := tight(t)
				ctx, cancel := context.WithCancel(t.Context())
				rotator := start(ctx, w.function("rotator", &clock{}), punctual(usual, o.to+20*time.Minute), false)
				began := time.Now()
				time.Sleep(started + time.Second/2)
				secret, extension := w.config.Targets[0].Secret, w.extension()
				gaps := w.ask(ctx, time.Second, func() bool {
					source := &tokensource.Source{Secret: secret, Reader: extension}
					return w.has(ctx, source)
				})
				time.Sleep(time.Until(began.Add(o.from)))
				end := w.fails(o.service, fakecloud.Fault{Status: 503})
				time.Sleep(time.Until(began.Add(o.to)))
				end()
				rotator()
				cancel()
				return gaps()
			})
		})
	}
}
