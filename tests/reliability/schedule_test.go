package reliability_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// usual is the template's ScheduleExpression.
const usual = 5 * time.Minute

// punctual are the moments of a schedule with which nothing ever goes wrong, and
// whose failed invocations Lambda does not repeat: the worst that a function that
// hopes for repetition can meet.
func punctual(every, until time.Duration) []time.Duration {
	var at []time.Duration
	for tick := time.Duration(0); tick < until; tick += every {
		at = append(at, tick)
	}
	return at
}

// delivered are the moments of a schedule as AWS documents it. Scheduler invokes
// within the minute that a tick is meant for, at least once; the event then waits
// in Lambda's queue, which may deliver it twice, late, or, when it has become
// older than the template's 5 minutes, never.
//
//   - https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
//   - https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
func delivered(rng *rand.Rand, every, until time.Duration) []time.Duration {
	within := func(d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))).Truncate(time.Second) }
	var at []time.Duration
	for _, tick := range punctual(every, until) {
		tick += within(time.Minute)
		switch p := rng.Float64(); {
		case p < 0.02: // lost
			continue
		case p < 0.05: // late
			tick += within(5 * time.Minute)
		}
		at = append(at, tick)
		if rng.Float64() < 0.05 {
			at = append(at, tick+within(time.Minute))
		}
	}
	slices.Sort(at)
	return at
}

// longestWait is the longest time between two moments of a schedule.
func longestWait(at []time.Duration) (longest time.Duration) {
	for i := 1; i < len(at); i++ {
		longest = max(longest, at[i]-at[i-1])
	}
	return longest
}

// start has Lambda invoke a function at moments counted from now, each in its own
// execution environment. With repeat, it repeats a failed invocation after one and
// two minutes, like Lambda, until the event is 5 minutes old. Done is called when
// all have ended.
func start(ctx context.Context, f *function, at []time.Duration, repeat bool) (wait func()) {
	var all sync.WaitGroup
	began := time.Now()
	all.Go(func() {
		for _, moment := range at {
			time.Sleep(time.Until(began.Add(moment)))
			all.Go(func() { deliver(ctx, f, repeat) })
		}
	})
	return all.Wait
}

func deliver(ctx context.Context, f *function, repeat bool) {
	queued := time.Now()
	for _, pause := range []time.Duration{time.Minute, 2 * time.Minute, 0} {
		_, err := f.invoke(ctx, "{}")
		if err == nil || !repeat || pause == 0 || time.Since(queued)+pause > 5*time.Minute {
			return
		}
		time.Sleep(pause)
	}
}
