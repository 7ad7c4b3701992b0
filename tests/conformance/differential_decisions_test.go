package conformance_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/externalaccount"
)

// verdict is who takes a credential file.
type verdict string

const (
	both     verdict = "both"
	neither  verdict = "neither"
	onlyUs   verdict = "wifmint alone"
	onlyThem verdict = "google-auth alone"
)

// decision is a credential file that differs from one that both take, and the
// verdict on it. Where it is that of one of them alone, why says why.
type decision struct {
	of    string // the base, of decisionBases
	field string // such as "credential_source.url"; "" is the file as it is
	value any    // absent takes the field away
	want  verdict
	why   string
	file  string // the file's text, in place of the first three
}

// absent is the value of a field that is not there.
type absentValue struct{}

var absent absentValue

func (d decision) name(t *testing.T) string {
	switch {
	case d.file != "":
		return d.file
	case d.value == absent:
		return d.of + " without " + d.field
	}
	return d.of + " " + d.field + " " + asJSON(t, d.value)
}

// decisionBases are a file of every kind.
func decisionBases() map[string]object {
	return map[string]object{
		"aws":  awsFile(),
		"file": jwtFile(object{"file": "/var/run/token"}),
		"url": jwtFile(object{
			"url": "http://169.254.169.254/metadata/identity/oauth2/token", "headers": object{"Metadata": "True"},
			"format": object{"type": "json", "subject_token_field_name": "access_token"},
		}),
		"executable": jwtFile(object{"executable": object{
			"command": "/usr/local/bin/token --json", "timeout_millis": 5000, "output_file": "/var/run/answer",
		}}),
		"certificate": withFields(jwtFile(object{"certificate": object{"use_default_certificate_config": true}}), object{
			"subject_token_type": "urn:ietf:params:oauth:token-type:mtls", "token_url": "https://sts.mtls.googleapis.com/v1/token",
		}),
		"workforce": withFields(jwtFile(object{"file": "/var/run/token"}), object{
			"audience": workforceAudience, "workforce_pool_user_project": "123456",
		}),
		"login":        loginFile(),
		"Google login": googleLoginFile(),
		"impersonated": impersonatedFile(loginFile()),
	}
}

// changed is base with one field changed.
func changed(base object, field string, value any) object {
	if field == "" {
		return base
	}
	c := maps.Clone(base)
	first, rest, nested := strings.Cut(field, ".")
	if nested {
		inner, _ := c[first].(object)
		c[first] = changed(inner, rest, value)
		return c
	}
	c[first] = value
	if value == absent {
		delete(c, first)
	}
	return c
}

func TestDecisionsAreGoogleAuthsOrDeliberate(t *testing.T) {
	t.Parallel()
	google := startPython(t)
	for _, d := range decisions() {
		file := d.file
		if file == "" {
			file = asJSON(t, changed(decisionBases()[d.of], d.field, d.value))
		}
		f, err := externalaccount.ParseAny([]byte(file), externalaccount.FileOptions{AllowExecutable: true})
		if err == nil {
			_, err = f.Credentials(externalaccount.Options{})
		}
		refused := google.answer(t, question{Do: "accept", File: file}, nil)
		got := verdictOf(err == nil, refused == "")
		if got != d.want || (d.why == "") != (d.want == both || d.want == neither) {
			t.Errorf("%s: taken by %s, want %s (%s)\nwifmint: %v\ngoogle-auth: %s", d.name(t), got, d.want, d.why, err, refused)
		}
	}
}

func verdictOf(us, them bool) verdict {
	switch {
	case us && them:
		return both
	case us:
		return onlyUs
	case them:
		return onlyThem
	}
	return neither
}
