package conformance_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/internal/bootstraptest"
	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

const (
	secretsHere = "arn:aws:secretsmanager:" + region + ":123456789012:secret:"
	theKey      = "arn:aws:kms:" + region + ":123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
)

// stackOf is one way to deploy the template, and what is done with it. Together
// they make every statement of every policy matter.
type stackOf struct {
	conditions []string // of the template, that hold
	targets    string   // of the config document
	secrets    []string // that are there beforehand, without a value
	more       []string // those of them that MoreSecretArns names
	rotated    []string // secrets that somebody rotates
	idle       []string // statements that this stack has for others' sake, such as "Minter.ReadSecretsTogether"
}

var stacks = map[string]stackOf{
	"the parameters alone": {
		conditions: []string{"HasServiceAccounts", "HasKmsKey"},
		targets: `[{"name": "federated", "secret": "wifmint/federated"},
			{"name": "reports", "secret": "wifmint/` + reportsAccount + `", "service_account": "` + reportsAccount + `", "scopes": ["https://www.googleapis.com/auth/bigquery"]},
			{"name": "caller", "secret": "wifmint/` + callerAccount + `", "service_account": "` + callerAccount + `", "scopes": ["https://www.googleapis.com/auth/bigquery"]}]`,
		secrets: []string{"wifmint/federated", "wifmint/" + reportsAccount, "wifmint/" + callerAccount},
		rotated: []string{"wifmint/" + reportsAccount},
		// One secret is read by GetSecretValue; a packaged document may name more.
		idle: []string{"Minter.ReadSecretsTogether"},
	},
	"a packaged document that names other secrets and creates some": {
		conditions: []string{"HasMoreSecrets", "MayCreateSecrets", "HasKmsKey"},
		targets: `[{"name": "federated", "secret": "wifmint/federated"},
			{"name": "other", "secret": "other/federated", "scopes": ["https://www.googleapis.com/auth/bigquery"]},
			{"name": "made", "secret": "made/federated", "scopes": ["https://www.googleapis.com/auth/pubsub"]},
			{"name": "reports", "secret": "other/reports", "service_account": "` + reportsAccount + `", "scopes": ["https://www.googleapis.com/auth/pubsub"]},
			{"name": "made-reports", "secret": "made/reports", "service_account": "` + reportsAccount + `", "scopes": ["https://www.googleapis.com/auth/bigquery"]}]`,
		secrets: []string{"wifmint/federated", "other/federated", "other/reports"},
		more:    []string{"other/federated", "other/reports"},
		rotated: []string{"other/reports", "made/reports"},
	},
}

// The template's policies against the calls of the very programs that they are
// for: nothing that is done is missing, and nothing is allowed that is not done.
func TestEachFunctionDoesExactlyWhatItsPolicyAllows(t *testing.T) {
	t.Parallel()
	template, err := os.ReadFile(root + "/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bootstraps := map[string]string{}
	for name := range roles {
		bootstraps[name] = bootstraptest.Build(t, "./functions/"+strings.ToLower(name))
	}
	for name, stack := range stacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := stack.run(t, bootstraps)
			for function := range roles {
				policy := policyOf(t, string(template), function, stack, cloud)
				done := deeds(cloud, roles[function])
				for _, d := range done {
					if !slices.ContainsFunc(policy, func(s grant) bool { return s.allows(d) }) {
						t.Errorf("%s does %s, which no statement allows", function, d)
					}
				}
				for _, s := range policy {
					idle := slices.Contains(stack.idle, function+"."+s.sid)
					for _, action := range s.actions {
						if !idle && !slices.ContainsFunc(done, func(d deed) bool { return d.action == action && s.allows(d) }) {
							t.Errorf("%s may %s by its statement %s, and never does", function, action, s.sid)
						}
					}
				}
			}
		})
	}
}

// roles are who the functions are to AWS.
var roles = map[string]fakecloud.AWSKey{
	"Minter":  {AccessKeyID: "ASIAMINTER0000000001", SecretAccessKey: "m", ARN: "arn:aws:sts::123456789012:assumed-role/minter/minter"},
	"Rotator": {AccessKeyID: "ASIAROTATOR000000001", SecretAccessKey: "r", ARN: "arn:aws:sts::123456789012:assumed-role/rotator/rotator"},
}

