package setup

import (
	"fmt"
	"strings"
)

// Deploy is the shell commands that build and deploy the functions and show
// what the Google side has to know of them. The functions come first: their roles
// have names of AWS's making, and nothing but the provider's name, which is known
// beforehand, is needed to make them.
func (a Answers) Deploy() string {
	build := "sam build"
	parameters := []string{"GoogleProviderAudience=" + a.Audience()}
	if len(a.ServiceAccounts) > 0 {
		parameters = append(parameters, "ServiceAccounts="+strings.Join(a.ServiceAccounts, ","))
	}
	if len(a.Rotated) > 0 {
		parameters = append(parameters, "RotatedServiceAccounts="+strings.Join(a.Rotated, ","))
	}
	if a.Architecture != "arm64" {
		architecture := "Architecture=" + a.Architecture
		build += " --parameter-overrides " + quote(architecture)
		parameters = append(parameters, architecture)
	}
	google := fmt.Sprintf("wifmint setup google --project-number %s --pool %s --provider %s", quote(a.ProjectNumber), quote(a.Pool), quote(a.Provider))
	if len(a.ServiceAccounts) > 0 {
		google += " --service-account " + quote(strings.Join(a.ServiceAccounts, ","))
	}
	return fmt.Sprintf(`# 1. Build and deploy the functions, in a checkout of wifmint. Their ticks fail until
# Google knows them, which is step 3, and then mend themselves.
%s
sam deploy --parameter-overrides %s

# 2. See the roles that the stack made: MinterAssumedRole and RotatorAssumedRole.
aws cloudformation describe-stacks --stack-name wifmint --query 'Stacks[0].Outputs[].[OutputKey,OutputValue]' --output table

# 3. Let them into Google. It asks for the rest.
%s
`, build, quote(strings.Join(parameters, " ")), google)
}
