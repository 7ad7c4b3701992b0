package externalaccount

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/jsondoc"
	"github.com/wifmint/wifmint/pkg/secret"
)

// impersonating is a credential file around another.
func impersonating(source string) string {
	return `{"delegates": [], "service_account_impersonation_url": ` + anyReports + `, "source_credentials": ` + source + `, "type": "impersonated_service_account"}`
}

func nested(levels int) string {
	document := googleLogin
	for range levels {
		document = impersonating(document)
	}
	return document
}

func sorted(lines []string) []string { return slices.Sorted(slices.Values(lines)) }

// againAny reads what a file encodes to.
func againAny(t *testing.T, f AnyFile, o FileOptions) {
	t.Helper()
	encoded, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseAny(encoded, o)
	if err != nil {
		t.Fatalf("%s: %v", encoded, err)
	}
	if diff := cmp.Diff(f, got, cmp.Comparer(secret.Text.Equal)); diff != "" {
		t.Fatal(diff)
	}
}

func TestTheTypeOfAFileDecidesWhatItIs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, document, file, credentials string }{
		{"a workload's", minimal, "*externalaccount.File", "*externalaccount.Credentials"},
		{"a workforce login", workforceLogin, "*externalaccount.AuthorizedUserFile", "*externalaccount.AuthorizedUser"},
		{"a Google login", googleLogin, "*externalaccount.AuthorizedUserFile", "*externalaccount.AuthorizedUser"},
		{"an impersonation", impersonating(minimal), "*externalaccount.ImpersonatedFile", "*externalaccount.Impersonated"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := LoadAny(writeFile(t, "credentials.json", tt.document, 0o600), FileOptions{})
			if err != nil {
				t.Fatal(err)
			}
			c, err := f.Credentials(Options{Getenv: lookup(nil)})
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%T %T", f, c); got != tt.file+" "+tt.credentials {
				t.Errorf("it is %s", got)
			}
			againAny(t, c.AnyInfo(), FileOptions{})
			if _, user := c.(*AuthorizedUser); c.UniverseDomain() != "googleapis.com" || c.IsUser() != user {
				t.Errorf("universe %s, user %t", c.UniverseDomain(), c.IsUser())
			}
		})
	}
}

func TestOtherTypesOfFilesAreRefused(t *testing.T) {
	t.Parallel()
	const key = `{"type": "service_account", "private_key": "planted"}`
	for _, tt := range []struct{ name, document, want string }{
		{"a key file", key, `type: found "service_account"; this is a service account's key file, and wifmint exists so that nobody needs one: write`},
		{"a key file that impersonates", impersonating(key), `source_credentials.type: found "service_account"; this is a service account's key file`},
		{"an unknown type", `{"type": "gdch_service_account"}`, `type: found "gdch_service_account"; write a credential file that gcloud makes`},
		{"no type", `{}`, `type: found nothing; write a credential file that gcloud makes`},
		{"no object", `[]`, `document: found an array; write an object in braces`},
		{"nothing", ``, `document: found the end of the document`},
		{"too many accounts", nested(5), `source_credentials.source_credentials.source_credentials.source_credentials: found one account too many`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := ParseAny([]byte(tt.document), FileOptions{})
			if f != nil || strings.Contains(err.Error(), "planted") {
				t.Errorf("%v, %v", f, err)
			}
			expectProblems(t, []string{tt.want}, problems(t, err))
		})
	}
	if _, err := ParseAny([]byte(nested(4)), FileOptions{}); err != nil {
		t.Error(err)
	}
}

func TestAFileThatCannotBeUsedIsNamed(t *testing.T) {
	t.Parallel()
	broken := writeFile(t, "broken.json", `{"type": "external_account"}`, 0o600)
	for _, load := range []func(string) error{
		func(path string) error { _, err := LoadFile(path, FileOptions{}); return err },
		func(path string) error { _, err := LoadAny(path, FileOptions{}); return err },
	} {
		err := load("testdata/nowhere.json")
		if e, ok := err.(*ConfigError); !ok || e.Path != "testdata/nowhere.json" || !errors.Is(err, fs.ErrNotExist) ||
			err.Error() != "reading the credential file testdata/nowhere.json: no such file or directory" {
			t.Errorf("%T: %v", err, err)
		}
		err = load(broken)
		var p jsondoc.Problems
		if e, ok := err.(*ConfigError); !ok || e.Path != broken || !errors.As(err, &p) || len(p) != 3 || err.Error() != "reading the credential file "+broken+":\n"+p.Error() {
			t.Errorf("%T: %v", err, err)
		}
	}
}
