package googleapi

import "strings"

// tokenShapes are what the tokens of Google and AWS look like: how they begin, and
// the least of what follows that makes one. Both call theirs opaque, so this finds
// those of today, and is there for the ones that nobody knows to be in a text.
var tokenShapes = [...]struct {
	prefix string
	rest   int // characters
}{
	{"ya29.", 1},    // an access token, of a federated identity too
	{"eyJ", 9},      // a JWT, or any other JSON object in base64
	{"1//", 20},     // a refresh token
	{"1%2F%2F", 20}, // the same in a form

	{"IQoJb3JpZ2luX2Vj", 1}, // an AWS session token: "origin_ec" in base64
	{"FwoGZXIvYXdz", 1},     // one of before 2020: "er/aws"
	{"FQoGZXIvYXdz", 1},
}

// hideTokens replaces what looks like a token.
func hideTokens(s string) string {
	var b strings.Builder
	shown := 0 // s[:shown] is dealt with
	for i := 0; i < len(s); i++ {
		if n := tokenLength(s[i:]); n > 0 {
			b.WriteString(s[shown:i])
			b.WriteString(masked)
			shown = i + n
			i = shown - 1
		}
	}
	b.WriteString(s[shown:])
	return b.String()
}

// tokenLength is the length of the token that s begins with, 0 if it begins
// with none.
func tokenLength(s string) int {
	for _, shape := range tokenShapes {
		rest, ok := strings.CutPrefix(s, shape.prefix)
		if !ok {
			continue
		}
		n := strings.IndexFunc(rest, func(r rune) bool { return !inToken(r) })
		if n < 0 {
			n = len(rest)
		}
		if n >= shape.rest {
			return len(shape.prefix) + n
		}
	}
	return 0
}

// inToken reports whether r may stand in a bearer token (RFC 6750, 2.1), or in one
// that is percent-encoded.
func inToken(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._~+/=%", r)
}
