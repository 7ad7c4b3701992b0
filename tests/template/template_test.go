// Package template_test checks the templates, events/ and config/ against the
// code that they deploy, call and configure. It reads templates as text: that
// they are valid ones is cfn-lint's to say (.ci/template).
package template_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/internal/keeper"
)

const root = "../.."

// functions are the template's functions and their packages.
var functions = map[string]string{"Minter": "./functions/minter", "Rotator": "./functions/rotator"}

// overridable are the variables of the functions' contract that Lambda does not
// set itself. A function need not read each of them.
var overridable = []string{
	"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_STS",
	"WIFMINT_CONFIG", "WIFMINT_KMS_KEY_ID", "WIFMINT_TOKENINFO_URL", "WIFMINT_UNSAFE_ENDPOINTS",
}

func TestEveryVariableThatAFunctionReadsIsDeclared(t *testing.T) {
	t.Parallel()
	variables := block(t, readFile(t, "template.yaml"), "Globals", "Variables")
	declared := sortedMatches(`(?m)^ {8}([A-Z_]+):`, variables)
	if diff := cmp.Diff(overridable, declared); diff != "" {
		t.Errorf("the functions do not declare the contract's variables (-want +got):\n%s", diff)
	}
	for _, pkg := range functions {
		for _, read := range stringsOf(sourceOf(t, pkg), regexp.MustCompile(`^(WIFMINT|AWS_ENDPOINT)_[A-Z_]+$`)) {
			if !slices.Contains(declared, read) {
				t.Errorf("%s reads %s, which the template does not declare", pkg, read)
			}
		}
	}
}

func TestThePolicyAllowsWhatAFunctionCallsAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, pkg := range functions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policies := block(t, readFile(t, "template.yaml"), "Resources", name, "Policies")
			var allowed []string
			for _, action := range actions(policies) {
				if action != "kms:ViaService" { // a condition key
					allowed = append(allowed, action)
				}
			}
			// Creating a secret with tags takes TagResource, and a key of one's own
			// the KMS actions to read and to write.
			called := []string{"kms:Decrypt", "kms:GenerateDataKey", "secretsmanager:TagResource"}
			for _, operation := range secretsManagerCalls(t, pkg) {
				called = append(called, "secretsmanager:"+operation)
			}
			if diff := cmp.Diff(sortedSet(called), allowed); diff != "" {
				t.Errorf("what %s calls (-) is not what %s may (+):\n%s", pkg, name, diff)
			}
		})
	}
}

// Of a secret that a document names and of one that the functions created each
// function may do the same: what it may create it must be able to keep.
func TestWhatIsAllowedOnOneSecretIsAllowedOnAll(t *testing.T) {
	t.Parallel()
	for name := range functions {
		policies := block(t, readFile(t, "template.yaml"), "Resources", name, "Policies")
		want := actions(statement(t, policies, "HasMoreSecrets"))
		created := slices.DeleteFunc(actions(statement(t, policies, "MayCreateSecrets")), func(a string) bool {
			return a == "secretsmanager:CreateSecret" || a == "secretsmanager:TagResource"
		})
		if diff := cmp.Diff(want, created); diff != "" {
			t.Errorf("%s may keep (-) other secrets than it may create (+):\n%s", name, diff)
		}
		if name != "Rotator" {
			continue
		}
		if diff := cmp.Diff(want, actions(statement(t, policies, "HasServiceAccounts"))); diff != "" {
			t.Errorf("%s may do other things (-) than with its service accounts' secrets (+):\n%s", name, diff)
		}
	}
}

func TestTheScheduleSendsAnEventThatTheFunctionAccepts(t *testing.T) {
	t.Parallel()
	for name := range functions {
		tick := block(t, readFile(t, "template.yaml"), "Resources", name, "Events", "Tick")
		input := strings.Trim(value(t, tick, "Input"), "'")
		const placeholder, now = "<aws.scheduler.scheduled-time>", "2026-01-02T03:05:00Z"
		if !strings.Contains(input, placeholder) {
			t.Fatalf("Input %s has no %s", input, placeholder)
		}
		got, err := keeper.ParseEvent([]byte(strings.ReplaceAll(input, placeholder, now)))
		if err != nil {
			t.Fatal(err)
		}
		if want := (keeper.Event{ScheduledTime: time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC)}); !cmp.Equal(want, got) {
			t.Errorf("the schedule asks for %+v, not for %+v", got, want)
		}
	}
}

func TestARunEndsBeforeTheNextTick(t *testing.T) {
	t.Parallel()
	template := readFile(t, "template.yaml")
	timeout, err := strconv.Atoi(value(t, block(t, template, "Globals"), "Timeout"))
	if err != nil {
		t.Fatal(err)
	}
	schedule := value(t, block(t, template, "Parameters", "ScheduleExpression"), "Default")
	if schedule != "rate(5 minutes)" || timeout >= 5*60 {
		t.Errorf("a run may take %d s, the schedule is %s", timeout, schedule)
	}
	for name := range functions {
		function := block(t, template, "Resources", name)
		if strings.Contains(function, "Timeout:") || value(t, block(t, template, "Resources", name, "Tick"), "ScheduleExpression") != "!Ref ScheduleExpression" {
			t.Errorf("%s has a timeout or a schedule of its own", name)
		}
	}
}

