package lambdaapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"time"
)

const (
	// terminationGrace is how long the runtime may take to end after SIGTERM. Lambda
	// grants 300 ms, and these to one that asks to be told.
	terminationGrace = 500 * time.Millisecond
	// shutdownLimit is how long the runtime and the extensions may take together,
	// according to the guide's "Shutdown phase".
	shutdownLimit = 2 * time.Second
)

// Why a sandbox ends, as extensions are told.
const (
	spindown = "spindown"
	timedOut = "timeout"
	failed   = "failure"
	atOnce   = "at once" // which they are not told
)

// sandbox is the runtime's process, those of its extensions, and the APIs that
// are served to them alone, so that what a killed process sent late cannot
// reach its successor. One goroutine, live, starts and ends the processes.
type sandbox struct {
	function   Function
	server     *http.Server
	address    string // of the server
	extensions []*extension
	started    time.Time
	events     chan *invocation

	registered chan struct{} // closed when every extension has registered
	ready      chan struct{} // closed when the runtime and every extension have asked for an event
	initFailed chan struct{} // closed when the runtime has posted initError
	broken     chan struct{} // closed with the first process that ended or could not be started
	stop       chan string   // why the sandbox is to end; the first reason holds
	killed     chan struct{} // closed, by killOnce, when it is to end without any more time
	killOnce   sync.Once
	gone       chan struct{} // closed when the processes are reaped and the server down

	mu        sync.Mutex
	runtime   *process   // nil until the extensions have registered
	processes []*process // the extensions, in their order, and the runtime
	ending    bool       // no process is to be frozen any more
	fault     error      // of the first process that ended or could not be started
	pending   int        // of the runtime and the extensions: who has a part in this phase and has not done it
	idle      bool       // the runtime waits for an event
	initTook  time.Duration
	initError *FunctionError
	served    bool        // an invocation was begun
	current   *invocation // nil while everyone waits for an event
}

func spawn(f Function) (*sandbox, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the runtime: %w", err)
	}
	s := &sandbox{
		function:   f,
		address:    listener.Addr().String(),
		started:    time.Now(),
		events:     make(chan *invocation),
		registered: make(chan struct{}),
		ready:      make(chan struct{}),
		initFailed: make(chan struct{}),
		broken:     make(chan struct{}),
		stop:       make(chan string, 1),
		killed:     make(chan struct{}),
		gone:       make(chan struct{}),
		pending:    1 + len(f.Extensions),
	}
	for _, path := range f.Extensions {
		s.extensions = append(s.extensions, newExtension(path))
	}
	if len(s.extensions) == 0 {
		close(s.registered)
	}
	s.server = &http.Server{Handler: s.routes()}
	go s.live(listener)
	return s, nil
}

// live takes the sandbox from its first process to the end of its last, and
// serves the APIs meanwhile.
func (s *sandbox) live(listener net.Listener) {
	serving := make(chan struct{})
	go func() {
		defer close(serving)
		_ = s.server.Serve(listener)
	}()

	s.shutDown(s.run())
	s.fail(errors.New("it was ended before it had started"))
	_ = s.server.Close()
	<-serving
	close(s.gone)
}

// run starts the extensions and, when they have registered, the runtime. It
// returns why they are to end.
func (s *sandbox) run() (reason string) {
	env, output := environ(s.function, s.address), s.output()
	for _, x := range s.extensions {
		ended := func(status string) *FunctionError { return s.extensionError(x, status) }
		if err := s.launch(&x.process, x.command(env), output, ended); err != nil {
			s.fail(lambdaError("Extension.LaunchError", "", x.name+": "+err.Error()))
			return failed
		}
	}
	if reason := s.await(s.registered); reason != "" {
		return reason
	}
	bootstrap := &exec.Cmd{
		Path: s.function.Bootstrap,
		Args: []string{s.function.Bootstrap},
		Dir:  s.function.TaskRoot,
		Env:  env,
	}
	if err := s.launch(&s.runtime, bootstrap, output, exitError); err != nil {
		s.fail(err)
		return failed
	}
	return s.await(nil)
}

