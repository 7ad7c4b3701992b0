package main

import (
	"regexp"
	"slices"
)

// shapes are what no test may print. They match what is secret and not what is a
// name for it: "ya29." in a message, or an access key's id.
var shapes = []struct {
	kind string
	*regexp.Regexp
}{
	{"access-token", regexp.MustCompile(`ya29\.[\w.-]{4,}`)},
	{"jwt", regexp.MustCompile(`eyJ[\w-]{8,}(?:\.[\w-]{4,})+`)},
	{"signed-request", regexp.MustCompile(`(?i)signature(?:=|%3d|%253d|":\s*")[0-9a-f]{32,}`)},
	{"session-token", regexp.MustCompile(`IQoJb3JpZ2lu[\w/+=%-]{8,}|FwoGZXIvYXdz[\w/+=%-]{8,}`)},
	{"secret-access-key", regexp.MustCompile(`wJalrXUtnFEMI[\w/+]*|(?i:secret_?access_?key)[\\"':= ]{1,5}[A-Za-z0-9/+]{40}\b`)},
	{"refresh-token", regexp.MustCompile(`\b1//[\w-]{4,}`)},
	{"client-secret", regexp.MustCompile(`GOCSPX-[\w-]+`)},
	{"private-key", regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)},
	{"rotation-token", regexp.MustCompile(`(?i)rotation_?token[\\"':= ]{1,5}[\w/+=-]{8,}`)},
	{"planted", regexp.MustCompile(`\bplanted[-.]\w[\w.-]*`)},
}

// leak is a part of an output that has the shape of a secret.
type leak struct{ kind, text string }

// echoed is a command that testscript repeats from its script, of this repository.
var echoed = regexp.MustCompile(`(?m)^ *> .*$`)

func search(output string) (leaks []leak) {
	output = echoed.ReplaceAllString(output, "")
	for _, shape := range shapes {
		for _, text := range shape.FindAllString(output, -1) {
			if found := (leak{shape.kind, text}); !slices.Contains(leaks, found) {
				leaks = append(leaks, found)
			}
		}
	}
	return leaks
}

// beginning is enough to find a leak by: of a token that is none of a test's, too
// little to use.
func (l leak) beginning() string { return l.text[:min(len(l.text)/2, 12)] + "…" }

// conceal is an output to print.
func conceal(output string) string {
	for _, shape := range shapes {
		output = shape.ReplaceAllStringFunc(output, func(text string) string { return leak{shape.kind, text}.beginning() })
	}
	return output
}
