package main

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// load is requests that are due at a steady rate, whether or not earlier ones
// have been answered.
type load struct {
	perSecond, requests int
	// callers make the requests, one at a time each.
	callers int
}

// run returns how many seconds after it was due each request was answered. So
// what keeps a server or a caller busy for a while makes everything late that is
// due meanwhile, and shows; measured from when they are sent, requests that had to
// wait would look fast. sleep returns at a time.
func (l load) run(ctx context.Context, request func(context.Context) error, sleep func(until time.Time)) (sample, error) {
	due := make(chan time.Time, l.requests) // with room for all: the clock waits for nobody
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(due)
		start := time.Now()
		for i := range l.requests {
			at := start.Add(time.Duration(i) * time.Second / time.Duration(l.perSecond))
			sleep(at)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			due <- at
		}
		return nil
	})
	late := make([]sample, l.callers)
	for i := range late {
		group.Go(func() error {
			for at := range due {
				if err := request(ctx); err != nil {
					return err
				}
				late[i] = append(late[i], time.Since(at).Seconds())
			}
			return nil
		})
	}
	err := group.Wait()
	return slices.Concat(late...), err
}
