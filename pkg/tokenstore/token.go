// Package tokenstore keeps Google tokens in AWS Secrets Manager: what a stored
// token looks like, and how one is read and replaced without a lock, without a
// lost write, and never by a worse one.
//
// A [Store] reads secrets ([Store.Read], [Store.ReadMany]) and replaces what
// they hold ([Store.Write]); a [Token], or a [Pause], is what they hold. When a
// token is due, that is, to be replaced, the caller decides:
//
//	store := &tokenstore.Store{Client: tokenstore.NewClient(tokenstore.Options{
//		Region:      "eu-west-1",
//		Credentials: supplier.SDK(supplier.Default(nil)),
//	})}
//	current, err := store.Read(ctx, "wifmint/reports")
//	if err == nil && due(current) {
//		result, err := store.Write(ctx, current, next, due) // next is a Token
//	}
//
// The other methods are for rotation functions ([Store.PutPending],
// [Store.MakeCurrent]) and for people ([Store.Pause], [Store.Versions]). All of them
// fail with an *[Error], which says whether to try again.
//
// # What is promised
//
//   - Of any number of writers that saw the same version of a secret exactly one
//     writes; the rest learn that they were [Superseded]. There is no lock to
//     leak: Secrets Manager refuses a second value for a ClientRequestToken, and
//     the writers derive theirs from the version they saw.
//   - What a person has paused ([Store.Pause]) stays paused until resumed, whatever
//     writers are under way and however due the token becomes.
//   - A stored token is never replaced by one for the same identity that expires
//     no later (unless it is not [Token.Credible]), nor by anything [Parse] would
//     refuse.
//   - What is in a secret but is no stored token (a hand-made value, binary data,
//     the work of a newer version) is reported as such, never as an error, and
//     never quoted.
//   - Neither a token nor an AWS credential gets into an error's text or causes.
//
// # When not to use it
//
// To serve requests: a token is good until its Expiry, so a program that uses it
// keeps it that long instead of reading it again each time, as package tokensource
// does. To keep anything but
// Google tokens: [Store.Write] refuses it.
package tokenstore

import (
	"slices"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
)

// Kind tells what a stored token is. The zero value is no kind.
type Kind string

const (
	Federated   Kind = "federated"    // an access token straight from Google STS
	AccessToken Kind = "access_token" // an impersonated service account's access token
	IDToken     Kind = "id_token"     // an impersonated service account's ID token
)

// Token is a stored token. The zero value is none: [Token.Encode] refuses it.
//
// [Token.Encode] alone lets the token itself out. Printed, logged or given to
// encoding/json a Token shows the [secret.Text] fingerprint in its place.
type Token struct {
	// Target is the caller's name for what the token is for; required. wifmint's
	// functions write the name that their config document gives it.
	Target string
	// Kind is required.
	Kind Kind
	// TokenType is "Bearer".
	TokenType string
	// Value is the token itself: JSON's access_token, or id_token for an IDToken.
	Value secret.Text
	// Expiry and MintedAt are in UTC, to the second. Encode cuts off the rest, so
	// that a stored token never claims to live longer than it does.
	Expiry   time.Time
	MintedAt time.Time
	// Principal is a service account's email; for a federated token the full
	// resource name of the provider that vouched for it.
	Principal string
	// Scopes are an access token's, at least one; Audience is an ID token's.
	Scopes   []string
	Audience string
	// ProjectID and UniverseDomain are empty when unknown.
	ProjectID      string
	UniverseDomain string
}

// SameIdentity reports whether both tokens are the same kind for the same
// principal with the same scopes (in any order) or audience: whether one can
// stand in for the other.
func (t Token) SameIdentity(u Token) bool {
	return t.Kind == u.Kind &&
		t.Principal == u.Principal &&
		t.Audience == u.Audience &&
		slices.Equal(scopeSet(t.Scopes), scopeSet(u.Scopes))
}

const (
	// clockSlack is how far the clocks of two machines may be apart.
	clockSlack = 5 * time.Minute
	// longestLifetime is that of Google's tokens, 12 hours, and what a slow clock
	// adds to it where MintedAt is this machine's and Expiry is Google's: AWS
	// refuses the signature of one that is slower than 15 minutes.
	longestLifetime = 12*time.Hour + 15*time.Minute
)

// Credible reports whether the token's times can be true: that it was minted no
// later than 5 minutes after now, since clocks differ, and for no longer than 12
// hours and 15 minutes, since Google's tokens live 12 hours at most. Expired tokens
// are credible. One that was put into the secret by hand, or by a machine whose
// clock was wrong, may claim to be good for years: do not wait for that to pass
// before replacing it.
func (t Token) Credible(now time.Time) bool {
	return !t.MintedAt.After(now.Add(clockSlack)) && t.Expiry.Sub(t.MintedAt) <= longestLifetime
}

func scopeSet(scopes []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(scopes)))
}
