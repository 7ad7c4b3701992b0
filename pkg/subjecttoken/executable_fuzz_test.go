package subjecttoken

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// Whatever a credential file says behind the program: it is words between white space
// to that program, and no shell's. What it tells the program of a token is its value.
func FuzzCommandLine(f *testing.F) {
	for _, arguments := range []string{
		"", "a b", `"a b" 'c d' e\ f`, "$(id) `id` $HOME ~ *", "; id", "| id && id > file", "--a=b -- -", "\n\t\v\f\r", "a\u00a0b\u2028c\u0085d", "a\x00b", "\xff \xfe", "%PATH% ^& a", "\u202e\u001b[2J", strings.Repeat("x", 140_000), strings.Repeat("a ", 1000),
	} {
		f.Add(arguments, "//iam.googleapis.com/locations/global/workforcePools/staff/providers/oidc")
	}
	for _, audience := range []string{"", " a ", "a\x00b", "a\nGOOGLE_EXTERNAL_ACCOUNT_REVOKE=1", "=", "\xff", "$(id)"} {
		f.Add("a", audience)
	}
	f.Fuzz(func(t *testing.T, arguments, audience string) {
		file := filepath.Join(t.TempDir(), "report")
		e := program(t, "reports", "CHILD_FILE", file, "CHILD_PRINTS", goodOIDC)
		e.Command += " " + arguments
		e.Audience = audience
		if _, err := e.SubjectToken(t.Context()); err != nil {
			// The system takes no NUL, and 128 KiB a word.
			if wantHidden(t, err); !strings.Contains(arguments+audience, "\x00") && len(arguments)+len(audience) < 100_000 {
				t.Errorf("arguments %q, audience %q: %v", arguments, audience, err)
			}
			return
		}
		var report struct{ Arguments, Environment []string }
		content, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(content, &report)
		}
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(report.Arguments, func(word string) bool { return word == "" || strings.ContainsFunc(word, unicode.IsSpace) }) {
			t.Errorf("%q became %q", arguments, report.Arguments)
		}
		if got := strings.Join(report.Arguments, ""); got != reported(strings.Map(dropSpace, arguments)) {
			t.Errorf("%q became %q", arguments, got)
		}
		told := slices.DeleteFunc(report.Environment, func(v string) bool { return !strings.HasPrefix(v, executableVariables+"AUDIENCE=") })
		if len(told) != 1 || told[0] != executableVariables+"AUDIENCE="+reported(audience) {
			t.Errorf("the audience %q is told as %q", audience, told)
		}
	})
}

func dropSpace(r rune) rune {
	if unicode.IsSpace(r) {
		return -1
	}
	return r
}

// reported is a text as JSON has it, which replaces every byte that is not UTF-8.
func reported(text string) string { return string([]rune(text)) }
