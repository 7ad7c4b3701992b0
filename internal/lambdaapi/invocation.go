package lambdaapi

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// invocation is one event on its way through the function. The sandbox's
// mutex guards the answer.
type invocation struct {
	id       string
	event    []byte
	deadline time.Time
	finished chan struct{} // closed when the runtime, having answered, and the extensions ask for the next event

	answered bool
	payload  []byte
	err      *FunctionError
}

// invoke takes an event through the function and fills in the result. It
// fails with a *FunctionError, or with ctx's error.
func (s *sandbox) invoke(ctx context.Context, event []byte, result *Result) error {
	s.thaw()
	start := time.Now()
	inv := &invocation{
		id:       result.RequestID,
		event:    event,
		deadline: start.Add(s.function.Timeout),
		finished: make(chan struct{}),
	}
	result.InitDuration = s.begin(inv)
	err := s.finish(ctx, inv)
	result.Duration = time.Since(start)
	s.freeze()

	s.mu.Lock()
	defer s.mu.Unlock()
	if !inv.answered {
		return err
	}
	// The caller of a real Lambda has its answer even if the function then
	// exits or is killed.
	if inv.err != nil {
		return inv.err
	}
	result.Payload = inv.payload
	return nil
}

// begin makes inv the current invocation and returns what the initialisation
// took if inv is the first.
func (s *sandbox) begin(inv *invocation) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.idle = inv, false
	s.pending = 1 + s.sendInvoke(inv)
	if s.served {
		return 0
	}
	s.served = true
	return s.initTook
}

// partDone notes that the runtime or an extension has done its part of the
// phase, and ends the phase with the last one. The caller holds the mutex.
func (s *sandbox) partDone() {
	s.pending--
	switch {
	case s.pending > 0:
	case s.initTook == 0:
		s.initTook = time.Since(s.started)
		close(s.ready)
	default:
		close(s.current.finished)
		s.current = nil
	}
}

// finish returns when the invocation is over, and without an error only if
// everyone is ready for another one.
func (s *sandbox) finish(ctx context.Context, inv *invocation) error {
	timeout := time.NewTimer(time.Until(inv.deadline))
	defer timeout.Stop()
	events := s.events
	for {
		select {
		case events <- inv:
			events = nil
		case <-inv.finished:
			return nil
		case <-s.gone:
			return s.faultOf(inv)
		case <-timeout.C:
			s.end(timedOut)
			return timeoutError(inv.id, s.function.Timeout)
		case <-ctx.Done():
			s.kill()
			return fmt.Errorf("the function was killed: %w", ctx.Err())
		}
	}
}

// faultOf is what ended the sandbox, as the error of the invocation under way.
func (s *sandbox) faultOf(inv *invocation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ended *FunctionError
	if errors.As(s.fault, &ended) {
		return lambdaError(ended.Type, inv.id, ended.Message)
	}
	return s.fault
}
