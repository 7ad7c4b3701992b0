// Package template_test checks template.yaml, events/ and config/ against the
// code that they deploy, call and configure. It reads the template as text:
// that it is a valid one is cfn-lint's to say (.ci/template).
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
var functions = map[string]string{"Minter": "./functions/minter"}

// overridable are the variables of the functions' contract that Lambda does not
// set itself. A function need not read each of them.
var overridable = []string{
	"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_STS",
	"WIFMINT_CONFIG", "WIFMINT_KMS_KEY_ID", "WIFMINT_TOKENINFO_URL", "WIFMINT_UNSAFE_ENDPOINTS",
}

func TestEveryVariableThatAFunctionReadsIsDeclared(t *testing.T) {
	t.Parallel()
	for name, pkg := range functions {
		variables := block(t, readFile(t, "template.yaml"), "Resources", name, "Variables")
		declared := sortedMatches(`(?m)^ {10}([A-Z_]+):`, variables)
		if diff := cmp.Diff(overridable, declared); diff != "" {
			t.Errorf("%s does not declare the contract's variables (-want +got):\n%s", name, diff)
		}
		for _, read := range stringsOf(sourceOf(t, pkg), regexp.MustCompile(`^(WIFMINT|AWS_ENDPOINT)_[A-Z_]+$`)) {
			if !slices.Contains(declared, read) {
				t.Errorf("%s reads %s, which %s does not declare", pkg, read, name)
			}
		}
	}
}

func TestThePolicyAllowsWhatAFunctionCallsAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, pkg := range functions {
		policies := block(t, readFile(t, "template.yaml"), "Resources", name, "Policies")
		var allowed []string
		for _, action := range sortedMatches(`\b((?:secretsmanager|kms):[A-Z]\w+|\w+:\*)`, policies) {
			if action != "kms:ViaService" { // a condition key
				allowed = append(allowed, action)
			}
		}
		// Creating a secret with tags takes TagResource, and a key of one's own
		// the KMS actions to read and to write.
		called := []string{"kms:Decrypt", "kms:GenerateDataKey", "secretsmanager:TagResource"}
		for _, operation := range secretsManagerCalls(sourceOf(t, pkg)) {
			called = append(called, "secretsmanager:"+operation)
		}
		if diff := cmp.Diff(sortedSet(called), allowed); diff != "" {
			t.Errorf("what %s calls (-) is not what %s may (+):\n%s", pkg, name, diff)
		}
	}
}

func TestTheScheduleSendsAnEventThatTheFunctionAccepts(t *testing.T) {
	t.Parallel()
	tick := block(t, readFile(t, "template.yaml"), "Resources", "Minter", "Events", "Tick")
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

func TestARunEndsBeforeTheNextTick(t *testing.T) {
	t.Parallel()
	template := readFile(t, "template.yaml")
	timeout, err := strconv.Atoi(value(t, block(t, template, "Resources", "Minter"), "Timeout"))
	if err != nil {
		t.Fatal(err)
	}
	schedule := value(t, block(t, template, "Parameters", "ScheduleExpression"), "Default")
	if schedule != "rate(5 minutes)" || timeout >= 5*60 {
		t.Errorf("a run may take %d s, the schedule is %s", timeout, schedule)
	}
}

func TestEverySampleEventIsAcceptedForWhatItIs(t *testing.T) {
	t.Parallel()
	tick := time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC)
	federated := []string{"federated"}
	want := map[string]keeper.Event{
		"minter-schedule.json":           {ScheduledTime: tick},
		"minter-targets.json":            {ScheduledTime: tick, Targets: federated},
		"minter-shard.json":              {ScheduledTime: tick, Shard: keeper.Shard{Index: 0, Of: 4}},
		"minter-force.json":              {Targets: federated, Force: true},
		"minter-eventbridge-rule.json":   {Targets: federated, Force: true},
		"minter-scheduler-envelope.json": {Targets: federated},
		"minter-empty.json":              {},
		"minter-null.json":               {},
	}
	paths, err := filepath.Glob(filepath.Join(root, "events", "*"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]keeper.Event{}
	for _, path := range paths {
		name := filepath.Base(path)
		event, err := keeper.ParseEvent([]byte(readFile(t, "events/"+name)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got[name] = event
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the samples in events/ are not what they should be (-want +got):\n%s", diff)
	}
}

func TestTheParametersAloneMakeAConfigDocument(t *testing.T) {
	t.Parallel()
	const audience = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/aws-pool/providers/aws-provider"
	template := readFile(t, "template.yaml")
	_, document, found := strings.Cut(block(t, template, "Resources", "Minter", "Variables", "WIFMINT_CONFIG"), "!Sub |\n")
	if !found {
		t.Fatal("WIFMINT_CONFIG holds no document")
	}
	document = strings.NewReplacer("${GoogleProviderAudience}", audience, "${SecretName}",
		value(t, block(t, template, "Parameters", "SecretName"), "Default")).Replace(document)
	if strings.Contains(document, "${") {
		t.Errorf("the document refers to something else: %s", document)
	}
	config, err := keeper.ParseConfig([]byte(document), keeper.ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(config.Targets) != 1 || !config.Targets[0].Federated() || config.Targets[0].Secret != "wifmint/federated" ||
		config.CreateSecrets || config.Credentials.Audience != audience {
		t.Errorf("the document is %+v", config)
	}
}

func TestTheSampleDocumentIsValid(t *testing.T) {
	t.Parallel()
	if _, err := keeper.ParseConfig([]byte(readFile(t, "config/wifmint.json")), keeper.ConfigOptions{}); err != nil {
		t.Error(err)
	}
}

func TestTheAudienceParameterRefusesTheUsualTraps(t *testing.T) {
	t.Parallel()
	parameter := block(t, readFile(t, "template.yaml"), "Parameters", "GoogleProviderAudience")
	pattern, err := regexp.Compile(value(t, parameter, "AllowedPattern"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		audience string
		want     bool
	}{
		"the full resource name":          {"//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/aws-pool/providers/aws-provider", true},
		"nothing, for ConfigPath":         {"", true},
		"the project's id":                {"//iam.googleapis.com/projects/my-project/locations/global/workloadIdentityPools/aws-pool/providers/aws-provider", false},
		"the pool":                        {"//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/aws-pool", false},
		"a URL":                           {"https://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/aws-pool/providers/aws-provider", false},
		"a quote that ends JSON's string": {`//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/aws-pool/providers/aws","x":"`, false},
	} {
		if got := pattern.MatchString(c.audience); got != c.want {
			t.Errorf("%s: accepted is %v, want %v", name, got, c.want)
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
