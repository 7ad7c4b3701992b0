package externalaccount

import (
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
)

// Token is a Google access token.
type Token struct {
	// Value is fit for a header: visible ASCII only.
	Value secret.Text
	// Expiry is in UTC, in whole seconds, and was in the future when the token came.
	Expiry time.Time
	// ServiceAccount is the email of the account that the token is of; empty if
	// it is of the federated identity itself.
	ServiceAccount string
}

// TokenState tells what a token is still good for.
type TokenState int

const (
	// Invalid is a token that has expired, and the zero Token.
	Invalid TokenState = iota
	// Stale is a token that is good for another 225 s at most, or claims to be for
	// more than 12 h 15 min, which no token of Google's is: it should be replaced.
	Stale
	// Fresh is any other.
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

// longestLife is that of Google's tokens, 12 hours, and what a slow clock adds to
// it. The expiry in a login's file is whatever somebody has written there.
const longestLife = 12*time.Hour + 15*time.Minute

// State is the token's at a time.
func (t Token) State(now time.Time) TokenState {
	switch left := t.Expiry.Sub(now); {
	case t.Value.IsZero() || left <= 0:
		return Invalid
	case left <= staleBefore || left > longestLife:
		return Stale
	}
	return Fresh
}
