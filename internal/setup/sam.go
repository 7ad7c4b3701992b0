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
	parameters := []string{"GoogleProviderAudience=" + a.Audience()}
	if len(a.ServiceAccounts) > 0 {
		parameters = append(parameters, "ServiceAccounts="+strings.Join(a.ServiceAccounts, ","))
	}
	if len(a.Rotated) > 0 {
		parameters = append(parameters, "RotatedServiceAccounts="+strings.Join(a.Rotated, ","))
	}
	// SAM's build sees neither what the stack has nor what a deployment is told, and
	// builds for the template's default: a stack of the other one would break.
	parameters = append(parameters, "Architecture="+a.Architecture)
	overrides := "--parameter-overrides " + Quote(strings.Join(parameters, " "))
	google := fmt.Sprintf("wifmint setup google --project-number %s --pool %s --provider %s", Quote(a.ProjectNumber), Quote(a.Pool), Quote(a.Provider))
	if len(a.ServiceAccounts) > 0 {
		google += " --service-account " + Quote(strings.Join(a.ServiceAccounts, ","))
	}
	return fmt.Sprintf(`# 1. Build and deploy the functions, in a checkout of wifmint. Their ticks fail until
# Google knows them, which is step 3, and then mend themselves. An upgrade is the
# same two commands.
sam build %[1]s
sam deploy %[1]s

# 2. See the roles that the stack made: MinterAssumedRole and RotatorAssumedRole.
aws cloudformation describe-stacks --stack-name wifmint --query 'Stacks[0].Outputs[].[OutputKey,OutputValue]' --output table

# 3. Let them into Google. It asks for the rest.
%[2]s
`, overrides, google)
}
