package main

import (
	"regexp"
	"slices"
	"strings"
)

// shape is a form that secrets have.
type shape struct {
	kind string
	*regexp.Regexp
	// only, unless nil, tells which matches count.
	only func(text string) bool
}

// shapes are what no test may print. They match what is secret and not what is a
// name for it: "ya29." in a message, or an access key's id. Earlier ones come first,
// and what they match is not looked at again.
var shapes = []shape{
	{kind: "access-token", Regexp: regexp.MustCompile(`ya29\.[\w.-]{4,}`)},
	{kind: "jwt", Regexp: regexp.MustCompile(`eyJ[\w-]{8,}(?:\.[\w-]{4,})+`)},
	{kind: "signed-request", Regexp: regexp.MustCompile(`(?i)signature(?:=|%3d|%253d|":\s*")[0-9a-f]{32,}`)},
	{kind: "session-token", Regexp: regexp.MustCompile(`IQoJb3JpZ2lu[\w/+=%-]{8,}|FwoGZXIvYXdz[\w/+=%-]{8,}|` +
		labelled(`session_?token|security-token|metadata-token|parameters-secrets-token`))},
	{kind: "secret-access-key", Regexp: regexp.MustCompile(`wJalrXUtnFEMI[\w/+]*|` + labelled(`secret_?access_?key`) +
		`|\bA[KS]IA[A-Z0-9]{12,16}[\s"',:}]{1,5}[\w/+-]{40}\b`)}, // a key id with what belongs to it
	{kind: "refresh-token", Regexp: regexp.MustCompile(`\b1(?://|%2[Ff]%2[Ff])[\w-]{4,}|` + labelled(`refresh_?token`))},
	{kind: "client-secret", Regexp: regexp.MustCompile(`GOCSPX-[\w-]+|` + labelled(`client_?secret`))},
	{kind: "private-key", Regexp: regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)},
	{kind: "rotation-token", Regexp: regexp.MustCompile(labelled(`rotation_?token`))},
	{kind: "authorization", Regexp: regexp.MustCompile(`(?i)authorization(?:_?token)?[\\"':\[= ]{1,6}(?:basic|bearer)[ -][\w.~+/-]{8,}`)},
	// What tests plant in other forms, see TestWhatTestsPlantIsRecognised.
	{kind: "planted", Regexp: regexp.MustCompile(`(?:\bplanted|PLANTED)[\w.+/-]*|\w+ofTheWorldThatNobodyMaySee\w*|SUBJECTtoken\d\w*|` +
		`4711471147114711|AQAEAIMDSv2-[\w-]+|Bearer-of-the-container-[\w-]+|credential-id-[0-9a-f]+|correct/horse\+battery[\w=]*`)},
	// An AWS secret key or a token of IMDS that stands alone.
	{kind: "random", Regexp: regexp.MustCompile(`[\w/+-]{40,}`), only: random},
}

// labelled is a pattern for a value that its name tells: "name": "value",
// name=value, {Name:value}, <Name>value. A word after a colon and a space, as in a
// message, is none.
func labelled(names string) string {
	return `(?i:` + names + `)(?:[\\"']*[:=] ?[\\"']+|[:=>]\[?)[\w/+=%.-]{8,}`
}

// random reports whether a text looks like one that was drawn: there are digits,
// capitals and small letters, and one changes to another 2 times in 5 letters at
// least. The names and the paths in tests' output have less than 3 in 10, of drawn
// keys one in a hundred less than 4. Digests have no capitals; certificates are public.
func random(text string) bool {
	const certificate = "MII" // any DER of more than 255 bytes, in base64
	var count [3]int          // by class
	changes, last := 0, -1
	for _, c := range []byte(text) {
		class := 0
		switch {
		case '0' <= c && c <= '9':
		case 'a' <= c && c <= 'z':
			class = 1
		case 'A' <= c && c <= 'Z':
			class = 2
		default: // as there are many in a path
			continue
		}
		count[class]++
		if class != last {
			changes++
		}
		last = class
	}
	return min(count[0], count[1], count[2]) > 0 && changes*5 > len(text)*2 && !strings.HasPrefix(text, certificate)
}

// leak is a part of an output that has the shape of a secret.
type leak struct{ kind, text string }

var (
	// echoed is a command or a comment that testscript repeats from its script, of
	// this repository.
	echoed = regexp.MustCompile(`(?m)^ {8}[>#] .*$`)
	// named are go test's own words: a test's name may look like anything.
	named = regexp.MustCompile(`(?m)^ *(?:===|---) [A-Z]+:? .*$`)
)

func search(output string) (leaks []leak) {
	output = echoed.ReplaceAllString(output, "")
	for _, shape := range shapes {
		if shape.only != nil {
			output = named.ReplaceAllString(output, "")
		}
		output = shape.replace(output, func(text string) string {
			if found := (leak{shape.kind, text}); !slices.Contains(leaks, found) {
				leaks = append(leaks, found)
			}
			return " "
		})
	}
	return leaks
}

func (s shape) replace(output string, by func(string) string) string {
	return s.ReplaceAllStringFunc(output, func(text string) string {
		if s.only != nil && !s.only(text) {
			return text
		}
		return by(text)
	})
}

// beginning is enough to find a leak by: of a token that is none of a test's, too
// little to use.
func (l leak) beginning() string { return l.text[:min(len(l.text)/2, 12)] + "…" }

// conceal is an output to print.
func conceal(output string) string {
	for _, shape := range shapes {
		output = shape.replace(output, func(text string) string { return leak{shape.kind, text}.beginning() })
	}
	return output
}
