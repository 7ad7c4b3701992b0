// Package setup turns a few answers about a Google project and an AWS account
// into what sets wifmint up in both: a gcloud script, the variables of the
// Terraform module deploy/google, a config document, and the commands of the AWS
// SAM CLI.
//
// Everything here is text made of text: nothing is asked of Google, AWS or the
// machine. A caller fills [Answers] by [Fill], which checks every answer against
// the grammar that Google or AWS has for it, and then calls the methods. Answers
// that were not checked are not safe to write into a script.
package setup

import "fmt"

// Answers are what Google and AWS have to be told.
type Answers struct {
	// ProjectID and ProjectNumber are the same Google project, which holds the
	// pool. People and gcloud use the id, Google's STS only takes the number.
	ProjectID, ProjectNumber string
	// Pool and Provider are ids, not resource names.
	Pool, Provider string
	// AWSAccount is the 12 digits of the account that the functions run in.
	AWSAccount string
	// MinterRole and RotatorRole are names of roles, without account and path.
	// Without ServiceAccounts there is nothing for the rotator to do, and its
	// role is not let in.
	MinterRole, RotatorRole string
	// ServiceAccounts are the emails of those to impersonate; may be empty.
	ServiceAccounts []string
	// ProjectRoles are Google roles that the federated token itself has on the
	// project, such as "roles/storage.objectViewer"; may be empty.
	ProjectRoles []string
	// Rotated are those of ServiceAccounts whose secrets rotate on demand.
	Rotated []string
	// Architecture is what the functions run on, "arm64" or "x86_64".
	Architecture string
}

// maxSubject is the most bytes that Google takes of a google.subject.
// https://cloud.google.com/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools.providers
const maxSubject = 127

// roleExpression is CEL for the assumed role's ARN without its session. Google
// makes attribute.aws_role of it by default, and here google.subject as well.
// Google's own google.subject is the ARN with the session, which on Lambda is the
// function's name of up to 64 characters: too long for maxSubject as soon as a
// role's name has more than 23. Without it, a role's longest name of 64 makes 103
// bytes.
//
// The part in front of "assumed-role/" stays: without it, an IAM user whose path
// is "/assumed-role/NAME/" would pass for the role of that name.
const roleExpression = "assertion.arn.contains('assumed-role')" +
	" ? assertion.arn.extract('{account_arn}assumed-role/') + 'assumed-role/' + assertion.arn.extract('assumed-role/{role_name}/')" +
	" : assertion.arn"

// Audience is the provider's full resource name, which the functions prove
// themselves to.
func (a Answers) Audience() string {
	return fmt.Sprintf("//iam.googleapis.com/projects/%s/locations/global/workloadIdentityPools/%s/providers/%s", a.ProjectNumber, a.Pool, a.Provider)
}

// assumedRole is a role as roleExpression yields it.
func (a Answers) assumedRole(name string) string {
	return "arn:aws:sts::" + a.AWSAccount + ":assumed-role/" + name
}

// admitsRotator reports whether the rotator's role is let in.
func (a Answers) admitsRotator() bool { return len(a.ServiceAccounts) > 0 }
