package reliability_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/keeper"
)

// TestGoroutinesAndDescriptorsReturn has functions, as keeper.ReadEnvironment makes
// them, work over real connections that break in every way. When the cloud is gone,
// and with it the connections that wait to be used again, nothing is left. It runs
// before the parallel tests, whose goroutines it would count; that those leave none
// behind, synctest sees to.
func TestGoroutinesAndDescriptorsReturn(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip(err)
	}
	worlds := size(100, 3)
	seed, _ := firstSeed(t)
	rng := rand.New(rand.NewPCG(seed, 2))
	work(t, rng, 1) // what is made once stays
	time.Sleep(200 * time.Millisecond)
	goroutines, descriptors := held(t)
	n := 0
	for range worlds {
		n += work(t, rng, 10)
	}
	for range 250 { // what was closed ends a little later
		if g, d := held(t); g <= goroutines && d <= descriptors {
			figure(t, "leaks: %d invocations, then %d goroutines and %d descriptors, before %d and %d", n, g, d, goroutines, descriptors)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	g, d := held(t)
	stacks := make([]byte, 1<<20)
	t.Errorf("WIFMINT_SEED=%d: %d invocations left %d goroutines instead of %d, %d descriptors instead of %d\n%s",
		seed, n, g, goroutines, d, descriptors, stacks[:runtime.Stack(stacks, true)])
}

func held(t *testing.T) (goroutines, descriptors int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return runtime.NumGoroutine(), len(entries)
}

// work has two minters and two rotators invoked at the same time, again and again,
// in a world of their own.
func work(t *testing.T, rng *rand.Rand, rounds int) (n int) {
	s := serve(t, targets(2, 1, 1, ""))
	defer s.server.Close()
	var functions []*function
	for _, name := range []string{"minter", "minter", "rotator", "rotator"} {
		env, err := keeper.ReadEnvironment(s.getenv, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		functions = append(functions, newFunction(name, env, &clock{}))
	}
	for range rounds {
		var mend []func()
		for range rng.IntN(3) {
			f := anyFault(rng, pick(rng, "secretsmanager", "google-sts", "iamcredentials"))
			f.Latency /= 100
			mend = append(mend, s.Fault(f))
		}
		var all sync.WaitGroup
		for _, f := range functions {
			n++
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
				defer cancel()
				_, err := f.keeper.Run(ctx, keeper.Event{Force: true})
				if err != nil && !errors.As(err, new(*keeper.RunError)) {
					t.Errorf("%s: %v", f.name, err)
				}
			})
		}
		all.Wait()
		for _, m := range mend {
			m()
		}
	}
	return n
}
