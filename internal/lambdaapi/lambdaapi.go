// Package lambdaapi serves the Lambda runtime API and Extensions API on loopback
// and runs a function's bootstrap and its extensions against them, so that the
// very binaries that are deployed run on any machine.
//
// An [Environment] is one execution environment: one process of the function and
// one of each extension, which are initialised once and then handle one event
// after the other. Its rules are Lambda's:
//
//   - A process sees the variables it is given and those Lambda sets, and
//     nothing of the environment of whoever started it.
//   - The function starts when every extension has registered. The initialisation
//     is over when it and they have asked for an event.
//   - An invocation ends when the function has answered and it and the extensions
//     that were told of the invocation ask for the next event. A function that is
//     over its deadline is killed.
//   - When a process exited, was killed or failed its initialisation, the others
//     are ended too, and the next invocation, which then is a cold start, starts
//     all anew.
//   - Extensions are told of the end, and why, after the function has ended. They
//     have the rest of 2 seconds.
//   - Process groups are killed as a whole: nothing that a process started
//     outlives it.
//
// It is for local runs and tests. It does not limit memory or CPU, does not
// trace, has neither internal extensions nor the Telemetry API, and any process
// of this machine can talk to its loopback port.
//
// The protocols are "Using the Lambda runtime API for custom runtimes", version
// 2018-06-01, and "Using the Lambda Extensions API to create extensions", version
// 2020-01-01, in the AWS Lambda Developer Guide. Refusals of the second, of which
// the guide gives only the status, are those of AWS's runtime interface emulator.
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
	// Extensions are the paths of external extensions' executables, which Lambda
	// finds in /opt/extensions. An extension's name is its file's.
	Extensions []string
	// Env is the function's environment. It wins over what Lambda sets, except
	// for AWS_LAMBDA_RUNTIME_API. Lambda sets AWS_REGION and the credentials as
	// well; here they come from Env. Extensions get it too, but for the variables
	// that Lambda keeps to the runtime.
	Env map[string]string
	// Timeout bounds one invocation; zero means DefaultTimeout.
	Timeout time.Duration
	// Memory is AWS_LAMBDA_FUNCTION_MEMORY_SIZE in MB; zero means
	// DefaultMemory. It is told to the function, not enforced.
	Memory int
	// Output is called with every line a process writes to standard output or
	// standard error, without its newline, one call at a time. Lines longer
	// than 256 KiB come in pieces. Lines may still come after Invoke has
	// returned, but not after Kill or Close. A slow Output makes a slow
	// function. Nil drops the lines.
	Output func(line string)
	// Freeze stops the processes between invocations, as Lambda does: their clocks
	// jump, their timers fire late, their idle connections time out unseen. Only
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
	if f.Extensions, err = absolute(f.Extensions); err != nil {
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

// absolute fails when two extensions would have the same name.
func absolute(extensions []string) ([]string, error) {
	paths, names := make([]string, len(extensions)), map[string]bool{}
	for i, path := range extensions {
		name := filepath.Base(path)
		if names[name] {
			return nil, fmt.Errorf("two extensions are named %s: rename one's file", name)
		}
		names[name] = true
		var err error
		if paths[i], err = filepath.Abs(path); err != nil {
			return nil, err
		}
	}
	return paths, nil
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
	// InitDuration is from starting the first process to the last one's first
	// request for an event; zero when they had served an invocation before.
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
	sandbox *sandbox // the latest, running, ending or gone; nil before the first
}

// Start starts the processes and returns when each has asked for its first
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
// one of its processes has ended, a new one.
func (e *Environment) ready(ctx context.Context) (*sandbox, error) {
	e.latest().settle()
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
func (e *Environment) PID() int { return e.latest().pid() }

// InitDuration is how long the latest processes took from their start to the
// last one's first request for an event.
func (e *Environment) InitDuration() time.Duration { return e.latest().initDuration() }

// Kill kills the processes with SIGKILL, in the middle of whatever they do, and
// returns when nothing of them is left. The next Invoke starts them anew.
func (e *Environment) Kill() { e.latest().kill() }

// Close ends the function with SIGTERM, and then the extensions with SHUTDOWN.
// After half a second, and after 2 seconds from the beginning, comes SIGKILL. An
// invocation under way ends as if the function had exited. Nothing is left
// running when Close returns. Further calls do nothing.
func (e *Environment) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.latest().end(spindown)
}

func (e *Environment) latest() *sandbox {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sandbox
}
