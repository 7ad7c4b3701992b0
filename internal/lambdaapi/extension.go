package lambdaapi

import (
	"os/exec"
	"path/filepath"
	"time"

	"github.com/google/uuid"
)

// extension is an external extension of a sandbox, whose mutex guards what is
// below process.
type extension struct {
	name, path string
	id         string              // told to it when it registers
	events     chan extensionEvent // takes an INVOKE and a SHUTDOWN without blocking; there are never more

	process *process // nil until it is started; the sandbox's goroutine uses it

	registered       bool
	invoke, shutdown bool           // the events that it registered for
	ready            bool           // it has asked for an event
	waiting          bool           // it has asked for the next one
	reported         *FunctionError // what it posted; it is to exit
}

// extensionEvent is an answer of the Extensions API to a request for the next
// event. Tracing is left out, as Lambda does when there is none.
type extensionEvent struct {
	Type           string `json:"eventType"`
	DeadlineMs     int64  `json:"deadlineMs"`
	RequestID      string `json:"requestId,omitempty"`
	ARN            string `json:"invokedFunctionArn,omitempty"`
	ShutdownReason string `json:"shutdownReason,omitempty"`
}

const (
	invokeEvent   = "INVOKE"
	shutdownEvent = "SHUTDOWN"
)

func newExtension(path string) *extension {
	return &extension{name: filepath.Base(path), path: path, id: uuid.NewString(), events: make(chan extensionEvent, 2)}
}

// extensionError is the error of an extension that ended, and with it the sandbox.
func (s *sandbox) extensionError(x *extension, status string) *FunctionError {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.reported == nil {
		return lambdaError("Extension.Crash", "", x.name+": "+status)
	}
	return lambdaError(x.reported.Type, "", x.name+": "+status+": "+x.reported.Message)
}

// command starts the extension.
func (x *extension) command(environ []string) *exec.Cmd {
	return &exec.Cmd{Path: x.path, Args: []string{x.path}, Dir: "/", Env: extensionEnviron(environ)}
}

// sendInvoke sends inv to the extensions that asked for it, and returns their
// number. The caller holds the mutex.
func (s *sandbox) sendInvoke(inv *invocation) (n int) {
	for _, x := range s.extensions {
		if x.invoke {
			x.waiting = false
			x.events <- extensionEvent{Type: invokeEvent, DeadlineMs: inv.deadline.UnixMilli(), RequestID: inv.id, ARN: s.arn()}
			n++
		}
	}
	return n
}

// sendShutdown tells an extension why and by when it is to end, if it asked to
// be told. Else it is killed.
func (s *sandbox) sendShutdown(x *extension, reason string, deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.shutdown {
		x.events <- extensionEvent{Type: shutdownEvent, DeadlineMs: deadline.UnixMilli(), ShutdownReason: reason}
	} else if x.process != nil {
		x.process.signal(killGroup)
	}
}
