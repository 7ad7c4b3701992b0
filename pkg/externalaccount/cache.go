package externalaccount

import (
	"context"
	"time"
)

const (
	// staleRetry is how long a stale token is used without another try to replace
	// it: an outage shall not make every request wait, and neither shall tokens that
	// are made with less than 225 s to live.
	staleRetry = 10 * time.Second
	// tryTime is what one caller gives for a token that is better than the good one
	// it could have at once. Google answers in well under a second, a program of a
	// credential file takes longer. It is shorter than staleRetry, so that no two
	// callers try at once.
	tryTime = 5 * time.Second
)

// CachedToken returns a token with the scopes in effect, which is the one of the
// last call while that is [Fresh]. Of the callers that find it [Stale] one in 10 s
// tries to replace it, for 5 s at most (and at most a quarter of what its ctx
// leaves), while the others get it as it is, and so does that one if it fails. A
// source that takes longer, as a program that asks a person, has its time once the
// token has expired, or in [Credentials.Refresh].
//
// Without a good token all callers wait for the making of one, each no longer than
// its own ctx, and none is hurt by another's giving up: the making runs on its own,
// and is cancelled when the last of them has given up, so that nothing is left
// behind that would wake up in a frozen function hours later. The one exception is
// the refresh of a login, see [AuthorizedUser]. Fails with a *[RefreshError].
func (h *holder) CachedToken(ctx context.Context) (Token, error) {
	kept, state := h.look()
	if state == Stale && h.takeTurn(ctx) {
		h.try(ctx, kept)
		kept, state = h.look()
	}
	if state != Invalid {
		return *kept, nil
	}
	return h.replace(ctx, kept)
}

// Refresh replaces the kept token, however fresh it is, and returns the new one:
// for when Google has refused the old. A token that is just being made is new
// enough. It fails with a *[RefreshError], and then leaves the kept token alone.
func (h *holder) Refresh(ctx context.Context) (Token, error) { return h.share(ctx, h.renew) }

// KeptToken is the token of the last successful call of CachedToken or Refresh.
// Before, it is the one that a user's file has, and else the zero Token. It never
// makes one.
func (h *holder) KeptToken() Token {
	if kept := h.kept.Load(); kept != nil {
		return *kept
	}
	return Token{}
}

// TokenState is that of KeptToken now.
func (h *holder) TokenState() TokenState {
	_, state := h.look()
	return state
}

// look returns the kept token, which is not to be changed.
func (h *holder) look() (*Token, TokenState) {
	kept := h.kept.Load()
	if kept == nil {
		return new(Token), Invalid
	}
	return kept, kept.State(h.now())
}

// takeTurn reports whether it is the caller who tries to replace a stale token.
func (h *holder) takeTurn(ctx context.Context) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	if ctx.Err() != nil || now.Before(h.nextTry) {
		return false
	}
	h.nextTry = now.Add(staleRetry)
	return true
}

// try replaces a stale token, in a while that the caller can spare.
func (h *holder) try(ctx context.Context, stale *Token) {
	limit := tryTime
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/4)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, _ = h.replace(ctx, stale) // which is good, whatever comes of it
}

// replace makes a token, or returns the one that was kept since the caller saw old.
func (h *holder) replace(ctx context.Context, old *Token) (Token, error) {
	return h.share(ctx, func(ctx context.Context) (Token, error) {
		if made, state := h.look(); state != Invalid && !made.Value.Equal(old.Value) {
			return *made, nil
		}
		return h.renew(ctx)
	})
}

// share joins the making of a token, or starts it with fn: once more for one that
// has expired by now, since the process was frozen after Google's answer.
func (h *holder) share(ctx context.Context, fn func(context.Context) (Token, error)) (Token, error) {
	for range 2 {
		token, err := h.renewing.Do(ctx, fn)
		if err != nil && err == ctx.Err() { // and not the making's, which is a *RefreshError
			err = gaveUp(err)
		}
		if err != nil || token.State(h.now()) != Invalid {
			return token, err
		}
	}
	return Token{}, stoodStill()
}

func (h *holder) renew(ctx context.Context) (token Token, err error) {
	if h.RequiresScopes() {
		err = configFailure("making a token: there are no scopes; set Options.Scopes or use WithScopes")
	} else {
		token, err = h.mint(ctx, h.inEffect())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	// One that was given up may come in after its successor, and then is no better.
	if err == nil && (ctx.Err() == nil || token.Expiry.After(h.KeptToken().Expiry)) {
		kept := token
		h.kept.Store(&kept)
	}
	h.nextTry = h.now().Add(staleRetry)
	return token, err
}

// forget drops the kept token.
func (h *holder) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kept.Store(nil)
}
