package setup

import (
	"fmt"
	"strings"
)

// Tfvars are the variables of the Terraform module deploy/google, which makes
// the same as [Answers.Script].
func (a Answers) Tfvars() string {
	rotator := "null"
	if a.admitsRotator() {
		rotator = hclString(a.RotatorRole)
	}
	return fmt.Sprintf(`# Variables of the Terraform module deploy/google, by wifmint setup google.
project_id       = %s
pool_id          = %s
provider_id      = %s
aws_account_id   = %s
minter_role      = %s
rotator_role     = %s
service_accounts = %s
project_roles    = %s
`, hclString(a.ProjectID), hclString(a.Pool), hclString(a.Provider), hclString(a.AWSAccount), hclString(a.MinterRole), rotator,
		hclList(a.ServiceAccounts), hclList(a.ProjectRoles))
}

// hclString quotes what has no template in it: no answer has a '$' or a '%'.
func hclString(s string) string { return `"` + s + `"` }

func hclList(items []string) string {
	quoted := make([]string, len(items))
	for i, item := range items {
		quoted[i] = hclString(item)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
