package subjecttoken

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/wifmint/wifmint/pkg/secret"
)

// maxContent is the most that is read of a file, an answer or a program's
// output. The longest tokens, SAML responses, have some 100 KiB.
const maxContent = 1 << 20

// Format tells how a file or an answer holds the token. The zero value is a
// bare token.
type Format struct {
	// Type is "text" or "json"; zero means "text". White space around a text is
	// not part of the token.
	Type string
	// SubjectTokenFieldName is the field of the JSON object whose value is the
	// token; required for "json", and of no effect for "text".
	SubjectTokenFieldName string
}

// flaw tells why nothing can be read in this format, "" if it can.
func (f Format) flaw() string {
	switch {
	case f.Type == "json" && f.SubjectTokenFieldName == "":
		return "credential_source.format.subject_token_field_name is empty; name the field of the JSON object that holds the token"
	case f.Type != "" && f.Type != "text" && f.Type != "json":
		return fmt.Sprintf(`credential_source.format.type is %q; write "text" or "json"`, f.Type)
	}
	return ""
}

// token takes the token out of content. If there is none, flaw is what to say
// of the content, such as "is empty", and does not quote it.
func (f Format) token(content []byte) (_ secret.Text, flaw string) {
	if f.Type != "json" {
		text := strings.TrimSpace(string(content))
		return secret.New(text), tokenFlaw(text)
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(content, &fields) != nil {
		return secret.Text{}, "is not a JSON object" + bareTokenHint(content)
	}
	value, present := fields[f.SubjectTokenFieldName]
	var text string
	switch {
	case !present:
		return secret.Text{}, fmt.Sprintf("has no field %q; credential_source.format.subject_token_field_name names the one with the token", f.SubjectTokenFieldName)
	case value[0] != '"' || json.Unmarshal(value, &text) != nil:
		return secret.Text{}, fmt.Sprintf("has no string in its field %q", f.SubjectTokenFieldName)
	}
	if flaw := tokenFlaw(text); flaw != "" {
		return secret.Text{}, fmt.Sprintf("has a field %q that %s", f.SubjectTokenFieldName, flaw)
	}
	return secret.New(text), ""
}

// bareTokenHint says what to change for content that is a token and no JSON.
func bareTokenHint(content []byte) string {
	if tokenFlaw(string(bytes.TrimSpace(content))) != "" {
		return ""
	}
	return `; if it is the token itself, write "text" for credential_source.format.type`
}

// tokenFlaw tells why s cannot be a token, "" if it can. JWTs, base64 and
// percent-encoded requests are ASCII and begin with neither "<" nor "{": what
// does is a page of a proxy, or a document where a field of it was meant.
func tokenFlaw(s string) string {
	switch {
	case strings.TrimSpace(s) == "":
		return "is empty"
	case s[0] == '<':
		return "is a page of HTML or XML and not a token (a SAML response goes to Google in base64)"
	case s[0] == '{':
		return `is JSON and not a token; write "json" for credential_source.format.type and the field's name for subject_token_field_name`
	case strings.ContainsFunc(s, func(r rune) bool { return r > '~' || r < ' ' && !strings.ContainsRune("\t\r\n", r) }):
		return "has characters that no token has; was it written as UTF-16?"
	}
	return ""
}
