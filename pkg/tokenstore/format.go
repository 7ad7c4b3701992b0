package tokenstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wifmint/wifmint/pkg/secret"
)

// MaxSize is Secrets Manager's limit for a value, in bytes.
const MaxSize = 65536

// formatVersion is the "version" this package writes and reads. Adding a field
// does not change it, since readers ignore those they do not know.
const formatVersion = 1

// fingerprintPrefix starts a [secret.Text] that was printed instead of revealed.
// No Google token starts so.
const fingerprintPrefix = "sha256:"

// errTooLarge is wrapped by what Encode and Parse say about more than MaxSize bytes.
var errTooLarge = errors.New("larger than a secret can hold")

// document is the stored JSON. The order of its fields is the order written.
type document struct {
	Version        int      `json:"version"`
	Target         string   `json:"target"`
	Kind           Kind     `json:"kind"`
	TokenType      string   `json:"token_type"`
	AccessToken    string   `json:"access_token,omitempty"`
	IDToken        string   `json:"id_token,omitempty"`
	Expiry         string   `json:"expiry"`
	MintedAt       string   `json:"minted_at"`
	Principal      string   `json:"principal"`
	Scopes         []string `json:"scopes,omitempty"`
	Audience       string   `json:"audience,omitempty"`
	ProjectID      string   `json:"project_id"`
	UniverseDomain string   `json:"universe_domain"`
}

// Encode returns the stored JSON (schema/token.schema.json), with the token in
// it: the one function that lets it out. Equal tokens encode to equal bytes, so
// a repeated write is recognised as the same. The JSON also unmarshals into
// golang.org/x/oauth2.Token.
//
// It fails on what [Parse] would refuse and on more than [MaxSize] bytes.
func (t Token) Encode() ([]byte, error) {
	t = t.canonical()
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("encoding stored token: %w", err)
	}
	data, err := t.marshal(t.Value.Reveal())
	if err != nil {
		return nil, fmt.Errorf("encoding stored token: %w", err)
	}
	if len(data) > MaxSize {
		return nil, fmt.Errorf("encoding stored token: %d bytes are %w: %d", len(data), errTooLarge, MaxSize)
	}
	return data, nil
}

// MarshalJSON gives the stored JSON with the fingerprint in the token's place,
// which is for people to read: [Parse] refuses it. It never fails, so that a
// token that is no good can be logged.
func (t Token) MarshalJSON() ([]byte, error) {
	return t.canonical().marshal(t.Value.String())
}

// canonical is t as it comes back from the store.
func (t Token) canonical() Token {
	t.Expiry = t.Expiry.UTC().Truncate(time.Second)
	t.MintedAt = t.MintedAt.UTC().Truncate(time.Second)
	return t
}