// await returns why the sandbox is to end, or nothing when done is closed first.
func (s *sandbox) await(done chan struct{}) (reason string) {
	select {
	case <-done:
		return ""
	case <-s.broken:
		return failed
	case <-s.killed:
		return atOnce
	case reason = <-s.stop:
		return reason
	}
}

// launch starts a process with whose end the sandbox's begins, and puts it into
// place before any request of it is answered. ended makes an error of how it ended.
func (s *sandbox) launch(place **process, cmd *exec.Cmd, output func(string), ended func(status string) *FunctionError) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := startProcess(cmd, output, func(status string) { s.fail(ended(status)) })
	if err != nil {
		return err
	}
	*place = p
	s.processes = append(s.processes, p)
	return nil
}

// output is the function's Output for several processes.
func (s *sandbox) output() func(line string) {
	if s.function.Output == nil {
		return nil
	}
	var turn sync.Mutex
	return func(line string) {
		turn.Lock()
		defer turn.Unlock()
		s.function.Output(line)
	}
}

// fail notes why the sandbox ends. What comes later is a consequence.
func (s *sandbox) fail(fault error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil {
		s.fault = fault
		close(s.broken)
	}
}

// shutDown ends every process in Lambda's order: the runtime by SIGTERM, then
// the extensions by their SHUTDOWN event, and who takes too long by SIGKILL.
// Without extensions the runtime has time only if nothing went wrong.
func (s *sandbox) shutDown(reason string) {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	if reason == atOnce || reason != spindown && len(s.extensions) == 0 {
		for _, p := range slices.Backward(s.processes) { // the runtime first: its end is the error
			p.kill()
		}
		return
	}
	s.thaw()
	start := time.Now()
	if s.runtime != nil {
		s.runtime.signal(terminateGroup)
		s.runtime.end(start.Add(terminationGrace), s.killed)
	}
	deadline := start.Add(shutdownLimit)
	for _, x := range s.extensions {
		s.sendShutdown(x, reason, deadline)
	}
	for _, x := range s.extensions {
		if x.process != nil {
			x.process.end(deadline, s.killed)
		}
	}
}

// arn is that of the function in an account that cannot exist.
func (s *sandbox) arn() string {
	region := cmp.Or(s.function.Env["AWS_REGION"], "us-east-1")
	return "arn:aws:lambda:" + region + ":000000000000:function:" + s.function.Name
}

// awaitInit returns when the runtime and the extensions have asked for their
// first event. It fails with a *FunctionError, with that of a process that could
// not be started, or with ctx's error.
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
	return s.fault
}

func (s *sandbox) initDuration() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.initTook
}

// pid is 0 when the runtime is not running.
func (s *sandbox) pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runtime == nil || !s.alive() {
		return 0
	}
	return s.runtime.cmd.Process.Pid
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

// settle waits for the end of a sandbox that is ending.
func (s *sandbox) settle() {
	if s == nil {
		return
	}
	select {
	case <-s.broken:
		<-s.gone
	default:
	}
}

// kill returns when nothing is left of the sandbox, to which it gives no time.
func (s *sandbox) kill() {
	s.killOnce.Do(func() { close(s.killed) })
	<-s.gone
}

// end returns when nothing is left of the sandbox, which had its time to end.
func (s *sandbox) end(reason string) {
	select {
	case s.stop <- reason:
	default: // it ends already
	}
	<-s.gone
}

// freeze stops every process, unless they are to end.
func (s *sandbox) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.function.Freeze || s.ending {
		return
	}
	for _, p := range s.processes {
		p.signal(freezeGroup)
	}
}

func (s *sandbox) thaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.processes {
		p.signal(thawGroup)
	}
}
