package googleapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	// leastAttempt is how much time must be left for one more attempt to be
	// worth its wait: a round trip to Google with a TLS handshake before it.
	leastAttempt = 200 * time.Millisecond
	// longestWait is what Retry-After may ask of a caller without a deadline.
	longestWait = time.Minute
)

// newIntervals yields 250 ms, 500 ms, 1 s … 4 s, each half as long to half as
// long again, so that callers that failed together do not come back together.
//
// Only the intervals are the backoff package's. Its Retry waits without looking
// at the deadline, and then returns the context's error instead of the last failure.
func newIntervals() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval:     250 * time.Millisecond,
		RandomizationFactor: 0.5,
		Multiplier:          2,
		MaxInterval:         4 * time.Second,
	}
}

// passing reports whether an answer of that status may become another by
// itself; the list is the one Google's own clients retry.
func passing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// affordable reports whether ctx leaves time for the wait and an attempt after it.
func affordable(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	if !ok {
		return wait <= longestWait
	}
	return wait <= time.Until(deadline)-leastAttempt
}

func sleep(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// retryAfter is the wait that an answer asks for (RFC 9110, 10.2.3), zero if
// it asks for none. A date counts from the answer's own Date where it has one,
// so that this machine's clock does not matter.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if value == "" {
		return 0
	}
	// 31 bits of seconds fit a Duration; more is ErrRange and comes back as the most.
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(at.Sub(now), 0)
}
