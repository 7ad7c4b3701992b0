package lambdaapi

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// transcript collects lines of Output.
type transcript struct {
	mu    sync.Mutex
	lines []string
}

func (tr *transcript) add(line string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lines = append(tr.lines, line)
}

func (tr *transcript) all() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clone(tr.lines)
}

// events are the events among the lines.
func (tr *transcript) events(t *testing.T) (events []extensionEvent) {
	t.Helper()
	for _, line := range tr.all() {
		if strings.HasPrefix(line, "{") {
			var event extensionEvent
			if err := json.Unmarshal([]byte(line), &event); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			events = append(events, event)
		}
	}
	return events
}

func TestTheFunctionStartsWhenTheExtensionHasRegisteredAndIsReadyWhenBothAre(t *testing.T) {
	t.Parallel()
	var out transcript
	f := withExtensions(t, "print in init", "narrator")
	f.Output = out.add
	e := start(t, f)
	if diff := cmp.Diff([]string{"narrator registers", "function starts"}, out.all()); diff != "" {
		t.Error(diff)
	}
	if took := e.InitDuration(); took < 150*time.Millisecond {
		t.Errorf("the initialisation was over after %v, before the extension asked for an event", took)
	}
}

func TestAnInvocationIsTheExtensionsTooAndEndsWithTheLastOfThem(t *testing.T) {
	t.Parallel()
	var out transcript
	f := withExtensions(t, "nothing", "narrator", "usher", "recluse")
	f.Output = out.add
	e := start(t, f)
	var want []extensionEvent
	for range 2 {
		begun := time.Now()
		result := invoke(t, e, `{}`)
		if result.Duration < 100*time.Millisecond || result.Error != nil {
			t.Errorf("it took %v, error %v", result.Duration, result.Error)
		}
		want = append(want, extensionEvent{
			Type: invokeEvent, RequestID: result.RequestID, ARN: "arn:aws:lambda:us-east-1:000000000000:function:tested",
		})
		events := out.events(t)
		last := &events[len(events)-1]
		if left := time.UnixMilli(last.DeadlineMs).Sub(begun.Truncate(time.Millisecond)); left < f.Timeout || left > f.Timeout+10*time.Second {
			t.Errorf("the deadline is %v after the invocation", left)
		}
		for i := range events {
			events[i].DeadlineMs = 0
		}
		if diff := cmp.Diff(want, events); diff != "" {
			t.Error(diff)
		}
	}
}

func TestExtensionsAreToldWhyTheyEnd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, function, event, reason string }{
		{"the environment is closed", "nothing", "", spindown},
		{"the function is over its deadline", "hang if told to", "true", timedOut},
		{"the function exits", "exit", "{}", failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out transcript
			f := withExtensions(t, test.function, "usher", "recluse")
			f.Output, f.Timeout = out.add, time.Second
			e := start(t, f)
			begun := time.Now()
			if test.event == "" {
				e.Close()
			} else if result := invoke(t, e, test.event); result.Error == nil {
				t.Errorf("no error, but the answer %s", result.Payload)
			}
			took := time.Since(begun)
			if took > shutdownLimit {
				t.Errorf("it took %v: an extension that is told nothing has no time either", took)
			}
			events := out.events(t)
			if len(events) != 1 || events[0].Type != shutdownEvent || events[0].ShutdownReason != test.reason {
				t.Fatalf("the extensions print %q", out.all())
			}
			if left := time.UnixMilli(events[0].DeadlineMs).Sub(begun); left < shutdownLimit-time.Millisecond || left > shutdownLimit+took {
				t.Errorf("the deadline is %v after the beginning", left)
			}
			if pid := e.PID(); pid != 0 {
				t.Errorf("process %d still runs", pid)
			}
		})
	}
}

func TestAnExtensionHasTwoSecondsToEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		do    func(*Environment)
		least time.Duration
	}{
		"closed": {(*Environment).Close, shutdownLimit},
		"killed": {(*Environment).Kill, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t, withExtensions(t, "nothing", "stubborn"))
			begun := time.Now()
			end.do(e)
			if took := time.Since(begun); took < end.least || took > end.least+time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestAnExtensionThatFailsFailsTheStart(t *testing.T) {
	t.Parallel()
	missing := withExtensions(t, "nothing")
	missing.Extensions = []string{filepath.Join(t.TempDir(), "missing")}
	twins := withExtensions(t, "nothing", "usher", "usher")
	for _, test := range []struct {
		f    Function
		want string
	}{
		{withExtensions(t, "nothing", "usher", "stillborn"), "Extension.Crash: stillborn: exit status 3"},
		{withExtensions(t, "nothing", "doomed"), "Extension.InitError: doomed: exit status 4: Config.Missing: no secrets"},
		{missing, "Extension.LaunchError: missing: "},
		{twins, "two extensions are named usher: rename one's file"},
	} {
		t.Run(test.want, func(t *testing.T) {
			t.Parallel()
			if _, err := Start(t.Context(), test.f); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheStartWaitsForTheExtension(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Start(ctx, withExtensions(t, "nothing", "late")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAnExtensionThatEndsFailsTheInvocationAndAllStartAnew(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]FunctionError{
		"fragile": {Type: "Extension.Crash", Message: "fragile: exit status 5"},
		"quitter": {Type: "Extension.ExitError", Message: "quitter: exit status 6: Config.Missing: no secrets"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out transcript
			f := withExtensions(t, "hang", name, "usher")
			f.Output = out.add
			e := start(t, f)
			for range 2 {
				result := invoke(t, e, `{}`)
				want := &FunctionError{Type: want.Type, Message: "RequestId: " + result.RequestID + " Error: " + want.Message}
				if diff := cmp.Diff(want, result.Error); diff != "" {
					t.Error(diff)
				}
				if result.InitDuration == 0 {
					t.Error("it was no cold start")
				}
			}
			if events := out.events(t); len(events) != 2 || events[0].ShutdownReason != failed {
				t.Errorf("the other extension was told %+v", events)
			}
			if name == "quitter" && !slices.Contains(out.all(), "403") {
				t.Errorf("after its report it can go on: %q", out.all())
			}
		})
	}
}

func TestTheExtensionsProtocolIsEnforced(t *testing.T) {
	t.Parallel()
	var out transcript
	f := withExtensions(t, "hang if told to", "rebel")
	f.Output = out.add
	result := invoke(t, start(t, f), `true`)
	if result.Error == nil || !strings.HasSuffix(result.Error.Error(), "rebel: exit status 7: Had.Enough: ") {
		t.Errorf("the invocation ended with %v", result.Error)
	}
	want := []string{
		"no name: 403 Extension.InvalidExtensionName",
		"another name: 403 Extension.InvalidExtensionName",
		"no document: 403 InvalidRequestFormat",
		"another event: 403 Extension.InvalidEventType",
		"next before it registers: 403 Extension.MissingExtensionIdentifier",
		"registers: 200 ",
		"registers again: 403 Extension.InvalidExtensionState",
		"another identifier: 403 Extension.UnknownExtensionIdentifier",
		"no type of error: 403 Extension.MissingHeader",
		"an error of the initialisation after it: 403 Extension.InvalidExtensionState",
		"one of two at once: 403",
		"reports: 202 ",
		"reports again: 202 ",
		"next after that: 403 Extension.InvalidExtensionState",
	}
	if diff := cmp.Diff(want, out.all()); diff != "" {
		t.Error(diff)
	}
}

func TestAnExtensionSeesTheFunctionsVariablesWithoutTheRuntimesOwn(t *testing.T) {
	t.Parallel()
	var out transcript
	f := withExtensions(t, "nothing", "window")
	f.Env["WIFMINT_SECRETS"] = "a"
	f.Env["AWS_EXECUTION_ENV"] = "AWS_Lambda_provided.al2023"
	f.Output = out.add
	start(t, f)
	environment := out.all()[0]
	for _, name := range []string{"WIFMINT_SECRETS=a", "AWS_LAMBDA_RUNTIME_API=", "AWS_LAMBDA_FUNCTION_NAME=tested"} {
		if !strings.Contains(environment, name) {
			t.Errorf("there is no %s in %s", name, environment)
		}
	}
	for _, name := range []string{"_HANDLER", "LAMBDA_TASK_ROOT", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_EXECUTION_ENV"} {
		if strings.Contains(environment, name+"=") {
			t.Errorf("there is %s in %s", name, environment)
		}
	}
}
