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

// diagnose finds the first diagnosis that fits. The last of the table fits everything.
func diagnose(check string, f *finding) diagnosis {
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
)

// Fixes that more than one diagnosis has.
const (
	fixInvoke   = "aws lambda invoke --region {REGION} --function-name {FUNCTION} --payload '{}' /dev/stdout"
	fixLogs     = "aws logs tail {LOG_GROUP} --region {REGION} --since 1h --filter-pattern '{ $.level = \"ERROR\" }'"
	fixSimulate = "aws iam simulate-principal-policy --policy-source-arn {ROLE_ARN} --action-names secretsmanager:CreateSecret secretsmanager:TagResource secretsmanager:PutSecretValue --resource-arns '{SECRET_ARN}' --query 'EvaluationResults[].[EvalActionName,EvalDecision]'"
)
