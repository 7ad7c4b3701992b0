package externalaccount

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/internal/hostilejson"
	"github.com/wifmint/wifmint/pkg/jsondoc"
	"github.com/wifmint/wifmint/pkg/secret"
)

func FuzzParseFile(f *testing.F) {
	gcloud, err := os.ReadFile("testdata/gcloud-aws.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(gcloud), minimal, `null`, `[]`, `{"type": "service_account", "private_key": "x"}`, `{"type": "external_account", "credential_source": {"file": ""}}`,
		`{"type":"external_account","audience":"` + provider + `","subject_token_type":` + jwt + `,"credential_source":{"url":"http://h","headers":{"a":"b"},"format":{"type":"json","subject_token_field_name":"t"}}}`,
		`{"type":"external_account","audience":"` + provider + `","subject_token_type":` + jwt + `,"pluggable_source":{"executable":{"command":"c","timeout_millis":5000}}}`,
		`{"type":"external_account","audience":"` + provider + `","subject_token_type":` + mtls + `,"credential_source":{"certificate":{"use_default_certificate_config":true}}}`} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	for _, seed := range hostilejson.Seeds(string(gcloud)) {
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, anyEndpoint bool) {
		got, err := ParseFile(data, FileOptions{AllowAnyEndpoint: anyEndpoint, AllowExecutable: true})
		var p jsondoc.Problems
		switch {
		case err != nil && (got != nil || !errors.As(err, &p) || len(p) == 0):
			t.Fatalf("%v and %v", got, err)
		case err == nil && (sources(got) != 1 || got.TokenURL == "" || got.Audience == "" || got.UniverseDomain == ""):
			t.Fatalf("%+v is not whole", got)
		}
		if err == nil {
			again(t, got, FileOptions{AllowAnyEndpoint: anyEndpoint, AllowExecutable: true})
		}
		for _, problem := range p {
			if problem.Found == "" || problem.Want == "" {
				t.Fatalf("%#v", problem)
			}
		}
	})
}

// sources counts the kinds of credential_source that a file has.
func sources(f *File) int {
	n := 0
	for _, present := range []bool{f.AWS != nil, f.TokenFile != nil, f.URL != nil, f.Executable != nil, f.Certificate != nil} {
		if present {
			n++
		}
	}
	return n
}

// again reads what a file encodes to.
func again(t *testing.T, f *File, o FileOptions) {
	t.Helper()
	encoded, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseFile(encoded, o)
	if err != nil {
		t.Fatalf("%s: %v", encoded, err)
	}
	if diff := cmp.Diff(f, got, cmp.Comparer(secret.Text.Equal)); diff != "" {
		t.Fatal(diff)
	}
}

func FuzzParseAny(f *testing.F) {
	for _, seed := range []string{minimal, workforceLogin, googleLogin, impersonating(minimal), impersonating(workforceLogin), nested(3), nested(6), `null`, `{"type": "impersonated_service_account", "source_credentials": null}`,
		`{"type": "authorized_user", "token": "t", "expiry": "0001-01-01T00:00:00Z", "scopes": "a b"}`,
		`{"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r", "scopes": " "}`,
		`{"type": "external_account_authorized_user", "token": "t", "expiry": "9999-12-31T23:59:59.9-23:59"}`,
		`{"type": "service_account", "private_key": "x"}`} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	for _, valid := range []string{minimal, workforceLogin, googleLogin, impersonating(minimal)} {
		for _, seed := range hostilejson.Seeds(valid) {
			f.Add([]byte(seed), false)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, anyEndpoint bool) {
		o := FileOptions{AllowAnyEndpoint: anyEndpoint, AllowExecutable: true}
		got, err := ParseAny(data, o)
		if err != nil {
			if p, ok := errors.AsType[jsondoc.Problems](err); got != nil || !ok || len(p) == 0 {
				t.Fatalf("%v and %v", got, err)
			}
			return
		}
		againAny(t, got, o)
		// Whoever passed gets credentials, or is told what to change.
		c, err := got.Credentials(Options{Getenv: lookup(nil)})
		if _, told := err.(*ConfigError); c == nil && !told {
			t.Fatalf("%v and %v", c, err)
		}
	})
}
