package externalaccount

import (
	"context"
	"net/http"

	"github.com/wifmint/wifmint/pkg/jsondoc"
)

// AnyFile is a credential file of any type: a *[File], an *[AuthorizedUserFile] or
// an *[ImpersonatedFile].
type AnyFile interface {
	// Credentials makes the credentials of the file's type. It fails with a
	// *[ConfigError].
	Credentials(Options) (AnyCredentials, error)
	// Encode is the file with its secrets.
	Encode() ([]byte, error)
	// MarshalJSON is the file with fingerprints in the places of its secrets.
	MarshalJSON() ([]byte, error)

	universe() string
}

// AnyCredentials are credentials of any type: [*Credentials], an [*AuthorizedUser]
// or [*Impersonated], whose documentation says what the methods do.
type AnyCredentials interface {
	CachedToken(context.Context) (Token, error)
	Refresh(context.Context) (Token, error)
	Apply(context.Context, http.Header) error
	Transport(base http.RoundTripper) http.RoundTripper
	Scopes() []string
	QuotaProject() string
	UniverseDomain() string
	// IsUser reports whether the tokens are a person's.
	IsUser() bool
	// AnyInfo is the file that the credentials are made of, as of now.
	AnyInfo() AnyFile
}

const wantAnyType = `write a credential file that gcloud makes, of which "type" is "external_account", "external_account_authorized_user", "authorized_user" or "impersonated_service_account"`

// maxNesting is how many credentials there may be one around the other in a file:
// four accounts on the way to one are more than anybody was seen to have.
const maxNesting = 5

// ParseAny reads a credential file whatever its type, as strictly as [ParseFile]
// does, and fails as that does. A service account's key file is refused.
func ParseAny(data []byte, o FileOptions) (AnyFile, error) {
	doc := jsondoc.Parse(data)
	f := readAny(doc.Root().Required(wantAnyType), o, maxNesting)
	if err := doc.Err(); err != nil {
		return nil, &ConfigError{Err: err}
	}
	return f, nil
}

// LoadAny reads the credential file at a path with [ParseAny]. It fails with a
// *[ConfigError] that has the path.
func LoadAny(path string, o FileOptions) (AnyFile, error) { return load(path, o, ParseAny) }

// readAny returns nil if the type is wrong, which is reported.
func readAny(v jsondoc.Value, o FileOptions, depth int) AnyFile {
	at := v.Get("type").Required(wantAnyType)
	switch typ := at.Text(); typ {
	case externalAccount:
		return ReadFile(v, o)
	case workforceUser, googleUser:
		return readAuthorizedUser(v, o)
	case impersonatedServiceAccount:
		if depth > 1 {
			return readImpersonated(v, o, depth)
		}
		v.Problem("one account too many on the way to another", "write fewer, or the delegates field")
	case serviceAccountKey:
		at.Problem("", aboutType(typ))
	default:
		at.Problem("", wantAnyType)
	}
	return nil
}

func (f *File) universe() string               { return f.UniverseDomain }
func (f *AuthorizedUserFile) universe() string { return f.UniverseDomain }
func (f *ImpersonatedFile) universe() string   { return f.UniverseDomain }
