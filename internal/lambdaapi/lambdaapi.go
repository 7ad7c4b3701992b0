// Package lambdaapi serves the Lambda runtime API on loopback and runs a
// function's bootstrap against it, so that the very binaries that are deployed
// run on any machine.
//
// An [Environment] is one execution environment: one process at a time, which
// is initialised once and then handles one event after the other. Its rules are
// Lambda's:
//
//   - The process sees the variables it is given and those Lambda sets, and
//     nothing of the environment of whoever started it.
//   - An invocation ends when the function has answered and asks for the next
//     event. A function that is over its deadline is killed.
//   - A process that exited, was killed or failed its initialisation is
//     replaced by the next invocation, which then is a cold start.
//   - Process groups are killed as a whole: nothing the function started
//     outlives it.
//
// It is for local runs and tests. It does not limit memory or CPU, has no
// extensions, and any process of this machine can talk to its loopback port.
//
// The protocol is "Using the Lambda runtime API for custom runtimes" in the AWS
// Lambda Developer Guide, version 2018-06-01.
package lambdaapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// DefaultTimeout is what a function gets that does not ask for more.
	DefaultTimeout = 3 * time.Second
	// DefaultMemory is in MB.
	DefaultMemory = 128
	// InitTimeout is the longest an initialisation may take. Lambda starts it
	// over once, within the first invocation; here it is an error.
	InitTimeout = 10 * time.Second
	// MaxEventSize is the size in bytes an event must stay below.
	MaxEventSize = 6 << 20
	// MaxResponseSize is in bytes; Lambda grants 100 more than 6 MiB.
	MaxResponseSize = 6<<20 + 100
)

// Function is what Lambda knows of a function. Bootstrap is required.
type Function struct {
	// Name is AWS_LAMBDA_FUNCTION_NAME; zero means "function".
	Name string
	// Bootstrap is the path of the executable, which [Build] makes.
	Bootstrap string
	// TaskRoot is LAMBDA_TASK_ROOT and the working directory; zero means
	// Bootstrap's directory.
	TaskRoot string
	// Env is the function's environment. It wins over what Lambda sets, except
	// for AWS_LAMBDA_RUNTIME_API. Lambda sets AWS_REGION and the credentials as
	// well; here they come from Env.
	Env map[string]string
	// Timeout bounds one invocation; zero means DefaultTimeout.
	Timeout time.Duration
	// Memory is AWS_LAMBDA_FUNCTION_MEMORY_SIZE in MB; zero means
	// DefaultMemory. It is told to the function, not enforced.
	Memory int
	// Output is called with every line the function writes to standard output
	// or standard error, without its newline, one call at a time. Lines longer
	// than 256 KiB come in pieces. Lines may still come after Invoke has
	// returned, but not after Kill or Close. A slow Output makes a slow
	// function. Nil drops the lines.
	Output func(line string)
	// Freeze stops the process between invocations, as Lambda does: its clock
	// jumps, its timers fire late, its idle connections time out unseen. Only
	// Unix can do it; elsewhere it does nothing.
	Freeze bool
}

func (f Function) withDefaults() (Function, error) {
	if f.Bootstrap == "" {
		return f, errors.New("no Bootstrap: name the function's executable")
	}
	bootstrap, err := filepath.Abs(f.Bootstrap)
	if err != nil {
		return f, err
	}
	f.Bootstrap = bootstrap
	if f.TaskRoot == "" {
		f.TaskRoot = filepath.Dir(bootstrap)
	}
	if f.TaskRoot, err = filepath.Abs(f.TaskRoot); err != nil {
		return f, err
	}
	if f.Name == "" {
		f.Name = "function"
	}
	if f.Timeout == 0 {
		f.Timeout = DefaultTimeout
	}
	if f.Memory == 0 {
		f.Memory = DefaultMemory
	}
	return f, nil
}

// Result is what became of an invocation that took place.
type Result struct {
	// RequestID is a UUID.
	RequestID string
	// Payload is the function's response, or the JSON document of Error.
	Payload []byte
	// Error is nil when the function succeeded.
	Error *FunctionError
	// Duration is from handing over the event to the end of the invocation.
	Duration time.Duration
	// InitDuration is from starting the process to its first request for an
	// event; zero when the process had served an invocation before.
	InitDuration time.Duration
}