func (t Token) marshal(value string) ([]byte, error) {
	d := document{
		Version:        formatVersion,
		Target:         t.Target,
		Kind:           t.Kind,
		TokenType:      t.TokenType,
		Expiry:         t.Expiry.Format(time.RFC3339),
		MintedAt:       t.MintedAt.Format(time.RFC3339),
		Principal:      t.Principal,
		Scopes:         t.Scopes,
		Audience:       t.Audience,
		ProjectID:      t.ProjectID,
		UniverseDomain: t.UniverseDomain,
	}
	if t.Kind == IDToken {
		d.IDToken = value
	} else {
		d.AccessToken = value
	}

	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // audiences are URLs: keep & legible
	if err := enc.Encode(d); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Parse reads a stored token. Unknown fields are ignored (a newer writer may
// have added some); a missing or wrong known field is an error that names it and
// shows nothing of what stands there, which may be a token or somebody's
// unrelated secret. For one that is paused it wraps a *[Pause].
func Parse(data []byte) (Token, error) {
	t, err := parse(data)
	if err != nil {
		return Token{}, fmt.Errorf("parsing stored token: %w", err)
	}
	return t, nil
}

func parse(data []byte) (Token, error) {
	if len(data) > MaxSize {
		return Token{}, fmt.Errorf("%d bytes are %w: %d", len(data), errTooLarge, MaxSize)
	}
	r, err := newFieldReader(data)
	if err != nil {
		return Token{}, err
	}
	// The version goes first: of a newer one nothing else can be judged.
	if r.version(); r.err != nil {
		return Token{}, r.err
	}
	if err := parseMark(r); err != nil {
		return Token{}, err
	}
	t := Token{
		Target:         r.text("target"),
		Kind:           Kind(r.text("kind")),
		TokenType:      r.text("token_type"),
		Expiry:         r.time("expiry"),
		MintedAt:       r.time("minted_at"),
		Principal:      r.text("principal"),
		ProjectID:      r.optionalText("project_id"),
		UniverseDomain: r.optionalText("universe_domain"),
	}
	if t.Kind == IDToken {
		t.Value, t.Audience = secret.New(r.text("id_token")), r.text("audience")
		r.none("access_token", "scopes")
	} else {
		t.Value, t.Scopes = secret.New(r.text("access_token")), r.texts("scopes")
		r.none("id_token", "audience")
	}
	if r.err != nil {
		return Token{}, r.err
	}
	t = t.canonical()
	return t, t.check()
}

// check tells the first thing that keeps t from being a stored token. It is the
// one place for rules about values, whether they are about to be written or
// were read.
func (t Token) check() error {
	for _, f := range []struct{ name, text string }{
		{"target", t.Target}, {"principal", t.Principal},
		{"audience", t.Audience}, {"project_id", t.ProjectID}, {"universe_domain", t.UniverseDomain},
	} {
		if !utf8.ValidString(f.text) {
			return fieldError(f.name, "is not UTF-8")
		}
	}
	switch {
	case t.Target == "":
		return fieldError("target", "is empty")
	case t.TokenType != "Bearer":
		return fieldError("token_type", "is not Bearer")
	case t.Principal == "":
		return fieldError("principal", "is empty")
	}
	if err := t.checkKind(); err != nil {
		return err
	}
	return t.checkTimes()
}

// checkKind holds the rules that differ between access tokens and ID tokens.
func (t Token) checkKind() error {
	valueField := "access_token"
	switch t.Kind {
	case IDToken:
		valueField = "id_token"
		switch {
		case t.Audience == "":
			return fieldError("audience", "is empty")
		case len(t.Scopes) > 0:
			return fieldError("scopes", "does not belong to an ID token")
		}
	case Federated, AccessToken:
		switch {
		case len(t.Scopes) == 0:
			return fieldError("scopes", "is empty")
		case slices.ContainsFunc(t.Scopes, unfitForHeader):
			return fieldError("scopes", "has a scope that is empty or not plain ASCII without spaces")
		case t.Audience != "":
			return fieldError("audience", "does not belong to an access token")
		}
	default:
		return fieldError("kind", "is none of federated, access_token, id_token")
	}

	switch value := t.Value.Reveal(); {
	case unfitForHeader(value):
		return fieldError(valueField, "is empty or not plain ASCII without spaces")
	case strings.HasPrefix(value, fingerprintPrefix):
		return fieldError(valueField, "is a token's fingerprint, not the token")
	}
	return nil
}

func (t Token) checkTimes() error {
	for _, f := range []struct {
		name string
		time time.Time
	}{{"expiry", t.Expiry}, {"minted_at", t.MintedAt}} {
		if y := f.time.Year(); y < 1970 || y > 9999 {
			return fieldError(f.name, "is not in the years 1970 to 9999")
		}
	}
	if !t.Expiry.After(t.MintedAt) {
		return fieldError("expiry", "is not after minted_at: check the clock of the machine that minted it")
	}
	return nil
}

func fieldError(name, problem string) error {
	return fmt.Errorf("field %q %s", name, problem)
}

// unfitForHeader reports whether s is empty or has anything but visible ASCII in
// it: a newline in a token would become a second header line.
func unfitForHeader(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return true
		}
	}
	return s == ""
}
