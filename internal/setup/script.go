package setup

import (
	_ "embed"
	"fmt"
	"strings"
)

// scriptBody is the part of the script that is the same for everyone.
//
//go:embed google.sh
var scriptBody string

// Script is a bash script that makes the Google side with gcloud. It can be run
// again and again: what is there stays, and a provider that differs stops it,
// unless it is called with --replace.
func (a Answers) Script() string {
	condition := "attribute.aws_role in ['$minter']"
	roles := "minter=" + Quote(a.assumedRole(a.MinterRole))
	if a.admitsRotator() {
		condition = "attribute.aws_role in ['$minter', '$rotator']"
		roles += "\nrotator=" + Quote(a.assumedRole(a.RotatorRole))
	}
	// roleExpression and the condition have single quotes, and stand between double ones.
	head := fmt.Sprintf(`#!/usr/bin/env bash
# Lets wifmint's roles of AWS account %s into Google project %s,
# and nobody else, without a key. wifmint setup google wrote it for you to read, and
# to run as often as you like. Whoever runs it administers the project's services,
# workload identity pools and IAM policy, and the service accounts.
set -euo pipefail

project=%s
number=%s
pool=%s
provider=%s
aws_account=%s

# The roles as AWS tells them to Google, which leaves a role's path out.
%s

# What Google calls whoever comes: the role, without the session. Google by itself
# keeps the session: google.subject could then have %d bytes here, of %d.
role="%s"
condition="%s"
`, a.AWSAccount, a.ProjectID, Quote(a.ProjectID), Quote(a.ProjectNumber), Quote(a.Pool), Quote(a.Provider), Quote(a.AWSAccount),
		roles, a.longestSubject(), maxSubject, roleExpression, condition)
	return head + scriptBody + a.scriptBindings() + `
cat <<'END'

Done. It takes minutes until all of Google knows. Then ask the minter itself whether
it works; MinterFunctionArn is an output of its stack:

  wifmint doctor --function MinterFunctionArn
END
`
}

// scriptBindings are the calls that grant something, a line each.
func (a Answers) scriptBindings() string {
	var b strings.Builder
	if len(a.ServiceAccounts) > 0 {
		b.WriteString("\n# The rotator impersonates with the minter's token, and with its own when there is none.\n")
	}
	for _, email := range a.ServiceAccounts {
		fmt.Fprintf(&b, "impersonate %s \"$minter\"\nimpersonate %[1]s \"$rotator\"\n", Quote(email))
	}
	if len(a.ProjectRoles) > 0 {
		b.WriteString("\n# What readers of the federated token's secret may do in the project.\n")
	}
	for _, role := range a.ProjectRoles {
		fmt.Fprintf(&b, "grant %s\n", Quote(role))
	}
	return b.String()
}

// longestSubject is how many bytes google.subject could have by Google's own
// mapping, which keeps the session.
func (a Answers) longestSubject() int {
	longest := len(a.MinterRole) + sessionLength(a.MinterRole)
	if a.admitsRotator() {
		longest = max(longest, len(a.RotatorRole)+sessionLength(a.RotatorRole))
	}
	return len(a.assumedRole("")) + longest + len("/")
}

// sessionLength is how long a role's session can be: Lambda gives it the
// function's name, and CloudFormation the function the name of its role without
// "Role". Of another role, any function may be using it.
func sessionLength(role string) int {
	if strings.Contains(role, "-MinterRole-") || strings.Contains(role, "-RotatorRole-") {
		return len(role) - len("Role")
	}
	return 64
}

// Quote writes a word for a POSIX shell.
func Quote(s string) string {
	if consistsOf(s, lower+upper+digits+"@%+=:,./_-") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
