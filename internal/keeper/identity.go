package keeper

import (
	"strings"

	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// CloudPlatformScope is every Google Cloud API, subject to IAM: what a federated
// target without scopes asks for.
const CloudPlatformScope = "https://www.googleapis.com/auth/cloud-platform"

// Identity is the stored token that the document asks for, without the token:
// what [Due] compares with and a minted token is added to.
func (c *Config) Identity(t Target) tokenstore.Token {
	id := tokenstore.Token{
		Target:         t.Name,
		Kind:           tokenstore.AccessToken,
		TokenType:      "Bearer",
		Principal:      t.ServiceAccount,
		Scopes:         t.Scopes,
		ProjectID:      projectOf(t.ServiceAccount),
		UniverseDomain: c.Credentials.UniverseDomain,
	}
	switch {
	case t.Federated():
		// Which subject the provider maps the role to is known to Google alone;
		// the provider is what the document asks for.
		id.Kind, id.Principal = tokenstore.Federated, c.Credentials.Audience
	case t.IDTokenAudience != "":
		id.Kind, id.Audience, id.Scopes = tokenstore.IDToken, t.IDTokenAudience, nil
	}
	return id
}

// projectOf reads the project id out of a service account's email, "" when it
// does not tell (Google's own service agents). A domain-scoped project
// (example.com:p) has p.example.com in the email.
func projectOf(email string) string {
	local, domain, _ := strings.Cut(email, "@")
	if domain == "appspot.gserviceaccount.com" {
		return local
	}
	project, ok := strings.CutSuffix(domain, ".iam.gserviceaccount.com")
	if !ok {
		return ""
	}
	if id, parent, scoped := strings.Cut(project, "."); scoped {
		return parent + ":" + id
	}
	return project
}
