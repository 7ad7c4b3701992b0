package lambdaapi

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// terminationGrace is how long a process may take to end after SIGTERM.
const terminationGrace = 500 * time.Millisecond

// sandbox is one process and the runtime API that is served to it alone, so
// that what a killed process sent late cannot reach its successor.
type sandbox struct {
	function Function
	server   *http.Server
	cmd      *exec.Cmd
	started  time.Time
	events   chan *invocation

	ready      chan struct{} // closed at the first request for an event
	initFailed chan struct{} // closed when the runtime has posted initError
	gone       chan struct{} // closed when the process is reaped and the server down

	mu        sync.Mutex
	initTook  time.Duration
	initError *FunctionError
	served    bool        // an invocation was begun
	current   *invocation // nil while the process waits for an event
}

// invocation is one event on its way through the function. The sandbox's
// mutex guards the answer.
type invocation struct {
	id       string
	event    []byte
	deadline time.Time
	finished chan struct{} // closed when the runtime, having answered, asks for the next event

	answered bool
	payload  []byte
	err      *FunctionError
}

func spawn(f Function) (*sandbox, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the runtime: %w", err)
	}
	s := &sandbox{
		function:   f,
		events:     make(chan *invocation),
		ready:      make(chan struct{}),
		initFailed: make(chan struct{}),
		gone:       make(chan struct{}),
	}
	s.server = &http.Server{Handler: s.routes()}
	output := &lineWriter{emit: f.Output}
	s.cmd = &exec.Cmd{
		Path: f.Bootstrap,
		Args: []string{f.Bootstrap},
		Dir:  f.TaskRoot,
		Env:  environ(f, listener.Addr().String()),
		// A process that left the group and kept the output open is not waited for.
		WaitDelay: terminationGrace,
	}
	if f.Output != nil {
		s.cmd.Stdout, s.cmd.Stderr = output, output
	}
	ownGroup(s.cmd)

	s.started = time.Now()
	if err := s.cmd.Start(); err != nil {
		_ = listener.Close()
		return nil, err
	}
	go s.serve(listener, output)
	return s, nil
}

// serve serves the runtime API for as long as the process lives.
func (s *sandbox) serve(listener net.Listener, output *lineWriter) {
	serving := make(chan struct{})
	go func() {
		defer close(serving)
		_ = s.server.Serve(listener)
	}()

	_ = s.cmd.Wait() // how it ended is in ProcessState
	killGroup(s.cmd.Process)
	output.close()
	_ = s.server.Close()
	<-serving
	close(s.gone)
}

// environ is the whole environment of the process.
func environ(f Function, api string) []string {
	env := map[string]string{
		"AWS_LAMBDA_FUNCTION_NAME":        f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.Memory),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_FORMAT":           "JSON",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + f.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      "local",
		"LAMBDA_TASK_ROOT":                f.TaskRoot,
		"TZ":                              ":UTC",
		"_HANDLER":                        "bootstrap",
	}
	maps.Copy(env, f.Env)
	env["AWS_LAMBDA_RUNTIME_API"] = api

	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return list
}

// arn is that of the function in an account that cannot exist.
func (s *sandbox) arn() string {
	region := cmp.Or(s.function.Env["AWS_REGION"], "us-east-1")
	return "arn:aws:lambda:" + region + ":000000000000:function:" + s.function.Name
}

// awaitInit returns when the process has asked for its first event. It fails
// with a *FunctionError, or with ctx's error.
func (s *sandbox) awaitInit(ctx context.Context) error {
	if s.initDuration() != 0 {
		return nil // it may be long ago, after which every case below can be true
	}
	timeout := time.NewTimer(time.Until(s.started.Add(InitTimeout)))
	defer timeout.Stop()
	select {
	case <-s.ready:
		return nil
	case <-s.initFailed:
	case <-s.gone:
	case <-timeout.C:
		return timeoutError("", InitTimeout)
	case <-ctx.Done():
		return fmt.Errorf("waiting for the initialisation: %w", ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.initError != nil {
		return s.initError
	}
	return exitError("", s.cmd.ProcessState.String())
}

func (s *sandbox) initDuration() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.initTook
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
	s.current = inv
	if s.served {
		return 0
	}
	s.served = true
	return s.initTook
}

// finish returns when the invocation is over, and without an error only if the
// process is ready for another one.
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
			return exitError(inv.id, s.cmd.ProcessState.String())
		case <-timeout.C:
			s.kill()
			return timeoutError(inv.id, s.function.Timeout)
		case <-ctx.Done():
			s.kill()
			return fmt.Errorf("the function was killed: %w", ctx.Err())
		}
	}
}

func (s *sandbox) alive() bool {
	if s == nil {
		return false
	}
	select {
	case <-s.gone:
		return false
	default:
		return true
	}
}

func (s *sandbox) kill() {
	if s.alive() {
		killGroup(s.cmd.Process)
		<-s.gone
	}
}

func (s *sandbox) terminate() {
	if !s.alive() {
		return
	}
	terminateGroup(s.cmd.Process)
	grace := time.NewTimer(terminationGrace)
	defer grace.Stop()
	select {
	case <-s.gone:
	case <-grace.C:
		s.kill()
	}
}

func (s *sandbox) freeze() {
	if s.function.Freeze && s.alive() {
		freezeGroup(s.cmd.Process)
	}
}

func (s *sandbox) thaw() {
	if s.function.Freeze && s.alive() {
		thawGroup(s.cmd.Process)
	}
}
