package doctor

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestEveryDiagnosisIsTried(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	for _, m := range misconfigurations {
		tried[m.cause] = true
	}
	for _, d := range deployments {
		tried[d.cause] = true
	}
	for d := range diagnoses {
		if !tried[d.cause] {
			t.Errorf("no misconfiguration brings %s about", d.cause)
		}
	}
}

func TestEveryCauseIsTold(t *testing.T) {
	t.Parallel()
	for d := range diagnoses {
		if d.cause == "" || d.means == "" || d.fix == "" || strings.HasSuffix(d.means, ".") || strings.HasSuffix(d.fix, "\n") {
			t.Errorf("%q: means %q, fix %q", d.cause, d.means, d.fix)
		}
	}
	if last := diagnose("", "anything", &finding{}); last.cause != "unknown" {
		t.Errorf("the last resort is %q", last.cause)
	}
}

// A remedy can be pasted as a whole: what is no command is a comment.
func TestEveryRemedyIsShell(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	for d := range diagnoses {
		if out, err := exec.CommandContext(t.Context(), bash, "-n", "-c", names{}.fill(d.fix)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", d.cause, err, out)
		}
		for line := range strings.Lines(d.fix) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if !slices.Contains([]string{"#", "aws", "gcloud", "wifmint", "sam", "export", "sudo", "dig", "curl", "openssl"}, word) {
				t.Errorf("%s: %q is neither a comment nor one of the commands", d.cause, line)
			}
		}
	}
}

func TestNamesAreFilledInOnlyWhereAShellTakesThemForWords(t *testing.T) {
	t.Parallel()
	n := names{"POOL": "pool", "ARN": "arn:x; rm -rf /", "QUOTE": "a'b", "SECRET": "$(id)", "LINES": "a\nid", "EMPTY": ""}
	for _, tt := range []struct{ name, template, want string }{
		{"a name", "describe {POOL} now", "describe pool now"},
		{"a name that is not known", "describe {PROVIDER}", "describe PROVIDER"},
		{"an empty name", "describe {EMPTY}", "describe EMPTY"},
		{"a command in a name", "as {ARN} or {SECRET} or {QUOTE}", "as 'arn:x; rm -rf /' or '$(id)' or QUOTE"},
		{"a command in a name, in single quotes", "as '{ARN}' or '{QUOTE}'", "as 'arn:x; rm -rf /' or 'QUOTE'"},
		{"a command in a name, in double quotes", `as "{SECRET}" {SECRET}`, `as "SECRET" '$(id)'`},
		{"a command in a name, in a comment", "# it's {ARN}\nas {ARN}", "# it's ARN\nas 'arn:x; rm -rf /'"},
		{"a name with a line break", "as {LINES}", "as LINES"},
		{"JSON, with a name in it", `'{"Statement":[{"Resource":"{POOL}*"}]}'`, `'{"Statement":[{"Resource":"pool*"}]}'`},
		{"braces of another language", "extract('{role}/') { $.level } {", "extract('{role}/') { $.level } {"},
		{"names side by side", "{POOL}{POOL}", "poolpool"},
	} {
		if got := n.fill(tt.template); got != tt.want {
			t.Errorf("%s: %q, not %q", tt.name, got, tt.want)
		}
	}
}
