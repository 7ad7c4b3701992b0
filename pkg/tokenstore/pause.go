package tokenstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
)

// A paused secret holds a tombstone: a document of the stored token's format whose
// kind is "paused" and that has no token in it, so that whoever reads it finds none,
// by this package or not. [Store.Write] leaves it alone, however due it is.
//
// A tombstone is put like a token, under the ClientRequestToken that every writer
// derives who saw the same version. So a pause and the runs that are under way
// exclude each other: one that is faster is paused over, and one that is slower
// finds its ClientRequestToken taken, reads again, and finds the pause. A version
// that no writer derived breaks that chain: a rotation's, or one put by hand. So a
// second tombstone takes the place that a writer would derive who still has the
// version before, the one that AWSPREVIOUS was on, or none. It also takes that label
// from the last token: neither AWSCURRENT nor AWSPREVIOUS holds one then.
//
// What is left is a writer that read the secret before a rotation, and is still at it
// when another version has followed the rotation's and then the pause. But after a
// rotation nothing is due, unless forced, for longer than an invocation can last.

const stagePrevious = "AWSPREVIOUS"

const (
	// kindPaused is a tombstone's. The rest of one may be wrong or missing, so that
	// in an emergency {"version":1,"kind":"paused"}, put by hand, will do.
	kindPaused = "paused"
	// kindResumed marks the end of a pause, until a token is minted in its place.
	kindResumed = "resumed"
)

// Pause is what a secret holds while a person has stopped its target. [Parse], and so
// [Current.Malformed], wraps it.
type Pause struct {
	// Target is [Token].Target of the token that was there.
	Target string
	// At is in UTC, to the second; zero when the secret does not tell.
	At time.Time
	// Reason is a line of a person's; it may be empty. It is cut at 500 bytes, and
	// what looks like a token is hidden in it.
	Reason string
}

func (p *Pause) Error() string {
	text := "paused"
	if !p.At.IsZero() {
		text += " at " + p.At.UTC().Format(time.RFC3339)
	}
	if p.Reason != "" {
		text += fmt.Sprintf(" (%s)", p.Reason)
	}
	return text
}

// Pause tells of the pause that a secret is in; nil if it is in none.
func (c Current) Pause() *Pause {
	p, _ := errors.AsType[*Pause](c.Malformed)
	return p
}

// errResumed is why a secret that was resumed holds no token.
var errResumed = errors.New("it was resumed, and nothing has been minted since")

// parseMark tells whether a document is one of the two that take a token's place.
func parseMark(r *fieldReader) error {
	switch r.optionalText("kind") {
	case kindPaused: // whatever is wrong with the rest
		return &Pause{
			Target: r.optionalText("target"),
			At:     r.time("paused_at").UTC().Truncate(time.Second),
			Reason: googleapi.Quote(r.optionalText("reason")),
		}
	case kindResumed:
		return errResumed
	}
	return nil
}

// mark is the stored JSON of a pause or its end.
type mark struct {
	Version   int    `json:"version"`
	Target    string `json:"target"`
	Kind      string `json:"kind"`
	PausedAt  string `json:"paused_at,omitempty"`
	Reason    string `json:"reason,omitempty"`
	ResumedAt string `json:"resumed_at,omitempty"`
}

func (m mark) encode() string {
	m.Version = formatVersion
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(m) // strings and a number
	return string(bytes.TrimSpace(b.Bytes()))
}

func (p *Pause) encode() string {
	m := mark{Target: p.Target, Kind: kindPaused, Reason: googleapi.Quote(p.Reason)}
	if !p.At.IsZero() {
		m.PausedAt = p.At.UTC().Format(time.RFC3339)
	}
	return m.encode()
}

// PauseResult is what a secret holds after a [Store.Pause].
type PauseResult struct {
	// Pause is the one that the secret tells of. Already tells that it was paused
	// before, and then it is the earlier one.
	Pause   Pause
	Already bool
	// VersionID is that of AWSCURRENT, a tombstone.
	VersionID string
	// Last is the token that the tombstones replaced, the zero Token if none is
	// known. Whoever has read it can use it until its Expiry.
	Last Token
}

// Pause replaces what a secret holds, in AWSCURRENT and in AWSPREVIOUS, by
// tombstones: documents that have p in them and no token. Paused already, it keeps the earlier pause and completes it. It never
// creates a secret. Fails with an *[Error]; whether one that is Retryable took
// effect is not known, and the same Pause again completes it.
//
// It needs what [Store.Write] needs: GetSecretValue and PutSecretValue.
func (s *Store) Pause(ctx context.Context, secretID string, p Pause) (PauseResult, error) {
	var result PauseResult
	var current, before Current
	for round := range maxRounds {
		var err error
		if current, err = s.Read(ctx, secretID); err != nil {
			return PauseResult{}, err
		}
		previous, err := s.ReadStage(ctx, secretID, stagePrevious)
		if err != nil {
			return PauseResult{}, err
		}
		pause := current.Pause()
		if round == 0 {
			before, result.Already = previous, pause != nil
		}
		// Another one each time: a place that is taken stays so. Where that leaves the
		// one free that a writer derives, cover takes it.
		place := requestToken(current, round)
		switch {
		case pause == nil:
			result.replaces(current)
			_, err = s.putCurrent(ctx, secretID, place, p.encode())
		case previous.VersionID == "" || previous.Pause() != nil:
			result.Pause, result.VersionID = *pause, current.VersionID
			return result, nil
		default:
			result.replaces(previous)
			err = s.cover(ctx, []Current{before, previous}, current, place)
		}
		if err != nil && !errors.Is(err, errConflict) {
			return PauseResult{}, err
		}
	}
	return PauseResult{}, contentionError(current)
}

func (r *PauseResult) replaces(c Current) {
	if c.Usable() {
		r.Last = c.Token
	}
}

// cover puts a second tombstone, whose value is current's, so that AWSPREVIOUS is on
// one, too: in the place of every writer that has read one of seen or, where those
// are all taken, in one behind current.
func (s *Store) cover(ctx context.Context, seen []Current, current Current, behind string) error {
	value := current.Pause().encode()
	covered := false
	for _, c := range seen {
		place := requestToken(c, 0)
		if place == current.VersionID {
			continue
		}
		_, err := s.putCurrent(ctx, current.SecretID, place, value)
		if err != nil && !errors.Is(err, errConflict) {
			return err
		}
		covered = covered || err == nil
	}
	if covered {
		return nil
	}
	_, err := s.putCurrent(ctx, current.SecretID, behind, value)
	return err
}

// Resume ends a pause, which it returns; nil means that the secret was not paused.
// It puts a mark that is due at once, so that the next run mints: the token of
// before the pause does not come back. Fails with an *[Error].
func (s *Store) Resume(ctx context.Context, secretID string, now time.Time) (*Pause, error) {
	var current Current
	for round := range maxRounds {
		var err error
		if current, err = s.Read(ctx, secretID); err != nil {
			return nil, err
		}
		pause := current.Pause()
		if pause == nil {
			return nil, nil
		}
		end := mark{Target: pause.Target, Kind: kindResumed, ResumedAt: now.UTC().Format(time.RFC3339)}
		_, err = s.putCurrent(ctx, secretID, requestToken(current, round), end.encode())
		if err == nil {
			return pause, nil
		}
		if !errors.Is(err, errConflict) {
			return nil, err
		}
	}
	return nil, contentionError(current)
}
