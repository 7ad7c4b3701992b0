// Package secret holds text that must not be printed: tokens, AWS keys, signed
// requests, client secrets.
//
// A [Text] shows its fingerprint wherever a program might print it by
// accident: under every fmt verb, in JSON, in slog, in an error, and as an
// unexported field of a struct somebody prints with %+v. Only [Text.Reveal]
// gives the text itself, so every place that lets it out can be found by
// searching for that one name.
//
//	token := secret.New("ya29.example")
//	fmt.Println(token) // sha256: and 12 hex digits
//	req.Header.Set("Authorization", "Bearer "+token.Reveal())
//
// It is a guard against accidents, not against an attacker in the process: the
// text is in memory in the clear, and a printer that follows unexported pointers
// by reflection (go-spew, and testify's diffs with it) finds it.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Text is a string that prints as its fingerprint. The zero value is the empty
// text. Texts are compared with [Text.Equal]; == compares identity, not content.
type Text struct {
	// fmt follows no pointer to a string below the top level, which is what
	// keeps the text out of %+v of a struct whose Text field is unexported:
	// there fmt cannot call Format.
	text *string
}

// New returns s as a Text.
func New(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{text: &s}
}

// Reveal returns the text itself.
func (t Text) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

// IsZero reports whether the text is empty.
func (t Text) IsZero() bool { return t.Reveal() == "" }

// Equal reports whether both texts are the same, in time that does not depend
// on where they differ.
func (t Text) Equal(u Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(u.Reveal())) == 1
}

// Fingerprint returns the first 12 hex digits of the text's SHA-256, which
// logs, responses and people use to tell tokens apart. It is empty for the
// empty text.
func (t Text) Fingerprint() string {
	if t.IsZero() {
		return ""
	}
	sum := sha256.Sum256([]byte(t.Reveal()))
	return hex.EncodeToString(sum[:6])
}

// String returns "sha256:" and the fingerprint, or "" for the empty text.
func (t Text) String() string {
	if t.IsZero() {
		return ""
	}
	return "sha256:" + t.Fingerprint()
}

// Format prints [Text.String] whatever the verb and flags.
func (t Text) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, t.String()) }

// LogValue implements slog.LogValuer.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText gives the fingerprint: whoever wants the text itself in a
// document writes Reveal.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// MarshalJSON gives the fingerprint as a JSON string.
func (t Text) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// UnmarshalText takes the text itself.
func (t *Text) UnmarshalText(b []byte) error {
	*t = New(string(b))
	return nil
}

var (
	_ fmt.Formatter  = Text{}
	_ fmt.Stringer   = Text{}
	_ slog.LogValuer = Text{}
	_ json.Marshaler = Text{}
)
