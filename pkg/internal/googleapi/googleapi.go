// Package googleapi makes one call to a Google endpoint, with everything such
// a call needs: a deadline inside the caller's, a capped body, no redirects and
// no cookies, a strict check of the host, both of Google's error shapes, and
// bounded retry. It knows no service; googlests and impersonate bring theirs.
package googleapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/wifmint/wifmint/pkg/secret"
)

// MaxBody is the most that is read of any answer, in bytes. Google's longest
// tokens are 12 KiB; one byte more than MaxBody is an error and ends the reading.
const MaxBody = 1 << 20

// Caller makes calls. The zero value works. Safe for concurrent use.
type Caller struct {
	// HTTPClient lends its Transport and its Timeout; its Jar and its
	// CheckRedirect are passed over, since cookies are never kept and redirects
	// never followed: a signed identity goes to the host that was checked and
	// nowhere else. Nil means a shared transport with keep-alive.
	HTTPClient *http.Client
	// AttemptTimeout bounds one attempt, the making of its request included;
	// zero means 10 s.
	AttemptTimeout time.Duration
	// MaxAttempts counts the first try too; zero means 4, 1 means no retry.
	MaxAttempts int
}

// Request is what one attempt sends.
type Request struct {
	*http.Request
	// Secrets are what the request carries that must not come back: an error
	// never quotes any of them from an answer, nor the Authorization header.
	Secrets []secret.Text
	// Public is what an error may quote even though a secret contains it, such
	// as the audience inside a signed request.
	Public []string
	// PublicIn finds more of that in one of the Secrets; nil finds none. It is
	// called only when there is an error to make.
	PublicIn func(secret.Text) []string
}

// Answer is a successful (2xx) answer.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Call sends the request that build makes, again at every attempt, so that
// what a request proves (a signature, a date) is as fresh as its attempt. Build
// makes it with the context that it is given, which bounds the attempt. An
// error of build ends the call at once and is returned as it is; every other
// failure is an *[Error].
//
// Failures that may pass are tried again after a jittered wait, or after what
// Retry-After asks if that is longer; the first at once, if it is that a connection
// which the shared transport had kept broke. When there is no time left for that
// inside ctx's deadline, the failure is returned at once instead of a late and less
// telling "deadline exceeded".
func (c *Caller) Call(ctx context.Context, build func(ctx context.Context) (Request, error)) (*Answer, error) {
	var intervals *backoff.ExponentialBackOff // most calls need none
	var last *Error
	for attempt := 1; ; attempt++ {
		if ctx.Err() != nil {
			return nil, ended(ctx, attempt-1, last)
		}
		answer, failure, err := c.attempt(ctx, build)
		switch {
		case err != nil:
			return nil, err
		case failure == nil:
			return answer, nil
		}
		failure.Attempts = attempt
		if failure.HTTPStatus == 0 && ctx.Err() != nil {
			return nil, ended(ctx, attempt, last)
		}
		if !failure.Retryable || attempt >= c.maxAttempts() {
			return nil, failure
		}
		if intervals == nil {
			intervals = newIntervals()
		}
		wait := max(intervals.NextBackOff(), failure.RetryAfter)
		// The connection was kept, and closed while the function was frozen: no
		// reason to wait. HTTP/1.1's transport does the same by itself, if nothing was
		// written before it noticed; HTTP/2's does not.
		if attempt == 1 && failure.lostKept {
			wait = 0
		}
		if !affordable(ctx, wait) {
			return nil, failure
		}
		sleep(ctx, wait)
		last = failure
	}
}

// attempt makes and sends one request. It returns an answer, or the call's
// failure, or the error of build.
func (c *Caller) attempt(ctx context.Context, build func(context.Context) (Request, error)) (*Answer, *Error, error) {
	ctx, cancel := context.WithTimeout(ctx, c.attemptTimeout())
	defer cancel()
	req, err := build(ctx)
	if err != nil {
		return nil, nil, err
	}
	// The transport and not http.Client.Do: that would keep cookies, and would
	// put the whole Location into its error when it cannot parse it.
	resp, kept, err := c.roundTrip(req.Request)
	if err == nil && (resp == nil || resp.Body == nil) {
		err = fmt.Errorf("the transport %T returned no answer and no error", c.transport())
	}
	if err != nil {
		return nil, c.noAnswer(req, err, kept), nil
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, refused(req, resp), nil
	}
	body, err := readBody(resp)
	switch {
	case err != nil:
		return nil, c.noAnswer(req, fmt.Errorf("the answer broke off: %w", err), kept), nil
	case len(body) > MaxBody:
		return nil, tooLarge(resp), nil
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil, nil
}

// readBody reads at most MaxBody+1 bytes: a longer result means that there was more.
func readBody(resp *http.Response) ([]byte, error) {
	const usual = 1024 // most tokens, and what is around them
	body := make([]byte, 0, min(max(resp.ContentLength+1, usual), MaxBody+1))
	for len(body) <= MaxBody {
		if len(body) == cap(body) {
			body = slices.Grow(body, min(len(body), MaxBody+1-len(body)))
		}
		n, err := resp.Body.Read(body[len(body):min(cap(body), MaxBody+1)])
		body = body[:len(body)+n]
		if err == io.EOF {
			return body, nil
		}
		if err != nil {
			return body, err
		}
	}
	return body, nil
}

func (c *Caller) attemptTimeout() time.Duration {
	timeout := c.AttemptTimeout
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	if c.HTTPClient != nil && c.HTTPClient.Timeout > 0 {
		timeout = min(timeout, c.HTTPClient.Timeout)
	}
	return timeout
}

func (c *Caller) maxAttempts() int {
	if c.MaxAttempts <= 0 {
		return 4
	}
	return c.MaxAttempts
}
