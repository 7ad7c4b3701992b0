package googleapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// object is a JSON object that is known to be valid. Its members are found by a
// scan: for the few that a token's answer has, that takes a fraction of the
// time and of the allocations of decoding into a struct, and it is done for
// every token.
type object []byte

func (a *Answer) object() (object, error) {
	body := skip(a.Body, 0)
	if len(body) == 0 || body[0] != '{' || !json.Valid(body) {
		return nil, errNoObject
	}
	return object(body), nil
}

const (
	bearer               = "Bearer"
	tokenTypeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
)

var errNoObject = errors.New("the answer is not a JSON object of the documented form")

// text is a member that is a string, "" if there is none or it is null. Its
// error names the member and quotes nothing.
func (o object) text(name string) (string, error) {
	raw := o.member(name)
	if raw == nil || string(raw) == "null" {
		return "", nil
	}
	if raw[0] != '"' {
		return "", fmt.Errorf("the answer's %s has the wrong JSON type", name)
	}
	return unquote(raw), nil
}

// member is a member's value, nil if there is none, and the last if there are
// several, as encoding/json has it.
func (o object) member(name string) (value []byte) {
	rest := skip(o[1:], 0)
	for rest[0] != '}' {
		key := rest[:valueEnd(rest)]
		rest = skip(rest[len(key):], ':')
		raw := rest[:valueEnd(rest)]
		rest = skip(rest[len(raw):], ',')
		if plain := key[1 : len(key)-1]; string(plain) == name || bytes.IndexByte(plain, '\\') >= 0 && unquote(key) == name {
			value = raw
		}
	}
	return value
}

// skip returns b without the white space and the separators that it begins with.
func skip(b []byte, separator byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n' || separator != 0 && b[0] == separator) {
		b = b[1:]
	}
	return b
}

// valueEnd is where the value that valid JSON begins with ends.
func valueEnd(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i // of the object around a number or a literal
			}
			if depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

// unquote reads a valid JSON string.
func unquote(raw []byte) string {
	plain := raw[1 : len(raw)-1]
	switch string(plain) { // what every answer says costs no allocation
	case bearer:
		return bearer
	case tokenTypeAccessToken:
		return tokenTypeAccessToken
	}
	if bytes.IndexByte(plain, '\\') < 0 {
		return string(plain)
	}
	var s string
	_ = json.Unmarshal(raw, &s) // it is valid
	return s
}
