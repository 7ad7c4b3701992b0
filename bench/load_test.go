package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func sleepInBubble(until time.Time) { time.Sleep(time.Until(until)) }

func TestWhatIsDueWhileTheServerIsStuckCountsAsLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		got, err := load{perSecond: 100, requests: 8, callers: 1}.run(t.Context(), func(context.Context) error {
			if asked++; asked == 3 {
				time.Sleep(35 * time.Millisecond)
			}
			return nil
		}, sleepInBubble)
		if want := (sample{0, 0, 0.035, 0.025, 0.015, 0.005, 0, 0}); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	})
}

func TestRequestsDoNotWaitForTheAnswersToEarlierOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		got, err := load{perSecond: 100, requests: 8, callers: 4}.run(t.Context(), func(context.Context) error {
			time.Sleep(40 * time.Millisecond)
			return nil
		}, sleepInBubble)
		if err != nil || len(got) != 8 || slices.Max(got) != 0.04 {
			t.Errorf("got %v, %v, want 40 ms each", got, err)
		}
		if took := time.Since(start); took != 110*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func TestALoadEndsWithTheFirstFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		start := time.Now()
		_, err := load{perSecond: 100, requests: 1000, callers: 4}.run(t.Context(), func(context.Context) error { return refused }, sleepInBubble)
		if took := time.Since(start); !errors.Is(err, refused) || took > 20*time.Millisecond {
			t.Errorf("got %v after %v", err, took)
		}
	})
}
