package externalaccount

import (
	"errors"
	"os"
	"testing"

	"github.com/wifmint/wifmint/pkg/jsondoc"
)

func FuzzParseFile(f *testing.F) {
	gcloud, err := os.ReadFile("testdata/gcloud-aws.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(gcloud), minimal, `null`, `[]`, `{"type": "service_account", "private_key": "x"}`, `{"type": "external_account", "credential_source": {"file": ""}}`} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, anyEndpoint bool) {
		got, err := ParseFile(data, FileOptions{AllowAnyEndpoint: anyEndpoint})
		var p jsondoc.Problems
		switch {
		case err != nil && (got != nil || !errors.As(err, &p) || len(p) == 0):
			t.Fatalf("%v and %v", got, err)
		case err == nil && (got.AWS == nil || got.TokenURL == "" || got.Audience == "" || got.UniverseDomain == ""):
			t.Fatalf("%+v is not whole", got)
		}
		for _, problem := range p {
			if problem.Found == "" || problem.Want == "" {
				t.Fatalf("%#v", problem)
			}
		}
	})
}
