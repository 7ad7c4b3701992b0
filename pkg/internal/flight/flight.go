// Package flight has callers that want the same thing at the same time share the
// making of it, each for as long as its own context lasts.
//
// It is for a process that may be frozen at any moment between two callers, as a
// Lambda function is: nothing goes on that nobody waits for. In that it differs
// from golang.org/x/sync/singleflight, whose work runs on when all have left, or
// ends for all when the one that came first leaves.
package flight

import (
	"context"
	"errors"
	"sync"
)

// Flight makes one T at a time. The zero value is ready. Safe for concurrent use.
type Flight[T any] struct {
	mu       sync.Mutex
	underway *making[T] // nil if nothing is
}

// making is a T while it is being made.
type making[T any] struct {
	cancel  context.CancelFunc
	callers int           // guarded by Flight.mu
	done    chan struct{} // closed when made and err are set
	made    T
	err     error
}

// Do returns what fn does. Callers that come meanwhile wait for the same, and
// their own fn is not called. A caller that gives up gets its ctx.Err(), as it is,
// and leaves the rest to wait; when the last one does, the context that fn was
// given ends, and the next caller begins anew. That context has the first caller's
// values and no deadline. A fn that was given up may return after its successor.
//
// Who comes with a context that has ended gets its error and no fn is called. A
// panic of fn is in no caller's goroutine, so that none can recover from it: it
// ends the process.
func (f *Flight[T]) Do(ctx context.Context, fn func(context.Context) (T, error)) (T, error) {
	if err := ctx.Err(); err != nil {
		var none T
		return none, err
	}
	f.mu.Lock()
	m := f.underway
	if m == nil {
		m = &making[T]{done: make(chan struct{})}
		f.underway = m
		shared, cancel := context.WithCancel(context.WithoutCancel(ctx))
		m.cancel = cancel
		go f.run(shared, m, fn)
	}
	m.callers++
	f.mu.Unlock()

	select {
	case <-m.done:
		return m.made, m.err
	case <-ctx.Done():
		f.leave(m)
		var none T
		return none, ctx.Err()
	}
}

func (f *Flight[T]) run(ctx context.Context, m *making[T], fn func(context.Context) (T, error)) {
	defer m.cancel()
	m.err = errNoReturn
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.forget(m)
		close(m.done)
	}()
	m.made, m.err = fn(ctx)
}

// errNoReturn is what callers get of a fn that ended its goroutine, as
// testing.T.FailNow does.
var errNoReturn = errors.New("what was to be waited for ended with runtime.Goexit")

func (f *Flight[T]) leave(m *making[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.callers--; m.callers == 0 {
		m.cancel()
		f.forget(m)
	}
}

// forget is called with mu held.
func (f *Flight[T]) forget(m *making[T]) {
	if f.underway == m {
		f.underway = nil
	}
}
