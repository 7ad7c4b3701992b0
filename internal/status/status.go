// Package status tells what is in the targets' secrets now, and where a token came
// from of which there is only the fingerprint. It reads tokens and shows none.
package status

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	// listings is how many ListSecretVersionIds are called a second: AWS allows an
	// account 50, which others share.
	listings           = 40
	listingConcurrency = 8
)

// State is what there is to say about a target in a word.
type State string

const (
	Fresh  State = "fresh"  // there is a token, and it was replaced in time so far
	Late   State = "late"   // there is a token, which should have been replaced long ago
	Paused State = "paused" // a person stopped the target
	// In these states, there is no token to use, and somebody should know why.
	Expired    State = "expired"
	Other      State = "other"      // it is not the one that the config document asks for
	Missing    State = "missing"    // the secret holds nothing, or no token
	Unreadable State = "unreadable" // the secret cannot be read
)

// Wrong reports whether there is no token to use though nobody wants it so.
func (s State) Wrong() bool { return s != Fresh && s != Late && s != Paused }

// Target is a secret to look at.
type Target struct {
	// Name is empty for a secret of which nothing else is known; it is then what
	// the secret says.
	Name   string
	Secret string
	// Want is the identity that the config document asks for; the zero value for any.
	Want tokenstore.Token
	// RefreshAt is the part of its life that a token has left when it becomes due;
	// zero means keeper.DefaultRefreshAt.
	RefreshAt float64
}

// Targets are those of a config document.
func Targets(config *keeper.Config) []Target {
	var targets []Target
	for _, t := range config.Targets {
		targets = append(targets, Target{Name: t.Name, Secret: t.Secret, Want: config.Identity(t), RefreshAt: t.RefreshAt})
	}
	return targets
}

// Row is what is known of one target. All but the first three fields may be empty.
type Row struct {
	Target string `json:"target"`
	Secret string `json:"secret"`
	State  State  `json:"state"`

	// Kind and Principal are the stored token's, or those that the config document
	// asks for where there is none.
	Kind      tokenstore.Kind `json:"kind,omitempty"`
	Principal string          `json:"principal,omitempty"`
	// What the secret holds: a token, or a pause.
	MintedAt         time.Time `json:"minted_at,omitzero"`
	Expiry           time.Time `json:"expiry,omitzero"`
	SecondsRemaining *int64    `json:"seconds_remaining,omitempty"`
	TokenSHA256      string    `json:"token_sha256,omitempty"`
	VersionID        string    `json:"version_id,omitempty"`
	PausedAt         time.Time `json:"paused_at,omitzero"`
	Reason           string    `json:"reason,omitempty"`

	// Writes are the versions of the last 24 hours, of which MaxWrites are
	// sustainable; nil where they cannot be listed.
	Writes    *int `json:"writes_24h,omitempty"`
	MaxWrites int  `json:"writes_24h_max"`

	// Problem says what is wrong with the target, and Unlisted why there are no Writes.
	Problem  string `json:"problem,omitempty"`
	Unlisted string `json:"writes_unknown,omitempty"`
}

// Read looks at all targets' secrets. The rows are in the targets' order but for
// those that somebody has to look at, which come first, and those that are paused,
// which come next.
func Read(ctx context.Context, store *tokenstore.Store, targets []Target, now time.Time) []Row {
	ids := make([]string, len(targets))
	for i, t := range targets {
		ids[i] = t.Secret
	}
	rows := make([]Row, len(targets))
	pace := rate.NewLimiter(listings, 1)
	var group errgroup.Group
	group.SetLimit(listingConcurrency)
	for i, read := range store.ReadMany(ctx, ids) {
		rows[i] = newRow(targets[i], read, now)
		if read.Current.VersionID == "" {
			continue
		}
		group.Go(func() error {
			if err := pace.Wait(ctx); err != nil {
				rows[i].Unlisted = "there was no time left to list its versions"
				return nil
			}
			rows[i].count(ctx, store, now)
			return nil
		})
	}
	_ = group.Wait() // rows say what failed
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(a.State.rank(), b.State.rank()) })
	return rows
}

