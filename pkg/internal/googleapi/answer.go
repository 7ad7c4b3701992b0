package googleapi

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Decode reads the body, a JSON object, into a struct as encoding/json does. Its
// error names a field at most: the decoder's own text quotes values, and where a
// field is wrong, a token may well stand in it.
func (a *Answer) Decode(into any) error {
	err := json.Unmarshal(a.Body, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return fmt.Errorf("the answer's %s has the wrong JSON type", wrong.Field)
	}
	if err != nil {
		return errNoObject
	}
	return nil
}

// FitsHeader reports whether a token can be sent in a header: visible ASCII, and
// some of it.
func FitsHeader(token string) bool {
	for _, c := range []byte(token) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return token != ""
}
