package tokenstore

import (
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Store reads and writes tokens. Client is required; the zero values of the
// rest mean that no secret is ever created. Safe for concurrent use.
type Store struct {
	// Client is one of [NewClient], or any other of the SDK's.
	Client *secretsmanager.Client
	// Create allows creating secrets that do not exist. KMSKeyID (zero: AWS's
	// own key), Description and Tags are what a created secret gets; they do not
	// change one that exists.
	Create      bool
	KMSKeyID    string
	Description string
	Tags        map[string]string
}

// Current is what a secret holds now.
type Current struct {
	// SecretID is what was asked for: a name or an ARN.
	SecretID string
	// ARN and VersionID are empty when the secret has no AWSCURRENT version
	// (it does not exist, or nothing was ever put into it).
	ARN       string
	VersionID string
	// Token is valid only when [Current.Usable].
	Token Token
	// Malformed tells why the value is no stored token, without quoting it. One
	// reason is that a person stopped the target, see [Current.Pause].
	Malformed error
}

// Usable reports whether there is a token in it at all (expired or not).
func (c Current) Usable() bool { return c.VersionID != "" && c.Malformed == nil }

// newCurrent is what Secrets Manager answered, which may leave any field out.
func newCurrent(id string, arn, version, value *string) Current {
	c := Current{SecretID: id, ARN: deref(arn), VersionID: deref(version)}
	if value == nil {
		c.Malformed = errors.New("parsing stored token: the value is binary, not text")
		return c
	}
	c.Token, c.Malformed = Parse([]byte(*value))
	return c
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
