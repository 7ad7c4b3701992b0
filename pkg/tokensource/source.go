package tokensource

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/flight"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	// staleBefore is how long before its expiry a token is renewed in Google's
	// libraries. The functions replace an hour's token when 40 minutes of it are
	// left: one with 225 s left is a sign that they have failed since.
	staleBefore = 225 * time.Second
	// leastLife is what a token that is returned has left at least. It covers the
	// request that the token is wanted for, and a clock that is slow by some seconds.
	leastLife = 30 * time.Second
	// pause is between the beginnings of two reads of a secret that brought no
	// better token. A stale token's last 195 s (staleBefore - leastLife) have room
	// for 39 of them, and a thousand processes make 200 calls a second of the 10,000
	// that Secrets Manager takes.
	pause = 5 * time.Second
	// tryTime is what one caller in a pause gives for a token that is better than
	// the good one it could have at once. Secrets Manager answers in tens of
	// milliseconds. It is shorter than pause, so that no two callers try at once.
	tryTime = time.Second
	// readTime bounds a read whose callers set no deadline: three tries of
	// [tokenstore.NewClient].
	readTime = 30 * time.Second
)

// Source yields the token that one secret holds. Safe for concurrent use; do not
// copy it, and set no field after the first call.
type Source struct {
	// Secret is the secret's name or ARN. Required.
	Secret string
	// Reader reads it; nil means Secrets Manager in the region and with the
	// credentials of the process, as supplier.Default finds them, at
	// AWS_ENDPOINT_URL_SECRETS_MANAGER or AWS_ENDPOINT_URL if either is set. All
	// Sources with a nil Reader share one client, made at the first read.
	Reader Reader
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	kept  atomic.Pointer[kept]
	reads flight.Flight[struct{}]

	mu     sync.Mutex
	tried  time.Time // when a caller last took its turn to replace a stale token
	failed *failure  // the last read, if it brought no token
}

// Reader reads what a secret holds under a staging label, "AWSCURRENT" or
// "AWSPREVIOUS"; *[tokenstore.Store] and [Extension] do. That the secret or the
// label does not exist is no error. One fails with a *tokenstore.Error; what is
// none counts as a failure that may pass. Safe for concurrent use.
type Reader interface {
	ReadStage(ctx context.Context, secretID, stage string) (tokenstore.Current, error)
}

var _ Reader = (*tokenstore.Store)(nil)

// kept is a token in memory. It does not change.
type kept struct {
	token tokenstore.Token
	// freshUntil and goodUntil are wall clock times: the monotonic clock of a
	// process that is frozen, or of a machine that sleeps, may stand still while a
	// token expires.
	freshUntil, goodUntil time.Time
}

func (k *kept) fresh(now time.Time) bool { return now.Before(k.freshUntil) }
func (k *kept) good(now time.Time) bool  { return !now.After(k.goodUntil) }

// Token returns the secret's token, whatever its kind: an ID token too. Do not
// change its Scopes, which all callers share. It fails with an *[Error].
//
// With more than 225 s left the token comes from memory. With less one caller in 5
// s reads the secret again, for a second at most (and at most a quarter of what its
// ctx leaves), while the others get the token in memory. With less than 30 s left
// all wait, each as long as its own ctx, for one read: the token that it brings
// has at least 30 s left, or there is none.
func (s *Source) Token(ctx context.Context) (tokenstore.Token, error) {
	if k := s.kept.Load(); k != nil && k.fresh(s.now()) {
		return k.token, nil
	}
	return s.renew(ctx)
}

// IDToken is [Source.Token] for a secret that holds an ID token for an audience.
// Anything else in the secret is an *[Error]; before it is one, the secret is read
// again, as a stale token's is, for its target may have been given that audience since.
func (s *Source) IDToken(ctx context.Context, audience string) (tokenstore.Token, error) {
	token, err := s.Token(ctx)
	if err != nil {
		return tokenstore.Token{}, err
	}
	if !isFor(token, audience) && s.takeTurn() {
		s.try(ctx)
		if k := s.good(); k != nil {
			token = k.token
		}
	}
	if !isFor(token, audience) {
		return tokenstore.Token{}, s.otherToken(token, audience)
	}
	return token, nil
}

func isFor(t tokenstore.Token, audience string) bool {
	return t.Kind == tokenstore.IDToken && t.Audience == audience
}

func (s *Source) renew(ctx context.Context) (tokenstore.Token, error) {
	if k := s.good(); k != nil {
		if !s.takeTurn() {
			return k.token, nil
		}
		s.try(ctx)
		if k = s.good(); k != nil {
			return k.token, nil
		}
	}
	if err := s.recentFailure(); err != nil {
		return tokenstore.Token{}, err
	}
	_, err := s.reads.Do(ctx, s.read)
	// The clock is asked once more: whoever was frozen here has slept through
	// what the read brought.
	if k := s.good(); k != nil {
		return k.token, nil
	}
	return tokenstore.Token{}, s.noToken(err)
}

// good is the token in memory if it may be returned, else nil.
func (s *Source) good() *kept {
	if k := s.kept.Load(); k != nil && k.good(s.now()) {
		return k
	}
	return nil
}

// takeTurn reports whether it is the caller who tries to replace the token.
func (s *Source) takeTurn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if within(pause, s.tried, now) {
		return false
	}
	s.tried = now
	return true
}

// try reads the secret, for a while that the caller can spare. Who gives up on the
// way has had no turn.
func (s *Source) try(caller context.Context) {
	limit := tryTime
	if deadline, ok := caller.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/4)
	}
	ctx, cancel := context.WithTimeout(caller, limit)
	defer cancel()
	_, _ = s.reads.Do(ctx, s.read) // the token in memory is good, whatever comes of it
	if caller.Err() != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tried = time.Time{}
	}
}

// recentFailure is that of the last read if it is too early for another.
func (s *Source) recentFailure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); s.failed != nil && within(pause, s.failed.began, now) {
		return s.failed.at(now)
	}
	return nil
}

// within reports whether now is less than d after t. It is not if the clock was
// set back since: a wait must not become as long as that.
func within(d time.Duration, t, now time.Time) bool {
	passed := now.Sub(t)
	return passed >= 0 && passed < d
}

// now has no monotonic clock reading, see kept.
func (s *Source) now() time.Time {
	if s.Now != nil {
		return s.Now().Round(0)
	}
	return time.Now().Round(0)
}
