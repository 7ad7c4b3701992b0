package flight_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/flight"
)

func TestCallersAtTheSameTimeShareOneMaking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f flight.Flight[int]
		var calls atomic.Int32
		slow := func(context.Context) (int, error) {
			time.Sleep(time.Second)
			return int(calls.Add(1)), nil
		}
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if got, err := f.Do(t.Context(), slow); got != 1 || err != nil {
					t.Errorf("Do = %d, %v, want what was made once", got, err)
				}
			})
		}
		all.Wait()
		if got, err := f.Do(t.Context(), slow); got != 2 || err != nil {
			t.Errorf("Do afterwards = %d, %v, want another one", got, err)
		}
	})
}

func TestOneCallersGivingUpHurtsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f flight.Flight[string]
		slow := func(ctx context.Context) (string, error) {
			select {
			case <-time.After(10 * time.Second):
				return "made", nil
			case <-ctx.Done():
				return "", errors.New("was cancelled")
			}
		}
		var all sync.WaitGroup
		all.Go(func() { // comes first, so that the work is begun by who leaves
			hasty, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			if _, err := f.Do(hasty, slow); err != context.DeadlineExceeded {
				t.Errorf("the hasty caller's error is %v, want its own context's", err)
			}
			if waited := time.Since(began); waited != time.Second {
				t.Errorf("the hasty caller waited %v, want its own second", waited)
			}
		})
		synctest.Wait()
		if got, err := f.Do(t.Context(), slow); got != "made" || err != nil {
			t.Errorf("the patient caller got %q, %v", got, err)
		}
		all.Wait()
	})
}

func TestWorkEndsWithTheLastCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f flight.Flight[string]
		ended := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		// It takes its time to end: its successor begins meanwhile.
		_, err := f.Do(ctx, func(ctx context.Context) (string, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended <- ctx.Err()
			return "late", nil
		})
		if err != context.DeadlineExceeded {
			t.Errorf("error = %v, want the caller's own", err)
		}
		var calls atomic.Int32
		var all sync.WaitGroup
		for _, wait := range []time.Duration{0, 3 * time.Second} {
			all.Go(func() {
				time.Sleep(wait)
				got, err := f.Do(t.Context(), func(context.Context) (string, error) {
					calls.Add(1)
					time.Sleep(5 * time.Second) // the late one comes in before
					return "new", nil
				})
				if got != "new" || err != nil {
					t.Errorf("who came after %v got %q, %v, want the new one", wait, got, err)
				}
			})
		}
		all.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("the late one had its successor forgotten: %d makings, want one", n)
		}
		if err := <-ended; err != context.Canceled {
			t.Errorf("the context of the work nobody waits for ended with %v", err)
		}
	})
}

func TestNothingIsBegunForWhoHasGivenUpAlready(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var f flight.Flight[int]
	_, err := f.Do(ctx, func(context.Context) (int, error) {
		t.Error("it was begun")
		return 0, nil
	})
	if err != context.Canceled {
		t.Errorf("error = %v, want the caller's own", err)
	}
}

func TestWhatIsMadeHasTheValuesOfWhoCameFirst(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "trace"), time.Hour)
	defer cancel()
	var f flight.Flight[any]
	got, err := f.Do(ctx, func(ctx context.Context) (any, error) {
		if _, ok := ctx.Deadline(); ok {
			t.Error("it has its deadline, too")
		}
		return ctx.Value(key{}), nil
	})
	if got != "trace" || err != nil {
		t.Errorf("Do = %v, %v", got, err)
	}
}

func TestAnEndedGoroutineLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f flight.Flight[int]
		got, err := f.Do(t.Context(), func(context.Context) (int, error) {
			runtime.Goexit()
			return 1, nil
		})
		if got != 0 || err == nil {
			t.Errorf("Do = %d, %v, want an error", got, err)
		}
		if got, err := f.Do(t.Context(), func(context.Context) (int, error) { return 2, nil }); got != 2 || err != nil {
			t.Errorf("Do afterwards = %d, %v", got, err)
		}
	})
}

func TestThoseWhoComeTogetherFailTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f flight.Flight[int]
		failure := errors.New("no luck")
		var calls atomic.Int32
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				_, err := f.Do(t.Context(), func(context.Context) (int, error) {
					calls.Add(1)
					time.Sleep(time.Second)
					return 0, failure
				})
				if err != failure {
					t.Errorf("error = %v, want the one of the making", err)
				}
			})
		}
		all.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("it was tried %d times, want once", n)
		}
	})
}
