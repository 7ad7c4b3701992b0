package doctor

import (
	"slices"
	"strings"
)

// diagnosis is one thing that can be wrong: how it is told apart, what it means and
// what mends it.
type diagnosis struct {
	// cause is its heading in docs/troubleshooting.md, and Check.Cause.
	cause string
	// checks are the hops that it is for; none means any.
	checks []string
	// codes are those that it goes by; none means any.
	codes []string
	// ofRole: it says something of a function only when the function walks. Anyone
	// else is told [NotTheFunction], since what would let that one in may shut the
	// functions out.
	ofRole bool
	// text is a part of Google's or AWS's message, and only there where they have
	// one code for several causes. It may change without notice.
	text string
	// means and fix have words in braces for names to take the place of. fix is a
	// piece of shell: what is no command is a comment.
	means, fix string
}

// diagnoses yields the table, of which docs/troubleshooting.md is made.
func diagnoses(yield func(diagnosis) bool) {
	for _, table := range [...][]diagnosis{wayDiagnoses[:], keepDiagnoses[:]} {
		for _, d := range table {
			if !yield(d) {
				return
			}
		}
	}
}

// NotTheFunction is the cause of a refusal that says nothing of the functions.
const NotTheFunction = "not-the-function"

// diagnose finds what is wrong for whoever walks: a function, or anyone else if it is
// empty.
func diagnose(function, check string, f *finding) diagnosis {
	d := firstFit(check, f)
	if d.ofRole && function == "" {
		return firstFit(check, &finding{code: NotTheFunction})
	}
	return d
}

// firstFit is never none: the last of the table fits everything.
func firstFit(check string, f *finding) diagnosis {
	for d := range diagnoses {
		if (d.checks == nil || slices.Contains(d.checks, check)) && (d.codes == nil || slices.Contains(d.codes, f.code)) &&
			strings.Contains(f.text, d.text) {
			return d
		}
	}
	return diagnosis{}
}

// Texts that tell apart what has one code.
const (
	textAPIDisabled = "has not been used in project"
	textKMS         = "Access to KMS"
	textNoValue     = "secret value for staging label"
	textPerimeter   = "organization's policy"
	textTooOld      = "Signature expired"
	textTooEarly    = "Signature not yet current"
)

// Fixes that more than one diagnosis has.
const (
	fixInvoke = "aws lambda invoke --region {REGION} --function-name {FUNCTION} --cli-binary-format raw-in-base64-out --payload '{}' /dev/stdout"
	fixLogs   = "aws logs tail {LOG_GROUP} --region {REGION} --since 1h --filter-pattern '{ $.level = \"ERROR\" }'"
	fixClock  = `sudo timedatectl set-ntp true && sudo systemctl restart systemd-timesyncd
# or, where chrony keeps the time: sudo chronyc makestep`
	// fixDeploy names OVERRIDES twice: a build without Architecture is for arm64.
	fixDeploy = `# OVERRIDES are those that the stack was deployed with, for both commands: without its Architecture,
# a stack on x86_64 would get what was built for arm64.
sam build --parameter-overrides OVERRIDES
sam deploy --parameter-overrides OVERRIDES`
	fixKMS = `# In the stack it is the parameter KmsKeyArn. A policy takes the key's ARN, not an alias's, which is:
aws kms describe-key --region {REGION} --key-id {KMS_ID} --query KeyMetadata.Arn --output text
aws iam put-role-policy --role-name {ROLE_NAME} --policy-name wifmint-key-{TARGET} --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"{KMS_KEY}"}]}'`
	fixSecretPolicy = `# In the stack it is the parameter MoreSecretArns. By hand:
aws iam put-role-policy --role-name {ROLE_NAME} --policy-name wifmint-{TARGET} --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","secretsmanager:PutSecretValue"],"Resource":"{SECRET_ARN}"}]}'`
	fixSimulate = "aws iam simulate-principal-policy --policy-source-arn {ROLE_ARN} --action-names secretsmanager:CreateSecret secretsmanager:TagResource secretsmanager:PutSecretValue --resource-arns '{SECRET_ARN}' --query 'EvaluationResults[].[EvalActionName,EvalDecision]'"
)
