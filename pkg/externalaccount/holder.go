package externalaccount

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/flight"
)

// holder is what credentials of every kind are: a token that is kept until it is
// stale, and what goes along with it in a request.
type holder struct {
	// mint makes a token with scopes. It fails with a *RefreshError.
	mint                  func(ctx context.Context, scopes []string) (Token, error)
	scopes, defaultScopes []string
	// agreed tells that the scopes are a login's, and not to be asked for.
	agreed                 bool
	quotaProject, universe string
	anyEndpoint            bool
	clock                  func() time.Time // nil means time.Now

	renewing flight.Flight[Token]
	kept     atomic.Pointer[Token] // nil is the zero Token

	mu      sync.Mutex // of who replaces kept, and not of who reads it
	nextTry time.Time  // to replace a stale token
}

func newHolder(o Options, quotaProject, universe string) holder {
	return holder{
		scopes: o.Scopes, defaultScopes: o.DefaultScopes,
		quotaProject: quotaProject, universe: universe,
		anyEndpoint: o.AllowAnyEndpoint, clock: o.Now,
	}
}

// Scopes are those that were asked for; DefaultScopes are in effect without any.
// A user's are those of the login, as far as the file tells them.
func (h *holder) Scopes() []string { return slices.Clone(h.scopes) }

// DefaultScopes are in effect if there are no Scopes.
func (h *holder) DefaultScopes() []string { return slices.Clone(h.defaultScopes) }

// HasScopes reports whether all of scopes are among those in effect.
func (h *holder) HasScopes(scopes ...string) bool {
	return !slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(h.inEffect(), s) })
}

// RequiresScopes reports whether there are no scopes at all, without which there
// is no token. It is false for a user, who chose them at the login.
func (h *holder) RequiresScopes() bool { return !h.agreed && len(h.inEffect()) == 0 }

func (h *holder) inEffect() []string {
	if len(h.scopes) > 0 {
		return h.scopes
	}
	return h.defaultScopes
}

// QuotaProject is whom requests are billed to; empty means the project of what
// they are for.
func (h *holder) QuotaProject() string { return h.quotaProject }

// UniverseDomain is "googleapis.com" unless the file says otherwise.
func (h *holder) UniverseDomain() string { return h.universe }

func (h *holder) now() time.Time {
	if h.clock == nil {
		return time.Now()
	}
	return h.clock()
}