// What a function gave up on is seen, whoever invoked it.
func TestEveryFailureGoesToTheQueue(t *testing.T) {
	t.Parallel()
	template := readFile(t, "template.yaml")
	const queue = "!GetAtt Failures.Arn"
	if got := value(t, block(t, template, "Globals", "EventInvokeConfig", "OnFailure"), "Destination"); got != queue {
		t.Errorf("failed invocations go to %s", got)
	}
	for name := range functions {
		if got := value(t, block(t, template, "Resources", name, "DeadLetterConfig"), "Arn"); got != queue {
			t.Errorf("ticks of %s that are not delivered go to %s", name, got)
		}
	}
}

// AWS::LanguageExtensions takes every !Ref to a parameter out of a resource whose
// Condition is false, and SAM then misses required properties.
func TestNoFunctionIsConditional(t *testing.T) {
	t.Parallel()
	for name := range functions {
		if function := block(t, readFile(t, "template.yaml"), "Resources", name); regexp.MustCompile(`(?m)^ {4}Condition:`).MatchString(function) {
			t.Errorf("%s has a Condition", name)
		}
	}
}

func TestEveryFunctionIsBuiltBySAMAndByCI(t *testing.T) {
	t.Parallel()
	makefile, bootstraps := readFile(t, "Makefile"), readFile(t, ".ci/bootstraps")
	for name, pkg := range functions {
		if want := "build-" + name + ": PROGRAM := " + filepath.Base(pkg) + "\n"; !strings.Contains(makefile, want) {
			t.Errorf("the Makefile has no %q", want)
		}
		if !regexp.MustCompile(`\bfor function in .*\b` + name + `\b`).MatchString(bootstraps) {
			t.Errorf(".ci/bootstraps does not build %s", name)
		}
	}
}

// SAM expands Fn::ForEach only when told to, and CloudFormation when allowed to.
func TestSamconfigAllowsTheLoops(t *testing.T) {
	t.Parallel()
	config := readFile(t, "samconfig.toml")
	global, _, _ := strings.Cut(config, "[default.build")
	if !strings.Contains(global, "\nlanguage_extensions = true\n") {
		t.Error("language_extensions is not on for every command")
	}
	if !regexp.MustCompile(`(?m)^capabilities = ".*\bCAPABILITY_AUTO_EXPAND\b`).MatchString(config) {
		t.Error("CAPABILITY_AUTO_EXPAND is missing")
	}
}

// By default google.subject is the ARN of the assumed role, session name and all,
// and at most 127 bytes long.
func TestGoogleTakesTheRolesOfTheDefaultStack(t *testing.T) {
	t.Parallel()
	stack := regexp.MustCompile(`(?m)^stack_name = "(.+)"`).FindStringSubmatch(readFile(t, "samconfig.toml"))
	if stack == nil {
		t.Fatal("samconfig.toml names no stack")
	}
	longest := regexp.MustCompile(`keep it to (\d+) characters`).FindStringSubmatch(readFile(t, "samconfig.toml"))
	if longest == nil {
		t.Fatal("samconfig.toml does not say how long the stack's name may be")
	}
	n, err := strconv.Atoi(longest[1])
	if err != nil {
		t.Fatal(err)
	}
	const suffix = "-1ABCDEFGHIJKL" // what CloudFormation ends names with, at its longest
	for name := range functions {
		subject := func(stack string) string {
			return "arn:aws:sts::123456789012:assumed-role/" + stack + "-" + name + "Role" + suffix + "/" + stack + "-" + name + suffix
		}
		if s := subject(stack[1]); len(s) > 127 {
			t.Errorf("%s has %d bytes", s, len(s))
		}
		if s := subject(strings.Repeat("s", n)); len(s) > 127 {
			t.Errorf("%s has %d bytes", s, len(s))
		}
	}
}

// block returns what is indented below the key at the end of path, the key's
// own line included. The first key is a section of the template; each of the
// others is looked for anywhere below the one before.
func block(t *testing.T, text string, path ...string) string {
	t.Helper()
	for i, key := range path {
		indents := "( *)"
		if i == 0 {
			indents = "()"
		}
		line := regexp.MustCompile(`(?m)^` + indents + regexp.QuoteMeta(key) + `:.*\n`).FindStringSubmatchIndex(text)
		if line == nil {
			t.Fatalf("template.yaml has no %s", strings.Join(path, " > "))
		}
		indent := line[3] - line[2]
		end := line[1]
		for next := range strings.Lines(text[line[1]:]) {
			if strings.TrimSpace(next) != "" && len(next)-len(strings.TrimLeft(next, " ")) <= indent {
				break
			}
			end += len(next)
		}
		text = text[line[0]:end]
	}
	return text
}

// value returns what stands behind the key, which is on one line.
func value(t *testing.T, text, key string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^ *` + regexp.QuoteMeta(key) + `: (.+)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("there is no %s in:\n%s", key, text)
	}
	return m[1]
}

// statement returns what a policy says under a condition of the template.
func statement(t *testing.T, policies, condition string) string {
	t.Helper()
	_, text, found := strings.Cut(policies, "- !If\n              - "+condition+"\n")
	text, _, ends := strings.Cut(text, "- !Ref AWS::NoValue\n")
	if !found || !ends {
		t.Fatalf("no statement depends on %s", condition)
	}
	return text
}

// actions returns the actions and condition keys of a policy.
func actions(policy string) []string {
	return sortedMatches(`\b((?:secretsmanager|kms):[A-Z]\w+|\w+:\*)`, policy)
}

func sortedMatches(pattern, text string) []string {
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return sortedSet(found)
}

func sortedSet(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