func (s State) rank() int {
	switch {
	case s.Wrong():
		return 0
	case s == Late:
		return 1
	case s == Paused:
		return 2
	}
	return 3
}

func newRow(t Target, read tokenstore.ReadResult, now time.Time) Row {
	current := read.Current
	r := Row{Target: t.Name, Secret: t.Secret, Kind: t.Want.Kind, Principal: t.Want.Principal, VersionID: current.VersionID, MaxWrites: tokenstore.MaxWritesPerDay}
	if current.Usable() {
		r.holds(current.Token, now)
	}
	pause := current.Pause()
	switch {
	case read.Err != nil:
		r.State, r.Problem = Unreadable, explain(read.Err)
	case current.VersionID == "":
		r.State, r.Problem = Missing, "the secret does not exist, or holds nothing: see whether the function that fills it has run"
	case pause != nil:
		r.State, r.PausedAt, r.Reason = Paused, pause.At, pause.Reason
		r.Target = cmp.Or(r.Target, pause.Target)
	case current.Malformed != nil:
		r.State, r.Problem = Missing, "what the secret holds is no token, until the function that fills it runs next: "+current.Malformed.Error()
	case t.Want.Kind != "" && !current.Token.SameIdentity(t.Want):
		r.State, r.Problem = Other, "the secret holds a token that is not of the kind, principal, scopes or audience that the config document asks for: see whether the function that fills it has this document"
	case !current.Token.Credible(now):
		r.State, r.Problem = Other, "no token of Google's has the times that the stored one says: see who else writes the secret, and its clock"
	case !now.Before(current.Token.Expiry):
		r.State, r.Problem = Expired, "its token has expired: see why the function that fills the secret has not replaced it"
	case late(current.Token, cmp.Or(t.RefreshAt, keeper.DefaultRefreshAt), now):
		r.State, r.Problem = Late, "its token should have been replaced by now: see why the function that fills the secret has not"
	default:
		r.State = Fresh
	}
	r.Target = cmp.Or(r.Target, r.Secret)
	return r
}

// explain is without the secret and the operation, which the row and the advice name.
func explain(err error) string {
	if e, ok := errors.AsType[*tokenstore.Error](err); ok {
		return e.Code + ": " + e.Message
	}
	return err.Error()
}

func (r *Row) holds(token tokenstore.Token, now time.Time) {
	r.Target = cmp.Or(r.Target, token.Target)
	r.Kind, r.Principal = token.Kind, token.Principal
	r.MintedAt, r.Expiry = token.MintedAt, token.Expiry
	left := max(0, int64(token.Expiry.Sub(now)/time.Second))
	r.SecondsRemaining, r.TokenSHA256 = &left, token.Value.Fingerprint()
}

// late holds when half the time has passed in which a due token can be replaced
// before it expires: for an hour's token, 20 minutes or four ticks.
func late(token tokenstore.Token, refreshAt float64, now time.Time) bool {
	lifetime := token.Expiry.Sub(token.MintedAt)
	return token.Expiry.Sub(now) < time.Duration(refreshAt/2*float64(lifetime))
}

// Life is the part of a token's life that it has left at a time, from 0 to 1.
func (r Row) Life(now time.Time) float64 {
	if r.SecondsRemaining == nil {
		return 0
	}
	return min(1, max(0, float64(r.Expiry.Sub(now))/float64(r.Expiry.Sub(r.MintedAt))))
}

func (r *Row) count(ctx context.Context, store *tokenstore.Store, now time.Time) {
	versions, err := store.Versions(ctx, r.Secret)
	if err != nil {
		r.Unlisted = explain(err)
		return
	}
	n := 0
	for _, v := range versions {
		if now.Sub(v.Created) < 24*time.Hour {
			n++
		}
	}
	r.Writes = &n
}
