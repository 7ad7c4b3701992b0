package template_test

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAReaderReadsOneSecretAndNothingElse(t *testing.T) {
	t.Parallel()
	secret, role := readFile(t, "deploy/readers/secret.yaml"), readFile(t, "deploy/readers/role.yaml")

	policy := block(t, secret, "Resources", "Readers")
	if diff := cmp.Diff([]string{"secretsmanager:GetSecretValue"}, actions(policy)); diff != "" {
		t.Errorf("the secret's policy (-want +got):\n%s", diff)
	}
	if got := value(t, policy, "AWS"); got != "!Ref ReaderArns" {
		t.Errorf("the readers are %s", got)
	}

	policy = block(t, role, "Resources", "ReadOneToken")
	if diff := cmp.Diff([]string{"kms:Decrypt", "kms:ViaService", "secretsmanager:GetSecretValue"}, actions(policy)); diff != "" {
		t.Errorf("the role's policy (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"!Ref KmsKeyArn", "!Ref SecretArn"}, sortedMatches(`(?m)^ +Resource: (.+)$`, policy)); diff != "" {
		t.Errorf("the role's policy is about (-want +got):\n%s", diff)
	}
	pattern := regexp.MustCompile(value(t, block(t, role, "Parameters", "SecretArn"), "AllowedPattern"))
	const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:wifmint/"
	for secret, want := range map[string]bool{
		arn + account + "-AbCdEf": true,
		arn + account + "-??????": true,
		arn + account:             false, // IAM compares whole ARNs
		arn + "*":                 false,
		arn + "?-??????":          false,
		"wifmint/" + account:      false,
	} {
		if got := pattern.MatchString(secret); got != want {
			t.Errorf("%s is taken: %v, want %v", secret, got, want)
		}
	}
}
