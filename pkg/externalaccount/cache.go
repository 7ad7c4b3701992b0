package externalaccount

import (
	"context"
	"errors"
	"fmt"
	"sync"
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

// cache keeps one token. Callers that want another while one is being made
// share it. The making runs on its own, so that it ends with none of its
// callers, and is cancelled when the last of them has given up: no goroutine is
// left behind that would wake up in a frozen function hours later.
type cache struct {
	mu      sync.Mutex
	token   Token
	nextTry time.Time // to replace a stale token
	making  *making   // nil if none is
}

// making is a token while it is being made.
type making struct {
	cancel  context.CancelFunc
	callers int           // guarded by cache.mu
	done    chan struct{} // closed when token and err are set
	token   Token
	err     error
}

// CachedToken returns a token with the scopes in effect. It is the one of the
// last call while that is [Fresh]; else a new one is made, as [Credentials.Token]
// does. Callers that come meanwhile wait for the same, each no longer than its
// own ctx, and none is hurt by another's giving up. If there is none to be had a
// [Stale] token is returned, which is still good. Fails with a *[RefreshError].
func (c *Credentials) CachedToken(ctx context.Context) (Token, error) {
	c.cache.mu.Lock()
	kept, now := c.cache.token, c.now()
	if state := kept.State(now); state == Fresh || state == Stale && now.Before(c.cache.nextTry) {
		c.cache.mu.Unlock()
		return kept, nil
	}
	m := c.join(ctx)
	c.cache.mu.Unlock()

	token, err := c.wait(ctx, m)
	if err != nil && kept.State(c.now()) != Invalid {
		return kept, nil
	}
	return token, err
}

// Refresh replaces the kept token, however fresh it is, and returns the new one:
// for when Google has refused the old. A token that is just being made is new
// enough. It fails with a *[RefreshError], and then leaves the kept token alone.
func (c *Credentials) Refresh(ctx context.Context) (Token, error) {
	c.cache.mu.Lock()
	m := c.join(ctx)
	c.cache.mu.Unlock()
	return c.wait(ctx, m)
}

// KeptToken is the token of the last successful call of [Credentials.CachedToken]
// or [Credentials.Refresh], and the zero Token before. It never makes one.
func (c *Credentials) KeptToken() Token {
	c.cache.mu.Lock()
	defer c.cache.mu.Unlock()
	return c.cache.token
}

// TokenState is that of [Credentials.KeptToken] now.
func (c *Credentials) TokenState() TokenState { return c.KeptToken().State(c.now()) }

// join enters the making of a token, and starts it if nobody has. It is called
// with cache.mu held.
func (c *Credentials) join(ctx context.Context) *making {
	m := c.cache.making
	if m == nil {
		m = &making{done: make(chan struct{})}
		c.cache.making = m
		ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
		go c.mint(ctx, m)
	}
	m.callers++
	return m
}

func (c *Credentials) mint(ctx context.Context, m *making) {
	defer m.cancel()
	if c.RequiresScopes() {
		m.err = &RefreshError{Leg: LegConfig, Err: errors.New("making a token: there are no scopes; set Options.Scopes or use WithScopes")}
	} else {
		m.token, m.err = c.Token(ctx, c.scopes())
	}
	c.cache.mu.Lock()
	defer c.cache.mu.Unlock()
	// One that was given up may come in after its successor.
	if m.err == nil && !m.token.Expiry.Before(c.cache.token.Expiry) {
		c.cache.token = m.token
	}
	c.cache.nextTry = c.now().Add(staleRetry)
	if c.cache.making == m {
		c.cache.making = nil
	}
	close(m.done)
}

// wait returns what was made, or gives up with ctx.
func (c *Credentials) wait(ctx context.Context, m *making) (Token, error) {
	select {
	case <-m.done:
		return m.token, m.err
	case <-ctx.Done():
	}
	c.cache.mu.Lock()
	defer c.cache.mu.Unlock()
	if m.callers--; m.callers == 0 {
		m.cancel()
		if c.cache.making == m {
			c.cache.making = nil
		}
	}
	return Token{}, &RefreshError{
		Retryable: errors.Is(ctx.Err(), context.DeadlineExceeded),
		Err:       fmt.Errorf("waiting for a token: %w", ctx.Err()),
	}
}
