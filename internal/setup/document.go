package setup

import (
	"fmt"

	"github.com/wifmint/wifmint/internal/keeper"
)

// Document is the config document: the credential file for the provider, and
// what the template's parameters make of the same answers, a federated target and
// one for each service account. It fails when one of them makes no target.
func (a Answers) Document() (string, error) {
	targets := `
    {
      "name": "federated",
      "secret": "wifmint/federated",
      "scopes": ["https://www.googleapis.com/auth/cloud-platform"]
    }`
	for _, email := range a.ServiceAccounts {
		targets += fmt.Sprintf(",\n    %q", email) // short for a target
	}
	document := fmt.Sprintf(`{
  "credentials": {
    "universe_domain": "googleapis.com",
    "type": "external_account",
    "audience": %q,
    "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {
      "environment_id": "aws1",
      "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    }
  },
  "targets": [%s
  ]
}
`, a.Audience(), targets)
	if _, err := keeper.ParseConfig([]byte(document), keeper.ConfigOptions{}); err != nil {
		return "", fmt.Errorf("writing the config document: %w", err)
	}
	return document, nil
}
