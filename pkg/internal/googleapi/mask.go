package googleapi

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wifmint/wifmint/pkg/secret"
)

// What is kept of a text that a server or a transport wrote: maxRead bytes are
// looked at, and of those so many characters shown.
const (
	maxRead    = 4096
	maxMessage = 500
	maxURI     = 200
	maxCode    = 64
)

// maxExcerpt is how many bytes of an answer that is no error of Google's are quoted.
const maxExcerpt = 200

// runLength is how many bytes in a row a text must have in common with a
// secret to be hidden: short enough that what stays visible of a key or a
// signature is of no use, long enough that ordinary words stay readable.
const runLength = 12

const masked = "[masked]"

// A mask makes text fit for an error. Google may quote a part of what it was
// sent, in error_description above all: one header of a signed request, say, or
// AWS's account of what it should have signed.
//
// It hides every run of runLength bytes that also stands in a secret as it is,
// in its percent-decoded or in its percent-encoded form, and whole secrets that
// are shorter. It does not see through any other encoding. And it hides what
// looks like a token, whosever that is: a proxy may have cached one.
type mask struct {
	runs  map[string]struct{}
	short []string
}

func newMask(req Request) mask {
	m := maskOf(req.Secrets)
	for _, s := range req.Header["Authorization"] {
		m.add(s)
	}
	m.allow(req.URL.Host) // which stands in the transport's errors and may stand in an audience
	m.allow(req.Public...)
	if req.PublicIn != nil {
		for _, s := range req.Secrets {
			m.allow(req.PublicIn(s)...)
		}
	}
	return m
}

func maskOf(secrets []secret.Text) mask {
	m := mask{runs: map[string]struct{}{}}
	for _, s := range secrets {
		m.add(s.Reveal())
	}
	return m
}

// Quote makes what a server wrote fit for an error: without the secrets that it
// was sent, without what looks like a token of Google's or AWS's, on one line, and bounded.
func Quote(text string, secrets ...secret.Text) string {
	return maskOf(secrets).text(text, maxMessage)
}

func (m *mask) add(s string) {
	forms := []string{s, url.QueryEscape(s)}
	if decoded, err := url.QueryUnescape(s); err == nil {
		forms = append(forms, decoded)
	}
	for _, form := range forms {
		form = printable(form)
		if form != "" && len(form) < runLength {
			m.short = append(m.short, form)
		}
		for run := range runsOf(form) {
			m.runs[run] = struct{}{}
		}
	}
}

// allow takes back what was added with a secret that contains it.
func (m *mask) allow(public ...string) {
	for _, s := range public {
		for run := range runsOf(printable(s)) {
			delete(m.runs, run)
		}
	}
}

// runsOf yields every run of runLength bytes in s.
func runsOf(s string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := 0; i+runLength <= len(s); i++ {
			if !yield(s[i : i+runLength]) {
				return
			}
		}
	}
}

// text returns s without the secrets, on one line, without control characters,
// and no longer than limit characters.
func (m mask) text(s string, limit int) string {
	if len(s) > maxRead {
		s = s[:maxRead]
	}
	return bounded(m.hide(printable(s)), limit)
}

// hide replaces what must not be seen.
func (m mask) hide(s string) string {
	var b strings.Builder
	shown := 0 // s[:shown] is dealt with
	for i := 0; i+runLength <= len(s); i++ {
		if _, secret := m.runs[s[i:i+runLength]]; !secret {
			continue
		}
		if shown == 0 || i > shown {
			b.WriteString(s[shown:i])
			b.WriteString(masked)
		}
		shown = i + runLength
	}
	b.WriteString(s[shown:])
	hidden := b.String()
	for _, short := range m.short {
		hidden = strings.ReplaceAll(hidden, short, masked)
	}
	return strings.ToValidUTF8(hideTokens(hidden), "")
}

// err returns err itself, unless its own text has a secret in it: whoever
// prints the causes of an error must not see one either.
func (m mask) err(err error) error {
	text := printable(err.Error())
	if hidden := m.hide(text); hidden != text {
		return maskedError{hidden, err}
	}
	return err
}

// maskedError can be recognised as the error it stands for, but not unwrapped
// to it.
type maskedError struct {
	text string
	err  error
}

func (e maskedError) Error() string        { return e.text }
func (e maskedError) Is(target error) bool { return errors.Is(e.err, target) }

// printable puts s on one line: whatever is not printable, and every run of
// white space, becomes one space.
func printable(s string) string {
	words := strings.FieldsFunc(strings.ToValidUTF8(s, " "), func(r rune) bool {
		return r == ' ' || !unicode.IsPrint(r)
	})
	return strings.Join(words, " ")
}

// bounded cuts s after limit characters.
func bounded(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit]) + "…"
}
