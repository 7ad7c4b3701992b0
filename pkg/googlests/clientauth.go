package googlests

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/wifmint/wifmint/pkg/secret"
)

// ClientAuthStyle says where client credentials go.
type ClientAuthStyle int

// The zero style is Basic (RFC 6749, 2.3.1 prefers it).
//
// RFC 6749 would have id and secret form-encoded before they are put together
// for Basic. Google's own libraries, in Go, Python and Node alike, put them
// together as they are, so that is what Google's STS is known to accept and what
// Basic does; for the ids and secrets that Google issues there is no difference.
const (
	Basic ClientAuthStyle = iota // in the Authorization header
	Body                         // as client_id and client_secret in the form
)

// ClientAuth is an OAuth client's id and secret. The zero value is no client.
type ClientAuth struct {
	// Style zero means Basic.
	Style ClientAuthStyle
	// ID must not contain a colon in style Basic.
	ID string
	// Secret may be empty.
	Secret secret.Text
}

// check tells what makes the client unusable.
func (a ClientAuth) check() error {
	switch {
	case a.Style != Basic && a.Style != Body:
		return fmt.Errorf("ClientAuth.Style is %d: want Basic or Body", a.Style)
	case a.ID == "" && !a.Secret.IsZero():
		return errors.New("ClientAuth has a Secret but no ID: set both or neither")
	case a.Style == Basic && strings.Contains(a.ID, ":"):
		return errors.New("ClientAuth.ID has a colon in it, where Basic would cut it: use style Body")
	}
	return nil
}

// authorization is the Authorization header, "" for none.
func (a ClientAuth) authorization() string {
	if a.Style != Basic || a.ID == "" {
		return ""
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(a.ID+":"+a.Secret.Reveal()))
}

// addTo adds a client that authenticates in the body.
func (a ClientAuth) addTo(f *form) {
	if a.Style == Body {
		f.add("client_id", a.ID)
		f.add("client_secret", a.Secret.Reveal())
	}
}
