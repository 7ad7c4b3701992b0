package setup

import (
	"fmt"
	"slices"
)

// Warnings are what is allowed and may not be meant.
func (a Answers) Warnings() []string {
	var warnings []string
	if n := a.longestSubject(); a.MinterRole != "" && n > maxSubject {
		warnings = append(warnings, fmt.Sprintf("keep the attribute mapping that is here: with Google's own, google.subject could have %d bytes for these roles, of %d", n, maxSubject))
	}
	for _, role := range a.ProjectRoles {
		switch {
		case slices.Contains([]string{"roles/owner", "roles/editor"}, role):
			warnings = append(warnings, role+" makes everyone who can read the federated token's secret an administrator of the project")
		case slices.Contains([]string{"roles/iam.workloadIdentityUser", "roles/iam.serviceAccountTokenCreator"}, role):
			warnings = append(warnings, role+" on the project is for all its service accounts; name those that are needed by --service-account instead")
		}
	}
	// Some 60 fit into Lambda's 4 KB of environment, says the template.
	if n := len(a.ServiceAccounts); n > 60 {
		warnings = append(warnings, fmt.Sprintf("%d service accounts are more than the template's parameters hold, some 60: deploy a config document, by ConfigPath", n))
	}
	return warnings
}
