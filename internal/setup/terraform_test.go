package setup

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "../../deploy/google"

func readModule(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(module, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// matches are the first groups of all matches, sorted.
func matches(pattern, text string) []string {
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestTheModuleTakesTheVariablesThatAreWritten(t *testing.T) {
	t.Parallel()
	declared := matches(`(?m)^variable "(\w+)" {`, readModule(t, "variables.tf"))
	written := matches(`(?m)^(\w+) +=`, fill(t, GoogleQuestions(), google).Tfvars())
	if diff := cmp.Diff(declared, written); diff != "" {
		t.Error(diff)
	}
	var used []string
	for _, name := range []string{"locals.tf", "main.tf", "outputs.tf"} {
		used = append(used, matches(`\bvar\.(\w+)`, readModule(t, name))...)
	}
	slices.Sort(used)
	if diff := cmp.Diff(declared, slices.Compact(used)); diff != "" {
		t.Error(diff)
	}
}

func TestTheModuleMakesWhatTheScriptMakes(t *testing.T) {
	t.Parallel()
	if !strings.Contains(readModule(t, "locals.tf"), `"`+roleExpression+`"`) {
		t.Error("the module maps attributes in another way")
	}
	apis := `([a-z]+\.googleapis\.com)\b`
	_, enable, _ := strings.Cut(scriptBody, "services enable")
	enable, _, _ = strings.Cut(enable, "\n\n")
	made, _, _ := strings.Cut(readModule(t, "main.tf"), "\n}\n")
	if diff := cmp.Diff(matches(apis, enable), matches(apis, made)); diff != "" {
		t.Error(diff)
	}
	roles := `"?\b(roles/iam\.\w+)`
	if diff := cmp.Diff(matches(roles, scriptBody), matches(roles, readModule(t, "main.tf"))); diff != "" {
		t.Error(diff)
	}
}

// terraform runs it on the module's variables and locals, which need no provider
// and so no network.
func terraform(t *testing.T, tfvars, input string, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"variables.tf": readModule(t, "variables.tf"), "locals.tf": readModule(t, "locals.tf"), "terraform.tfvars": tfvars,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "terraform", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE=", "CHECKPOINT_DISABLE=1")
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(bytes.TrimSpace(out)), err
}

func needTerraform(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("there is no terraform in PATH")
	}
}

func TestTerraformMakesTheSameCondition(t *testing.T) {
	t.Parallel()
	needTerraform(t)
	for _, tt := range []struct {
		name  string
		flags map[string]string
		want  string
	}{
		{"both functions", google, `"attribute.aws_role in ['` + minterARN + `', '` + rotatorARN + `']"`},
		{"the minter alone", with(google, "service-account", ""), `"attribute.aws_role in ['` + minterARN + `']"`},
	} {
		got, err := terraform(t, fill(t, GoogleQuestions(), tt.flags).Tfvars(), "local.condition\n", "console", "-no-color")
		if err != nil || got != tt.want {
			t.Errorf("%s: %v: %s", tt.name, err, got)
		}
	}
}

func TestTerraformRefusesTheSameTraps(t *testing.T) {
	t.Parallel()
	needTerraform(t)
	good := fill(t, GoogleQuestions(), google).Tfvars()
	for _, tt := range []struct{ name, variable, value string }{
		{"a number for the project id", "project_id", `"123456789012"`},
		{"a pool of three characters", "pool_id", `"aws"`},
		{"a pool of Google's own", "pool_id", `"gcp-pool"`},
		{"a pool for the provider", "provider_id", `"projects/1/locations/global/workloadIdentityPools/wifmint"`},
		{"an account of 11 digits", "aws_account_id", `"11112222333"`},
		{"an ARN for the role", "minter_role", `"` + minterARN + `"`},
		{"a role with a path", "rotator_role", `"teams/data/rotate"`},
		{"one role for both functions", "rotator_role", `"wifmint-MinterRole-1ABCDEFGHIJK"`},
		{"no rotator for the service accounts", "rotator_role", "null"},
		{"a person for a service account", "service_accounts", `["me@example.com"]`},
		{"a role of another kind", "project_roles", `["storage.objectViewer"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			line := regexp.MustCompile(`(?s)\n` + tt.variable + ` +=( "[^"]*"| \[.*?\])`)
			bad := line.ReplaceAllLiteralString(good, "\n"+tt.variable+" = "+tt.value)
			out, err := terraform(t, bad, "", "plan", "-no-color", "-input=false")
			if err == nil || !strings.Contains(out, "var."+tt.variable+" is ") || bad == good {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	if out, err := terraform(t, good, "", "plan", "-no-color", "-input=false"); err != nil {
		t.Error(out)
	}
}

func TestTerraformFindsTheModuleAndItsVariablesFormatted(t *testing.T) {
	t.Parallel()
	needTerraform(t)
	if out, err := exec.CommandContext(t.Context(), "terraform", "fmt", "-check", "-diff", module).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	tfvars := filepath.Join(t.TempDir(), "google.tfvars")
	if err := os.WriteFile(tfvars, []byte(fill(t, GoogleQuestions(), google).Tfvars()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "terraform", "fmt", "-check", "-diff", tfvars).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
