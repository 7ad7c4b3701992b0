package tokensource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	stageCurrent  = "AWSCURRENT"
	stagePrevious = "AWSPREVIOUS"
)

// read brings the secret's token into memory, or notes why there is none. It
// fails with an *Error.
func (s *Source) read(ctx context.Context) (none struct{}, err error) {
	began, before := s.now(), s.kept.Load()
	bounded, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	token, failed := s.find(bounded)

	s.mu.Lock()
	defer s.mu.Unlock()
	givenUp := ctx.Err() != nil // by all callers
	if failed == nil {
		if !givenUp || s.kept.Load() == before { // else its successor knows better
			s.keep(token)
		}
		return none, nil
	}
	if errors.As(failed, new(*tokenstore.Pause)) {
		s.kept.Store(nil) // what is left of it is not for use either
	}
	if givenUp {
		took := s.now().Sub(began)
		if took < tryTime { // which says nothing about the store
			return none, failed
		}
		failed = s.gaveUp(took)
	}
	s.failed = &failure{began, failed}
	return none, failed
}

// find reads a token with leastLife left. AWSPREVIOUS has one where somebody moved
// AWSCURRENT back, or put something else there; not where that is a pause.
func (s *Source) find(ctx context.Context) (tokenstore.Token, *Error) {
	reader := s.Reader
	switch {
	case s.Secret == "":
		return tokenstore.Token{}, &Error{Reason: "Source.Secret is empty"}
	case reader == nil:
		reader = &processReader
	}
	current, err := reader.ReadStage(ctx, s.Secret, stageCurrent)
	if err == nil && s.livesOn(current) {
		return current.Token, nil
	}
	failed := s.unusable(current, err)
	switch {
	case err != nil && failed.Retryable:
		return tokenstore.Token{}, failed // and so would the next call
	case current.Pause() != nil:
		return tokenstore.Token{}, failed
	}
	previous, err := reader.ReadStage(ctx, s.Secret, stagePrevious)
	if err == nil && s.livesOn(previous) && s.standsIn(previous.Token, current) {
		return previous.Token, nil
	}
	return tokenstore.Token{}, failed
}

func (s *Source) livesOn(c tokenstore.Current) bool {
	return c.Usable() && newKept(c.Token, s.now()).good(s.now())
}

// standsIn reports whether AWSPREVIOUS is a token for the same identity as
// AWSCURRENT or, where that is none, as the token in memory. After a change to the
// config document it is one that nobody should have any more.
func (s *Source) standsIn(previous tokenstore.Token, current tokenstore.Current) bool {
	if current.Usable() {
		return previous.SameIdentity(current.Token)
	}
	k := s.kept.Load()
	return k == nil || previous.SameIdentity(k.token)
}

// keep replaces the token in memory, except by one for the same identity that
// expires sooner. It is called with mu held.
func (s *Source) keep(token tokenstore.Token) {
	if k := s.kept.Load(); k != nil && !k.freshUntil.IsZero() && k.token.SameIdentity(token) && k.token.Expiry.After(token.Expiry) {
		return
	}
	s.kept.Store(newKept(token, s.now()))
}

func newKept(token tokenstore.Token, now time.Time) *kept {
	token.Expiry = token.Expiry.Round(0) // one that is not parsed may have a monotonic clock reading
	k := &kept{token: token, goodUntil: token.Expiry.Add(-leastLife)}
	// One that claims to be good for years is never fresh, so that it is soon
	// replaced when the functions have replaced it, which they do at once.
	if token.Credible(now) {
		k.freshUntil = token.Expiry.Add(-staleBefore)
	}
	return k
}

// unusable tells why AWSCURRENT is no token that can be returned.
func (s *Source) unusable(current tokenstore.Current, err error) *Error {
	e := &Error{Secret: s.Secret, Expiry: s.knownExpiry(), Retryable: true}
	switch {
	case err != nil:
		e.Reason, e.Retryable, e.Err = "it could not be read", mayPass(err), err
	case current.VersionID == "":
		e.Reason = "it does not exist or holds nothing yet; check its name and region, and whether the function that fills it has run"
	case current.Pause() != nil:
		e.Reason, e.Retryable, e.Err = "there is none until a person resumes the target", false, current.Pause()
	case current.Malformed != nil:
		e.Reason, e.Err = "what it holds is no token, until the function that fills it runs next; see who else writes it", current.Malformed
	default:
		if current.Token.Expiry.After(e.Expiry) {
			e.Expiry = current.Token.Expiry
		}
		e.Reason = fmt.Sprintf("its token has less than %v left; see why the function that fills it has not replaced it", leastLife)
		if _, cached := s.Reader.(Extension); cached {
			e.Reason += ", if it has not: the extension repeats what it read in the last SECRETS_MANAGER_TTL seconds (300 unless set)"
		}
	}
	return e
}

// knownExpiry is when the token in memory expires, and zero if there is none.
func (s *Source) knownExpiry() time.Time {
	if k := s.kept.Load(); k != nil {
		return k.token.Expiry
	}
	return time.Time{}
}
