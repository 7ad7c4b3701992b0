package supplier

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/wifmint/wifmint/pkg/secret"
)

// document is the answer of the container endpoint and of instance metadata.
// They differ in case ("Code", "code"), which encoding/json does not mind.
type document struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey secret.Text
	Token           secret.Text
	// Expiration is RFC 3339. AWS always sends it; others may leave it out.
	Expiration string
	// Code is "Success" from instance metadata, an error code if something
	// is wrong, and absent from the container endpoint.
	Code    string
	Message string

	malformed bool
}

// parseDocument never fails: what of the body is legible is in the result, for
// the sake of a Message beside a field of a wrong type.
func parseDocument(body []byte) document {
	var d document
	d.malformed = json.Unmarshal(body, &d) != nil
	return d
}

// credentials returns the keys, or what is wrong with the document.
func (d document) credentials(now time.Time, sent ...secret.Text) (_ AwsSecurityCredentials, reason string) {
	creds := AwsSecurityCredentials{AccessKeyID: d.AccessKeyID, SecretAccessKey: d.SecretAccessKey, SessionToken: d.Token}
	switch said := d.complaint(sent...); {
	case said != "":
		return AwsSecurityCredentials{}, "the answer is an error: " + said
	case d.malformed:
		return AwsSecurityCredentials{}, "the answer is not the JSON document that AWS sends; something else is listening there"
	case creds.flaw() != "":
		return AwsSecurityCredentials{}, "the answer holds no usable credentials: " + creds.flaw()
	case d.Token.IsZero():
		return AwsSecurityCredentials{}, "the answer holds no session token"
	}
	if d.Expiration == "" {
		return creds, ""
	}
	expiry, err := time.Parse(time.RFC3339, d.Expiration)
	switch {
	case err != nil:
		return AwsSecurityCredentials{}, "the answer's Expiration is not an RFC 3339 time"
	case !expiry.After(now):
		return AwsSecurityCredentials{}, fmt.Sprintf("the credentials expired at %s; is this machine's clock right?", expiry.UTC().Format(time.RFC3339))
	}
	return creds, ""
}

// complaint is the document's error code and message, "" if it is none.
func (d document) complaint(sent ...secret.Text) string {
	if d.Code == "" && d.Message == "" || strings.EqualFold(d.Code, "Success") {
		return ""
	}
	return presentable(strings.Trim(d.Code+": "+d.Message, ": "), append(sent, d.SecretAccessKey, d.Token)...)
}

// presentable makes a text that came over the network fit for an error: one
// line, printable, short, and with the secrets that may be repeated in it masked.
func presentable(text string, secrets ...secret.Text) string {
	const most = 300
	text = masked(text, secrets)
	// AWS's SignatureDoesNotMatch repeats the whole signed request below its first line.
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	text = masked(text, secrets) // what was taken out may have stood within a secret
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

func masked(text string, secrets []secret.Text) string {
	for _, s := range secrets {
		if !s.IsZero() {
			text = strings.ReplaceAll(text, s.Reveal(), s.String())
		}
	}
	return text
}
