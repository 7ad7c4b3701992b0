package reliability_test

import (
	"cmp"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// What docs/reliability.md computes. Moments are counted from the first tick.

// readerMargin is how much of its life a token has left at least when a reader
// gets it, and readerRenews how much when a reader looks for a newer one.
const (
	readerMargin = 30 * time.Second
	readerRenews = 225 * time.Second
)

// bearerLife is how much of its life the minter's token has left at least when the
// rotator impersonates with it.
const bearerLife = 5 * time.Minute

// life is a target's: how long its tokens are good, and how long after its minting
// one becomes due.
type life struct{ lifetime, wait time.Duration }

// lifeOf asks the functions' own rule, by the second, and holds it against the
// documented one.
func lifeOf(t *testing.T, config *keeper.Config, target keeper.Target) life {
	t.Helper()
	lifetime := cmp.Or(target.Lifetime, keeper.DefaultLifetime)
	token := config.Identity(target)
	token.MintedAt = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	token.Expiry = token.MintedAt.Add(lifetime)
	current := tokenstore.Current{VersionID: "1", Token: token}
	seconds := sort.Search(int(lifetime/time.Second), func(s int) bool {
		return keeper.Due(target, token, current, token.MintedAt.Add(time.Duration(s)*time.Second))
	})
	wait := time.Duration(seconds) * time.Second
	longest := time.Duration((1 - target.RefreshAt) * float64(lifetime))
	if wait > longest+time.Second || wait < longest*9/10 {
		t.Errorf("%s becomes due after %v, which is not within a tenth below %v", target.Name, wait, longest)
	}
	return life{lifetime, wait}
}

// survives is the longest outage that no reader notices, wherever in the life of a
// token it begins and however it lies to the ticks: every is the longest time
// between two of them.
func (l life) survives(every time.Duration) time.Duration {
	return l.lifetime - l.wait - 2*every - readerMargin
}

// bears is how long an outage of Google STS alone is none for an impersonated
// target, wherever it begins: for as long as the minter's token, whose life this is,
// serves the rotator.
func (l life) bears(every time.Duration) time.Duration {
	return max(0, l.lifetime-l.wait-every-bearerLife)
}

// outage is a time during which a service fails every call: one of the fake cloud's,
// or both of "google".
type outage struct {
	service  string
	from, to time.Duration
}

// felt is an outage as the minting of a target's tokens meets it. minter is the life
// of the minter's token that the rotator uses, and mints are its moments.
func (o outage) felt(target keeper.Target, minter life, mints []time.Duration) outage {
	switch {
	case o.service == "iamcredentials" && target.Federated():
		o.to = o.from
	case o.service == "google-sts" && !target.Federated():
		next, _ := slices.BinarySearch(mints, o.from)
		serves := mints[next-1] + minter.lifetime - bearerLife // until then, and then too
		o.from = max(o.from, serves+time.Second)
		o.to = max(o.from, o.to)
	}
	return o
}

func (o outage) covers(moment time.Duration) bool { return o.from <= moment && moment < o.to }

// mints are the ticks at which a target's token is replaced: those that find it
// due, or find none, outside the outage.
func (l life) mints(ticks []time.Duration, o outage) []time.Duration {
	var all []time.Duration
	for _, tick := range ticks {
		if !o.covers(tick) && (len(all) == 0 || tick >= all[len(all)-1]+l.wait) {
			all = append(all, tick)
		}
	}
	return all
}

// gaps are when a reader has no token that asks every second. It keeps what it read
// until little of that is left. What it reads through has read it in the last ttl.
func (l life) gaps(mints []time.Duration, o outage, until, ttl time.Duration) []gap {
	var all []gap
	kept, copied, repeats, open := time.Duration(0), time.Duration(0), time.Duration(0), false
	for now := mints[0]; now < until; now += time.Second {
		if kept-now < readerRenews {
			if now >= repeats && !(o.service == "secretsmanager" && o.covers(now)) {
				newer, _ := slices.BinarySearch(mints, now+1)
				copied, repeats = mints[newer-1]+l.lifetime, now+ttl
			}
			kept = max(kept, copied)
		}
		switch without := kept-now < readerMargin; {
		case without && !open:
			all = append(all, gap{now, 1<<63 - 1})
			open = true
		case !without && open:
			all[len(all)-1].to = now
			open = false
		}
	}
	return all
}

// closeTo reports whether measured gaps are the computed ones: what a failing
// invocation tries again for some seconds, and a reader, which does not ask a store
// that failed for 5, make them a little longer or shorter.
func closeTo(measured, computed []gap, tolerance time.Duration) bool {
	// A gap as short as that may not show at all.
	long := func(g gap) bool { return g.length() > tolerance }
	measured, computed = only(measured, long), only(computed, long)
	return slices.EqualFunc(measured, computed, func(a, b gap) bool {
		return (a.from-b.from).Abs() <= tolerance && (a.to-b.to).Abs() <= tolerance
	})
}

func only(gaps []gap, keep func(gap) bool) []gap {
	return slices.DeleteFunc(slices.Clone(gaps), func(g gap) bool { return !keep(g) })
}
