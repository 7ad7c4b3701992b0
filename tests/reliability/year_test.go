package reliability_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// TestAYearOfTicksFor100Targets puts to the functions' rule every question of a year
// of events, as AWS delivers them: is this target due now? Nothing is called, and so
// [TestTheYearIsTheFunctions] compares a day of it with the functions themselves. An
// outage of up to two hours comes every ten days or so.
func TestAYearOfTicksFor100Targets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, targets(34, 33, 33, ""))
	span := time.Duration(size(365, 30)) * 24 * time.Hour
	seed, _ := firstSeed(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	ticks := delivered(rng, usual, span)
	every := longestWait(ticks)
	var outages []outage
	for at := time.Duration(0); at < span; {
		at += time.Duration(rng.ExpFloat64() * float64(10*24*time.Hour))
		outages = append(outages, outage{"google", at, at + time.Duration(rng.Int64N(int64(2*time.Hour)))})
	}

	began, writes, questions, noticed := time.Now(), 0, 0, 0
	for _, target := range w.config.Targets {
		l := lifeOf(t, w.config, target)
		mints := history(w.config, target, ticks, outages)
		writes += len(mints)
		questions += len(ticks)
		var day []time.Duration // the writes of the last 24 hours
		for i, mint := range mints {
			day = slices.DeleteFunc(append(day, mint), func(d time.Duration) bool { return mint-d >= 24*time.Hour })
			if len(day) > 144 {
				t.Errorf("%s was written %d times within a day, at %v", target.Name, len(day), mint)
			}
			if i == 0 {
				continue
			}
			last := mints[i-1]
			if mint-last < l.wait {
				t.Errorf("%s was written %v after %v", target.Name, mint-last, last)
			}
			if mint-last <= l.lifetime-readerMargin {
				continue
			}
			noticed++
			if o := during(outages, last, mint); o.to-o.from <= l.survives(every) {
				t.Errorf("the readers of %s were without a token for %v because of %v", target.Name, mint-last-l.lifetime+readerMargin, o)
			}
		}
	}
	figure(t, "year: %d days, %d targets, %d questions, %d writes, %d outages, noticed %d times by their readers, in %v",
		span/(24*time.Hour), len(w.config.Targets), questions, writes, len(outages), noticed, time.Since(began).Round(time.Millisecond))
	if took := time.Since(began); took > time.Minute && !raced {
		t.Errorf("it took %v", took)
	}
}

// during is the outage between two moments, the longest if there are several; the
// time of all of them, if they overlap.
func during(all []outage, from, to time.Duration) (found outage) {
	for _, o := range all {
		switch {
		case o.to <= from || o.from >= to:
		case o.from <= found.to && found.to > 0:
			found.to = max(found.to, o.to)
		case o.to-o.from > found.to-found.from:
			found = o
		}
	}
	return found
}

// history is when a target's secret is written.
func history(config *keeper.Config, target keeper.Target, ticks []time.Duration, outages []outage) []time.Duration {
	epoch := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	lifetime := keeper.DefaultLifetime
	want := config.Identity(target)
	var current tokenstore.Current
	var mints []time.Duration
	for _, tick := range ticks {
		for len(outages) > 0 && outages[0].to <= tick && (len(outages) == 1 || outages[1].from <= tick) {
			outages = outages[1:]
		}
		now := epoch.Add(tick)
		if !keeper.Due(target, want, current, now) || len(outages) > 0 && outages[0].covers(tick) {
			continue
		}
		next := want
		next.Value, next.MintedAt, next.Expiry = secret.New("minted"), now, now.Add(lifetime)
		current = tokenstore.Current{SecretID: target.Secret, VersionID: "1", Token: next}
		mints = append(mints, tick)
	}
	return mints
}

// TestTheYearIsTheFunctions runs a day of such events through the functions and
// the fake clouds: the writes are those of the year, at the same moments.
func TestTheYearIsTheFunctions(t *testing.T) {
	t.Parallel()
	days := time.Duration(size(14, 1))
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, targets(4, 3, 3, ""))
		seed, _ := firstSeed(t)
		ticks := delivered(rand.New(rand.NewPCG(seed, 0)), usual, days*24*time.Hour)
		began := time.Now()
		written := map[string][]time.Duration{}
		w.onMove(func(secret string, _, _ fakecloud.SecretVersion) {
			moment := time.Since(began).Truncate(time.Second) // some wait for a place in the quota
			written[secret] = append(written[secret], moment)
		})
		minter := start(t.Context(), w.function("minter", &clock{}), ticks, true)
		rotator := start(t.Context(), w.function("rotator", &clock{}), ticks, true)
		minter()
		rotator()
		for _, target := range w.config.Targets {
			computed := history(w.config, target, ticks, nil)
			if !slices.Equal(written[target.Secret], computed) {
				t.Errorf("%s was written at %v, computed %v", target.Secret, written[target.Secret], computed)
			}
		}
	})
}
