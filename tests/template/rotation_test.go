package template_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/internal/keeper"
)

// loops are the template's Fn::ForEach, with what they call an element.
var loops = map[string]string{
	"Fn::ForEach::ServiceAccountSecrets": "Account",
	"Fn::ForEach::Rotations":             "RotatedAccount",
	"Fn::ForEach::TokensExpiring":        "AlarmedAccount",
}

func TestOnlySecretsManagerInThisAccountMayInvokeTheRotator(t *testing.T) {
	t.Parallel()
	template := readFile(t, "template.yaml")
	permission := block(t, template, "Resources", "RotatorPermission")
	for key, want := range map[string]string{
		"Action":        "lambda:InvokeFunction",
		"FunctionName":  "!GetAtt Rotator.Arn",
		"Principal":     "secretsmanager.amazonaws.com",
		"SourceAccount": "!Ref AWS::AccountId",
	} {
		if got := value(t, permission, key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	if n := strings.Count(template, "AWS::Lambda::Permission"); n != 1 {
		t.Errorf("there are %d permissions", n)
	}
}

func TestARotationBeginsOnDemandOrOnItsScheduleOnly(t *testing.T) {
	t.Parallel()
	schedule := block(t, readFile(t, "template.yaml"), "Resources", "Fn::ForEach::Rotations")
	for key, want := range map[string]string{
		"RotateImmediatelyOnUpdate": "false",
		"RotationLambdaARN":         "!GetAtt Rotator.Arn",
		"ScheduleExpression":        "rate(12 hours)", // 4 is the least
		"Condition":                 "HasRotatedServiceAccounts",
		"DependsOn":                 "RotatorPermission",
	} {
		if got := value(t, schedule, key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

// The template, the document that it makes and the rotator's policy have to mean
// the same secret.
func TestAServiceAccountsSecretIsTheOneOfItsTarget(t *testing.T) {
	t.Parallel()
	template := readFile(t, "template.yaml")
	config, err := keeper.ParseConfig([]byte(documentOf(t, account)), keeper.ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Targets[1].Secret
	for loop, key := range map[string]string{"Fn::ForEach::ServiceAccountSecrets": "Name", "Fn::ForEach::Rotations": "SecretId"} {
		name := strings.TrimPrefix(value(t, block(t, template, "Resources", loop), key), "!Sub ")
		if got := strings.ReplaceAll(name, "${"+loops[loop]+"}", account); got != want {
			t.Errorf("%s is of the secret %s, the target is kept in %s", loop, got, want)
		}
	}

	const inThisAccount = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
	policies := block(t, template, "Resources", "Rotator", "Policies")
	resource := value(t, statement(t, policies, "HasServiceAccounts"), "Resource")
	pattern, found := strings.CutPrefix(resource, "!Sub "+inThisAccount)
	if !found {
		t.Fatalf("the rotator keeps secrets anywhere: %s", resource)
	}
	wildcards := strings.NewReplacer(`\*`, ".*", `\?`, ".")
	allowed := regexp.MustCompile("^" + wildcards.Replace(regexp.QuoteMeta(pattern)) + "$")
	for name, want := range map[string]bool{
		want + "-AbCdEf":               true,
		"wifmint/federated-AbCdEf":     false,
		"production/password-AbCdEf":   false,
		"other/" + account + "-AbCdEf": false,
	} {
		if got := allowed.MatchString(name); got != want {
			t.Errorf("the rotator may keep %s: %v, want %v", name, got, want)
		}
	}
	output := strings.TrimPrefix(value(t, block(t, template, "Outputs", "ServiceAccountSecretArns"), "Value"), "!Sub "+inThisAccount)
	if want += "-??????"; strings.ReplaceAll(output, "EMAIL", account) != want {
		t.Errorf("the output tells readers %s, want %s", output, want)
	}
}

// CloudFormation makes a loop of one out of an empty list, and keeps the name of
// the loop's element for itself.
func TestTheLoopsMakeNothingOutOfNone(t *testing.T) {
	t.Parallel()
	template := readFile(t, "template.yaml")
	var found []string
	for _, name := range sortedMatches(`(?m)^ +(Fn::ForEach::\w+):`, template) {
		found = append(found, name)
		loop := block(t, template, "Resources", name)
		m := regexp.MustCompile(`(?m)^ {4}- (\w+)\n {4}- !Ref (\w+)\n {4}- \w+&\{(\w+)\}:\n`).FindStringSubmatch(loop)
		if m == nil || m[1] != loops[name] || m[3] != m[1] {
			t.Errorf("%s is something else: %q", name, m)
			continue
		}
		if got := value(t, block(t, template, "Parameters", m[2]), "Default"); got != "none" {
			t.Errorf("%s is %s by default", m[2], got)
		}
		condition := value(t, loop, "Condition")
		if definition := block(t, template, "Conditions", condition); !strings.Contains(definition, `!Not [!Equals [!Join [",", !Ref `+m[2]+`], none]]`) {
			t.Errorf("%s is about something else:\n%s", condition, definition)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(loops)), found); diff != "" {
		t.Error(diff)
	}
}