// run deploys the stack, fires both schedules twice and rotates the secrets.
func (s stackOf) run(t *testing.T, bootstraps map[string]string) *fakecloud.Cloud {
	t.Helper()
	cloud := newGoogle()
	server, err := cloud.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	admin := fakecloud.AWSKey{AccessKeyID: "ASIAADMIN00000000001", SecretAccessKey: "a", ARN: "arn:aws:sts::123456789012:assumed-role/admin/admin"}
	cloud.AddAWSKey(admin)
	client := sm.New(sm.Options{
		Region: region, BaseEndpoint: aws.String(server.Endpoints().SecretsManager),
		Credentials: credentials.NewStaticCredentialsProvider(admin.AccessKeyID, admin.SecretAccessKey, ""),
	})
	for _, secret := range s.secrets {
		if _, err := client.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: &secret, KmsKeyId: aws.String(theKey)}); err != nil {
			t.Fatal(err)
		}
	}

	running := map[string]*lambdaapi.Environment{}
	for _, name := range slices.Sorted(maps.Keys(roles)) { // the minter first: the rotator reads its token
		cloud.AddAWSKey(roles[name])
		env := functionEnv(server.Endpoints(), server.Endpoints().SecretsManager, s.targets)
		env["WIFMINT_KMS_KEY_ID"] = theKey
		env["AWS_REGION"], env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = region, roles[name].AccessKeyID, roles[name].SecretAccessKey
		e, err := lambdaapi.Start(t.Context(), lambdaapi.Function{Bootstrap: bootstraps[name], Env: env, Timeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		running[name] = e
		for range 2 {
			mustInvoke(t, e, "{}")
		}
	}

	const rotator = "arn:aws:lambda:" + region + ":123456789012:function:rotator"
	steps := 0
	cloud.SetRotationFunction(rotator, func(_ context.Context, step fakecloud.RotationEvent) error {
		event, err := json.Marshal(step)
		if err == nil {
			steps++
			mustInvoke(t, running["Rotator"], string(event))
		}
		return err
	})
	for _, secret := range s.rotated {
		if _, err := client.RotateSecret(t.Context(), &sm.RotateSecretInput{SecretId: &secret, RotationLambdaARN: aws.String(rotator)}); err != nil {
			t.Fatal(err)
		}
	}
	if want := 4 * len(s.rotated); steps != want {
		t.Fatalf("%d steps of rotations, want %d", steps, want)
	}
	return cloud
}

func mustInvoke(t *testing.T, e *lambdaapi.Environment, event string) {
	t.Helper()
	result, err := e.Invoke(t.Context(), []byte(event))
	if err != nil || result.Error != nil {
		t.Errorf("%v, %v", err, result.Error)
	}
}

// deed is something that IAM allows or does not.
type deed struct{ action, resource string }

func (d deed) String() string { return d.action + " on " + cmp.Or(d.resource, "nothing in particular") }

// deeds are what a caller needed permissions for. Calls tell the operations; IAM
// asks for more at some:
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access.html
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
func deeds(cloud *fakecloud.Cloud, who fakecloud.AWSKey) []deed {
	var done []deed
	for _, call := range cloud.Calls() {
		if call.Service != "secretsmanager" || call.Principal != who.ARN {
			continue
		}
		action := "secretsmanager:" + call.Operation
		ids := strings.Split(call.Resource, ",")
		if call.Operation == "BatchGetSecretValue" {
			done = append(done, deed{action: action})
			action = "secretsmanager:GetSecretValue"
		}
		for _, id := range ids {
			secret, _ := cloud.Secret(id)
			done = append(done, deed{action, secret.ARN})
			if call.Operation == "CreateSecret" && len(secret.Tags) > 0 {
				done = append(done, deed{"secretsmanager:TagResource", secret.ARN})
			}
			switch {
			case secret.KMSKeyID == "":
			case action == "secretsmanager:GetSecretValue":
				done = append(done, deed{"kms:Decrypt", secret.KMSKeyID})
			case action == "secretsmanager:PutSecretValue", action == "secretsmanager:CreateSecret":
				done = append(done, deed{"kms:GenerateDataKey", secret.KMSKeyID}, deed{"kms:Decrypt", secret.KMSKeyID})
			}
		}
	}
	return done
}

// grant is a statement of a policy.
type grant struct {
	sid                string
	actions, resources []string
}

func (g grant) allows(d deed) bool {
	wildcards := strings.NewReplacer(`\*`, ".*", `\?`, ".")
	return slices.Contains(g.actions, d.action) && slices.ContainsFunc(g.resources, func(pattern string) bool {
		return regexp.MustCompile("^" + wildcards.Replace(regexp.QuoteMeta(pattern)) + "$").MatchString(d.resource)
	})
}

// policyOf reads the statements of a function's policy whose conditions hold in
// a stack, as CloudFormation would make them.
func policyOf(t *testing.T, template, function string, stack stackOf, cloud *fakecloud.Cloud) []grant {
	t.Helper()
	arn := func(name string) string { secret, _ := cloud.Secret(name); return secret.ARN }
	resources := map[string][]string{
		`"*"`:                  {"*"},
		"!Ref FederatedSecret": {arn("wifmint/federated")},
		"!Ref KmsKeyArn":       {theKey},
	}
	for _, name := range stack.more {
		resources["!Ref MoreSecretArns"] = append(resources["!Ref MoreSecretArns"], arn(name))
	}
	here := strings.NewReplacer("!Sub ", "", "${AWS::Partition}", "aws", "${AWS::Region}", region, "${AWS::AccountId}", "123456789012", "${CreateSecretPrefix}", "made/")

	_, text, _ := strings.Cut(template, "\n  "+function+":\n")
	_, text, _ = strings.Cut(text, "\n      Policies:\n")
	text, _, found := strings.Cut(text, "\n      Events:\n")
	if !found {
		t.Fatalf("template.yaml has no policy of %s", function)
	}
	statement := regexp.MustCompile(`(?:- !If\n +- (\w+)\n +)?- Sid: (\w+)\n(?s:(.*?)Resource: ([^\n]+))`)
	var policy []grant
	for _, m := range statement.FindAllStringSubmatch(text, -1) {
		condition, sid, body, resource := m[1], m[2], m[3], m[4]
		if condition != "" && !slices.Contains(stack.conditions, condition) {
			continue
		}
		g := grant{sid: sid, actions: regexp.MustCompile(`\w+:[A-Z]\w+`).FindAllString(body, -1), resources: resources[resource]}
		if g.resources == nil {
			g.resources = []string{here.Replace(resource)}
		}
		if len(g.actions) == 0 || strings.ContainsAny(fmt.Sprint(g.resources), "!$") {
			t.Fatalf("the statement %s of %s is not understood: %q", sid, function, g)
		}
		policy = append(policy, g)
	}
	if n := strings.Count(text, "Effect: Allow"); n != len(regexp.MustCompile(`Sid:`).FindAllString(text, -1)) || len(policy) == 0 {
		t.Fatalf("of %s %d statements allow something, %d were read", function, n, len(policy))
	}
	return policy
}
