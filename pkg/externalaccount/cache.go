package externalaccount

import (
	"context"
	"time"
)

// TokenState tells what a token is still good for.
type TokenState int

const (
	// Invalid is a token that has expired, and the zero Token.
	Invalid TokenState = iota
	// Stale is a token that is good for another 225 s at most, and that should be
	// replaced.
	Stale
	// Fresh is a token that is good for longer.
	Fresh
)

func (s TokenState) String() string {
	switch s {
	case Stale:
		return "stale"
	case Fresh:
		return "fresh"
	}
	return "invalid"
}

// staleBefore is how long before its expiry a token is renewed in Google's
// libraries: a metadata server caches for 4 minutes, and so never returns a token
// that would be renewed once more.
const staleBefore = 225 * time.Second

// staleRetry is how long a stale token is used without another try to replace
// it: an outage shall not make every request wait, and neither shall tokens that
// are made with less than 225 s to live.
const staleRetry = 10 * time.Second

// State is the token's at a time.
func (t Token) State(now time.Time) TokenState {
	switch left := t.Expiry.Sub(now); {
	case t.Value.IsZero() || left <= 0:
		return Invalid
	case left <= staleBefore:
		return Stale
	}
	return Fresh
}

// CachedToken returns a token with the scopes in effect. It is the one of the
// last call while that is [Fresh]; else a new one is made. Callers that come
// meanwhile wait for the same, each no longer than its own ctx, and none is hurt by
// another's giving up: the making runs on its own, and is cancelled when the last
// of them has given up, so that nothing is left behind that would wake up in a
// frozen function hours later. If there is none to be had a [Stale] token is
// returned, which is still good. Fails with a *[RefreshError].
func (b *bearer) CachedToken(ctx context.Context) (Token, error) {
	kept, usable := b.usable()
	if usable {
		return kept, nil
	}
	token, err := b.share(ctx, func(ctx context.Context) (Token, error) {
		if made, usable := b.usable(); usable { // since this caller looked
			return made, nil
		}
		return b.renew(ctx)
	})
	if err != nil && kept.State(b.now()) != Invalid {
		return kept, nil
	}
	return token, err
}

// Refresh replaces the kept token, however fresh it is, and returns the new one:
// for when Google has refused the old. A token that is just being made is new
// enough. It fails with a *[RefreshError], and then leaves the kept token alone.
func (b *bearer) Refresh(ctx context.Context) (Token, error) { return b.share(ctx, b.renew) }

// KeptToken is the token of the last successful call of CachedToken or Refresh.
// Before, it is the one that a user's file has, and else the zero Token. It never
// makes one.
func (b *bearer) KeptToken() Token {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept
}

// TokenState is that of KeptToken now.
func (b *bearer) TokenState() TokenState { return b.KeptToken().State(b.now()) }

// usable returns the kept token, and whether it need not be replaced now.
func (b *bearer) usable() (Token, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	state := b.kept.State(now)
	return b.kept, state == Fresh || state == Stale && now.Before(b.nextTry)
}

// share joins the making of a token, or starts it with fn.
func (b *bearer) share(ctx context.Context, fn func(context.Context) (Token, error)) (Token, error) {
	token, err := b.renewing.Do(ctx, fn)
	if err != nil && err == ctx.Err() { // and not the making's, which is a *RefreshError
		return Token{}, gaveUp(err)
	}
	return token, err
}

func (b *bearer) renew(ctx context.Context) (token Token, err error) {
	if b.RequiresScopes() {
		err = configFailure("making a token: there are no scopes; set Options.Scopes or use WithScopes")
	} else {
		token, err = b.mint(ctx, b.inEffect())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	// One that was given up may come in after its successor, and then is no better.
	if err == nil && (ctx.Err() == nil || token.Expiry.After(b.kept.Expiry)) {
		b.kept = token
	}
	b.nextTry = b.now().Add(staleRetry)
	return token, err
}

// forget drops the kept token.
func (b *bearer) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = Token{}
}
