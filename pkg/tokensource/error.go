package tokensource

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// Error says why there is no token. It never holds one.
type Error struct {
	// Secret is Source.Secret.
	Secret string
	// Expiry is that of the last token known; zero if there was none. It may still
	// be in the future, since a token with less than 30 s left is not returned.
	Expiry time.Time
	// Reason is what was found, and what to do about it.
	Reason string
	// Age is how long ago that was: a secret that could not be read is not read
	// again for 5 s. Zero means now.
	Age time.Duration
	// Retryable tells whether the same call may succeed later with nothing changed
	// by a person.
	Retryable bool
	// Err is the last failure, such as a *tokenstore.Error, a *tokenstore.Pause where
	// a person stopped the target, or what ended the caller's context; nil where
	// Reason says it all.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "getting the token of secret %q: %s", e.Secret, e.Reason)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Age > 0 {
		fmt.Fprintf(&b, " (%v ago)", e.Age.Round(100*time.Millisecond))
	}
	if !e.Expiry.IsZero() {
		fmt.Fprintf(&b, " (the last token's expiry: %s)", e.Expiry.UTC().Format(time.RFC3339))
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// failure is a read that brought no token.
type failure struct {
	began time.Time
	err   *Error
}

// at is the failure as somebody learns of it who comes later.
func (f *failure) at(now time.Time) error {
	e := *f.err
	e.Age = now.Sub(f.began)
	return &e
}

// noToken is the error of a caller for whom a read ended with err.
func (s *Source) noToken(err error) error {
	if e, ok := err.(*Error); ok {
		return e
	}
	e := &Error{Secret: s.Secret, Expiry: s.knownExpiry(), Retryable: true}
	if err == nil {
		e.Reason = "its token expired while this program stood still; try again"
		return e
	}
	e.Reason, e.Err = "no answer in time", err // ctx.Err()
	e.Retryable = errors.Is(err, context.DeadlineExceeded)
	return e
}

// gaveUp is a read that nobody waited for any longer. It wraps none of their
// contexts' errors: it is shown to callers whose own have not ended.
func (s *Source) gaveUp(after time.Duration) *Error {
	return &Error{
		Secret: s.Secret, Expiry: s.knownExpiry(), Retryable: true,
		Reason: fmt.Sprintf("no answer in %v, which is as long as anyone waited", after.Round(time.Millisecond)),
	}
}

func (s *Source) otherToken(found tokenstore.Token, audience string) *Error {
	e := &Error{Secret: s.Secret, Expiry: found.Expiry}
	switch {
	case found.Kind != tokenstore.IDToken:
		e.Reason = fmt.Sprintf("it holds an access token of %s, not an ID token for %q; give its target an id_token_audience, or name another secret", found.Principal, audience)
	default:
		e.Reason = fmt.Sprintf("it holds an ID token for %q, not for %q; name the secret of the target with that id_token_audience", found.Audience, audience)
	}
	return e
}

// mayPass tells whether a Reader's failure may be gone at the next read.
func mayPass(err error) bool {
	if e, ok := errors.AsType[*tokenstore.Error](err); ok {
		return e.Retryable
	}
	return true
}
