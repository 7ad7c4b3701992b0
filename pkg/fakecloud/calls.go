package fakecloud

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Call is one call that a service was asked for. It holds no body, no header
// and no secret.
type Call struct {
	// Service is one of "secretsmanager", "aws-sts", "google-sts",
	// "iamcredentials", "tokeninfo", "container", "imds".
	Service string
	// Operation is what was asked for, such as "GetSecretValue", "token" or
	// "generateAccessToken"; empty when the request made no sense.
	Operation string
	// Resource is what it was asked of: a secret's name or ARN as the caller
	// wrote it (of a batch, all of them with commas between), an audience, a
	// service account's email.
	Resource string
	// Principal is who called, once the service has verified it: the ARN that
	// signed, or whose token it was. Google STS takes anybody's calls.
	Principal string
	// Status is the HTTP status of the answer; 0 when there was none.
	Status int
	// Err is the error code of the answer, such as "ResourceNotFoundException"
	// or "invalid_grant", or what a [Fault] did: "fault: reset".
	Err string
	// Attempt is the attempt number that AWS SDKs send; 0 when the client does
	// not say.
	Attempt int
	// Time is the service's clock when it took the request up: after a
	// [Fault]'s latency and with its skew.
	Time time.Time
	// Duration is from the request to the answer, by the cloud's clock.
	Duration time.Duration
}

// callLog remembers the calls.
type callLog struct {
	mu    sync.Mutex
	calls []Call
	hooks []func(Call)
}

// Calls returns every call since the start or [Cloud.ResetCalls], in the order in
// which they were decided.
func (c *Cloud) Calls() []Call {
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	return slices.Clone(c.calls.calls)
}

// Count counts the calls of an operation; "" counts any, so Count("", "")
// counts all.
func (c *Cloud) Count(service, operation string) int {
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	n := 0
	for _, call := range c.calls.calls {
		if matches(service, call.Service) && matches(operation, call.Operation) {
			n++
		}
	}
	return n
}

// ResetCalls forgets the calls so far.
func (c *Cloud) ResetCalls() {
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	c.calls.calls = nil
}

// OnCall has f called with every call from now on, when the service has
// decided and before the client sees the answer (of a call that hangs: before
// it hangs), so that f can kill a process that has done something and does not
// know it yet. f runs in the goroutine that serves the call and may use
// the cloud; calls that happen at the same time call it at the same time.
func (c *Cloud) OnCall(f func(Call)) {
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	c.calls.hooks = append(c.calls.hooks, f)
}

func (l *callLog) add(call Call) {
	l.mu.Lock()
	l.calls = append(l.calls, call)
	hooks := slices.Clone(l.hooks)
	l.mu.Unlock()
	for _, f := range hooks {
		f(call)
	}
}

// matches reports whether a rule's field, empty for any, allows a value.
func matches(want, got string) bool { return want == "" || want == got }

// attemptOf reads the header "amz-sdk-request: attempt=2; max=3".
func attemptOf(r *http.Request) int {
	for field := range strings.SplitSeq(r.Header.Get("Amz-Sdk-Request"), ";") {
		if n, found := strings.CutPrefix(strings.TrimSpace(field), "attempt="); found {
			attempt, _ := strconv.Atoi(n)
			return attempt
		}
	}
	return 0
}