// ErrClosed is the error of an Invoke of a closed environment.
var ErrClosed = errors.New("the environment is closed")

// Environment is an execution environment. Close it. Safe for concurrent use.
type Environment struct {
	function Function
	turn     chan struct{} // holds one element while an invocation is under way

	mu      sync.Mutex
	closed  bool
	sandbox *sandbox // the latest, running or gone; nil before the first
}

// Start starts the function's process and returns when it asks for its first
// event. ctx bounds the start only. An initialisation that fails is a
// *FunctionError, and nothing is left running.
func Start(ctx context.Context, f Function) (*Environment, error) {
	f, err := f.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("starting a function: %w", err)
	}
	e := &Environment{function: f, turn: make(chan struct{}, 1)}
	s, err := e.ready(ctx)
	if err != nil {
		return nil, fmt.Errorf("starting the function %s: %w", f.Name, err)
	}
	s.freeze()
	return e, nil
}

// Invoke hands the function an event, which must be JSON; an empty one is sent
// as {}, as Lambda's Invoke does. Concurrent calls take turns.
//
// What goes wrong in the function is in the result. An error means that there
// is no result: the event was refused, the environment is closed, or ctx
// ended, in which case a running function is killed.
func (e *Environment) Invoke(ctx context.Context, event []byte) (Result, error) {
	event, err := checkEvent(event)
	if err != nil {
		return Result{}, e.failed(err)
	}
	if err := ctx.Err(); err != nil {
		return Result{}, e.failed(err)
	}
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return Result{}, e.failed(fmt.Errorf("waiting for an earlier invocation: %w", ctx.Err()))
	}

	result := Result{RequestID: uuid.NewString()}
	sandbox, err := e.ready(ctx)
	if err == nil {
		err = sandbox.invoke(ctx, event, &result)
	}
	if errors.As(err, &result.Error) {
		result.Payload = result.Error.document()
		return result, nil
	}
	if err != nil {
		return Result{}, e.failed(err)
	}
	return result, nil
}

func (e *Environment) failed(err error) error {
	return fmt.Errorf("invoking %s: %w", e.function.Name, err)
}

func checkEvent(event []byte) ([]byte, error) {
	if len(event) == 0 {
		return []byte("{}"), nil
	}
	if len(event) >= MaxEventSize {
		return nil, fmt.Errorf("the event has %d bytes: it must be smaller than %d", len(event), MaxEventSize)
	}
	if !json.Valid(event) {
		return nil, errors.New("the event is not JSON")
	}
	return event, nil
}

// ready returns a sandbox that waits for an event: the one there is, or, when
// its process is gone, a new one.
func (e *Environment) ready(ctx context.Context) (*sandbox, error) {
	s, err := e.running()
	if err != nil {
		return nil, err
	}
	if err := s.awaitInit(ctx); err != nil {
		s.kill()
		return nil, err
	}
	return s, nil
}

func (e *Environment) running() (*sandbox, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	if e.sandbox.alive() {
		return e.sandbox, nil
	}
	s, err := spawn(e.function)
	if err != nil {
		return nil, err
	}
	e.sandbox = s
	return s, nil
}

// PID is the process id of the function, or 0 when it is not running.
func (e *Environment) PID() int {
	if s := e.latest(); s.alive() {
		return s.cmd.Process.Pid
	}
	return 0
}

// InitDuration is how long the latest process took from its start to its first
// request for an event.
func (e *Environment) InitDuration() time.Duration { return e.latest().initDuration() }

// Kill kills the function with SIGKILL, in the middle of whatever it does, and
// returns when nothing of it is left. The next Invoke starts it anew.
func (e *Environment) Kill() { e.latest().kill() }

// Close ends the function: with SIGTERM, and after half a second with SIGKILL.
// An invocation under way ends as if the function had exited. Nothing is left
// running when Close returns. Further calls do nothing.
func (e *Environment) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.latest().terminate()
}

func (e *Environment) latest() *sandbox {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sandbox
}
