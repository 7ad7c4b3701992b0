package externalaccount

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/flight"
)

// bearer is what credentials of every kind are: a token that is kept until it is
// stale, and what goes along with it in a request.
type bearer struct {
	// mint makes a token with scopes. It fails with a *RefreshError.
	mint                  func(ctx context.Context, scopes []string) (Token, error)
	scopes, defaultScopes []string
	// agreed tells that the scopes are a login's, and not to be asked for.
	agreed                 bool
	quotaProject, universe string
	anyEndpoint            bool
	clock                  func() time.Time // nil means time.Now

	renewing flight.Flight[Token]
	mu       sync.Mutex
	kept     Token
	nextTry  time.Time // to replace a stale token
}

func newBearer(o Options, quotaProject, universe string) bearer {
	return bearer{
		scopes: o.Scopes, defaultScopes: o.DefaultScopes,
		quotaProject: quotaProject, universe: universe,
		anyEndpoint: o.AllowAnyEndpoint, clock: o.Now,
	}
}

// Scopes are those that were asked for; DefaultScopes are in effect without any.
// A user's are those of the login, as far as the file tells them.
func (b *bearer) Scopes() []string { return slices.Clone(b.scopes) }

// DefaultScopes are in effect if there are no Scopes.
func (b *bearer) DefaultScopes() []string { return slices.Clone(b.defaultScopes) }

// HasScopes reports whether all of scopes are among those in effect.
func (b *bearer) HasScopes(scopes ...string) bool {
	return !slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(b.inEffect(), s) })
}

// RequiresScopes reports whether there are no scopes at all, without which there
// is no token. It is false for a user, who chose them at the login.
func (b *bearer) RequiresScopes() bool { return !b.agreed && len(b.inEffect()) == 0 }

func (b *bearer) inEffect() []string {
	if len(b.scopes) > 0 {
		return b.scopes
	}
	return b.defaultScopes
}

// QuotaProject is whom requests are billed to; empty means the project of what
// they are for.
func (b *bearer) QuotaProject() string { return b.quotaProject }

// UniverseDomain is "googleapis.com" unless the file says otherwise.
func (b *bearer) UniverseDomain() string { return b.universe }

func (b *bearer) now() time.Time {
	if b.clock == nil {
		return time.Now()
	}
	return b.clock()
}
