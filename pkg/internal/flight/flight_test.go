package flight_test

import (
	"context"
	"errors"
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
		got, err := f.Do(t.Context(), func(context.Context) (string, error) {
			time.Sleep(5 * time.Second) // the late one comes in before
			return "new", nil
		})
		if got != "new" || err != nil {
			t.Errorf("the next caller got %q, %v, want its own making", got, err)
		}
		if err := <-ended; err != context.Canceled {
			t.Errorf("the context of the work nobody waits for ended with %v", err)
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
