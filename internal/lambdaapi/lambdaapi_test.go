package lambdaapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// function is one of functions_test.go.
func function(t *testing.T, name string) Function {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Function{
		Name:      "tested",
		Bootstrap: self,
		TaskRoot:  t.TempDir(),
		// What "go test -cover" builds complains in the output where it has no GOCOVERDIR.
		Env:     map[string]string{functionVariable: name, "GOCOVERDIR": t.TempDir()},
		Timeout: time.Minute,
	}
}

func start(t *testing.T, f Function) *Environment {
	t.Helper()
	e, err := Start(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func invoke(t *testing.T, e *Environment, event string) Result {
	t.Helper()
	result, err := e.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestPayloadsArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	e := start(t, function(t, "echo"))
	for _, test := range []struct{ name, event, want string }{
		{"an object", `{"a": [1, "<&>"]}`, `{"a": [1, "<&>"]}`},
		{"null", `null`, `null`},
		{"nothing, which Lambda makes an object", ``, `{}`},
		{"100,000 bytes", `"` + strings.Repeat("x", 100_000) + `"`, `"` + strings.Repeat("x", 100_000) + `"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got, want any
			result := invoke(t, e, test.event)
			if result.Error != nil {
				t.Fatal(result.Error)
			}
			if err := errors.Join(json.Unmarshal(result.Payload, &got), json.Unmarshal([]byte(test.want), &want)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnEventIsRefusedThatLambdaRefuses(t *testing.T) {
	t.Parallel()
	e := start(t, function(t, "nothing"))
	for name, event := range map[string]string{
		"not JSON":  `{`,
		"too large": `"` + strings.Repeat("x", MaxEventSize-2) + `"`,
	} {
		if _, err := e.Invoke(t.Context(), []byte(event)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	invoke(t, e, `"`+strings.Repeat("x", MaxEventSize-3)+`"`)
}

func TestAHundredInvocationsShareOneInitialisation(t *testing.T) {
	t.Parallel()
	e := start(t, function(t, "count"))
	pid := e.PID()
	ids := map[string]bool{}
	for i := 1; i <= 100; i++ {
		result := invoke(t, e, `{}`)
		if want := strconv.Quote(fmt.Sprintf("%d of %d", i, pid)); string(result.Payload) != want {
			t.Fatalf("invocation %d answered %s, want %s", i, result.Payload, want)
		}
		if cold := result.InitDuration != 0; cold != (i == 1) {
			t.Errorf("invocation %d has init duration %v", i, result.InitDuration)
		}
		if _, err := uuid.Parse(result.RequestID); err != nil || ids[result.RequestID] {
			t.Errorf("request id %q is not a new UUID: %v", result.RequestID, err)
		}
		ids[result.RequestID] = true
	}
}

func TestConcurrentInvocationsTakeTurnsAndGetTheirOwnAnswers(t *testing.T) {
	t.Parallel()
	e := start(t, function(t, "echo"))
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			event := strconv.Itoa(i)
			result, err := e.Invoke(t.Context(), []byte(event))
			if err != nil || string(result.Payload) != event {
				t.Errorf("event %s: answer %q, error %v", event, result.Payload, err)
			}
		})
	}
	group.Wait()
}

func TestAFunctionThatFailsIsTheResult(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		function string
		wantType string
		want     string // %s is the request id
		stays    bool   // the process
	}{
		{"fail", "failure", "no luck", true},
		{"panic", "string", "at the disco", false},
		{"exit", "Runtime.ExitError", "RequestId: %s Error: Runtime exited with error: exit status 3", false},
		{"stream that breaks", "errorString", "the well is dry", true},
	} {
		t.Run(test.function, func(t *testing.T) {
			t.Parallel()
			e := start(t, function(t, test.function))
			result := invoke(t, e, `{}`)
			if result.Error == nil {
				t.Fatalf("no error, but the answer %s", result.Payload)
			}
			want := strings.ReplaceAll(test.want, "%s", result.RequestID)
			if result.Error.Type != test.wantType || result.Error.Message != want {
				t.Errorf("got %v, want %s: %s", result.Error, test.wantType, want)
			}
			if test.function == "panic" && !strings.Contains(string(result.Error.StackTrace), "functions_test.go") {
				t.Errorf("the stack trace is %s", result.Error.StackTrace)
			}
			var document map[string]any
			if err := json.Unmarshal(result.Payload, &document); err != nil || document["errorMessage"] != want {
				t.Errorf("the payload is %s", result.Payload)
			}
			if stays := e.PID() != 0; stays != test.stays {
				t.Errorf("the process is there: %v, want %v", stays, test.stays)
			}
			if again := invoke(t, e, `{}`); (again.InitDuration == 0) != test.stays {
				t.Errorf("the next invocation has init duration %v", again.InitDuration)
			}
		})
	}
}

func TestAnAnswerCountsEvenIfTheProcessExitsAtOnce(t *testing.T) {
	t.Parallel()
	e := start(t, function(t, "answer and exit"))
	for range 20 {
		if result := invoke(t, e, `{}`); string(result.Payload) != `"last words"` || result.Error != nil {
			t.Fatalf("answer %s, error %v", result.Payload, result.Error)
		}
	}
}

func TestAFunctionOverItsDeadlineIsKilledAndStartedAnew(t *testing.T) {
	t.Parallel()
	f := function(t, "hang if told to")
	f.Timeout = 100 * time.Millisecond
	e := start(t, f)
	result := invoke(t, e, `true`)
	want := &FunctionError{Type: "Sandbox.Timedout", Message: "RequestId: " + result.RequestID + " Error: Task timed out after 0.10 seconds"}
	if diff := cmp.Diff(want, result.Error); diff != "" {
		t.Error(diff)
	}
	if pid := e.PID(); pid != 0 {
		t.Errorf("process %d still runs", pid)
	}
	if result.Duration < f.Timeout {
		t.Errorf("it was killed after %v", result.Duration)
	}
	if result := invoke(t, e, `false`); result.InitDuration == 0 || result.Error != nil {
		t.Errorf("the next invocation: init duration %v, error %v", result.InitDuration, result.Error)
	}
}

func TestAResponseHasToFit(t *testing.T) {
	t.Parallel()
	var lines []string
	f := function(t, "big")
	f.Output = func(line string) { lines = append(lines, line) }
	e := start(t, f)
	if result := invoke(t, e, strconv.Itoa(MaxResponseSize)); len(result.Payload) != MaxResponseSize {
		t.Errorf("the largest response arrived with %d bytes and error %v", len(result.Payload), result.Error)
	}
	for _, size := range []int{MaxResponseSize + 1, 3 * MaxResponseSize} {
		result := invoke(t, e, strconv.Itoa(size))
		if result.Error == nil || result.Error.Type != "Function.ResponseSizeTooLarge" {
			t.Errorf("a response of %d bytes: %v", size, result.Error)
		}
	}
	e.Close()
	if n := strings.Count(strings.Join(lines, "\n"), "unexpected status code: 413"); n != 2 {
		t.Errorf("the runtime was told %d times, and wrote:\n%s", n, strings.Join(lines, "\n"))
	}
}

func TestAFunctionThatAnswersNothingSucceeds(t *testing.T) {
	t.Parallel()
	if result := invoke(t, start(t, function(t, "nothing")), `{}`); result.Error != nil {
		t.Error(result.Error)
	}
}

func TestTheFunctionSeesWhatLambdaWouldShowItAndNothingElse(t *testing.T) {
	t.Setenv("PLANTED", "in the environment of the test")
	f := function(t, "environment")
	f.Memory, f.Timeout = 256, 20*time.Second
	f.Env["AWS_REGION"] = "eu-west-1"
	f.Env["AWS_LAMBDA_LOG_FORMAT"] = "Text"
	e := start(t, f)
	before := time.Now()
	result := invoke(t, e, `{}`)
	var got description
	if err := json.Unmarshal(result.Payload, &got); err != nil {
		t.Fatal(err)
	}

	got.Environ = slices.DeleteFunc(got.Environ, func(v string) bool { return strings.HasPrefix(v, "AWS_LAMBDA_RUNTIME_API=127.0.0.1:") })
	slices.Sort(got.Environ)
	want := description{
		RequestID: result.RequestID,
		ARN:       "arn:aws:lambda:eu-west-1:000000000000:function:tested",
		Directory: f.TaskRoot,
		Environ: []string{
			"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
			"AWS_LAMBDA_FUNCTION_NAME=tested",
			"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
			"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
			"AWS_LAMBDA_LOG_FORMAT=Text",
			"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/tested",
			"AWS_LAMBDA_LOG_STREAM_NAME=local",
			"AWS_REGION=eu-west-1",
			"GOCOVERDIR=" + f.Env["GOCOVERDIR"],
			"LAMBDAAPI_TEST_FUNCTION=environment",
			"LAMBDA_TASK_ROOT=" + f.TaskRoot,
			"TZ=:UTC",
			"_HANDLER=bootstrap",
			"_X_AMZN_TRACE_ID=",
		},
	}
	deadline := got.Deadline
	got.Deadline = time.Time{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if left := deadline.Sub(before.Truncate(time.Millisecond)); left < f.Timeout || left > f.Timeout+10*time.Second {
		t.Errorf("the deadline is %v after the invocation", left)
	}
}

func TestTheProtocolIsEnforced(t *testing.T) {
	t.Parallel()
	e := start(t, function(t, "break the protocol"))
	if result := invoke(t, e, `{}`); string(result.Payload) != `[403,400,403]` {
		t.Errorf("an init error after the init, an answer for another id and a request for a second event: %s, error %v", result.Payload, result.Error)
	}
}

func TestOutputArrivesLineByLine(t *testing.T) {
	t.Parallel()
	var lines []string // Output is called one at a time, and not after the exit
	f := function(t, "print")
	f.Output = func(line string) { lines = append(lines, line) }
	invoke(t, start(t, f), `{}`)
	want := []string{"out", "err", strings.Repeat("x", maxLine), "x", "", "last words"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}

// hanging starts a function and an invocation that hangs, and returns when it does.
func hanging(t *testing.T, ctx context.Context) (*Environment, chan error) {
	t.Helper()
	printed, ended := make(chan struct{}), make(chan error, 1)
	f := function(t, "hang")
	f.Output = func(string) { close(printed) }
	e := start(t, f)
	go func() {
		result, err := e.Invoke(ctx, nil)
		if err == nil && result.Error != nil {
			err = result.Error
		}
		ended <- err
	}()
	<-printed
	return e, ended
}

func TestAnInvocationWaitsForItsTurnNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	e, ended := hanging(t, t.Context())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := e.Invoke(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	e.Kill()
	var killed *FunctionError
	if err := <-ended; !errors.As(err, &killed) || !strings.Contains(killed.Message, "signal: killed") {
		t.Errorf("the invocation that was killed ended with %v", err)
	}
}

func TestAnInvocationWhoseContextEndsIsKilled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	e, ended := hanging(t, ctx)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if pid := e.PID(); pid != 0 {
		t.Errorf("process %d still runs", pid)
	}
}

func TestAClosedEnvironmentRefusesInvocations(t *testing.T) {
	t.Parallel()
	e, ended := hanging(t, t.Context())
	e.Close()
	var failed *FunctionError
	if err := <-ended; !errors.As(err, &failed) {
		t.Errorf("the invocation under way ended with %v", err)
	}
	if _, err := e.Invoke(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("the next one with %v", err)
	}
	e.Close()
	e.Kill()
}
