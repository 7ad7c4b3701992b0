package externalaccount

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/jsondoc"
)

const impersonatedServiceAccount = "impersonated_service_account"

// ImpersonatedFile is a credential file of type impersonated_service_account, as
// "gcloud auth application-default login --impersonate-service-account" writes it:
// someone's credentials, and whom they impersonate.
type ImpersonatedFile struct {
	// Type is "impersonated_service_account".
	Type string
	// ServiceAccountImpersonationURL ends in
	// /v1/projects/-/serviceAccounts/EMAIL:generateAccessToken.
	ServiceAccountImpersonationURL string
	// ServiceAccountTokenLifetimeSeconds is service_account_impersonation.token_lifetime_seconds,
	// 600 to 43200; 0 means unset. gcloud writes it into files of type
	// external_account only; here it means the same.
	ServiceAccountTokenLifetimeSeconds int
	// Delegates are the accounts on the way to it, the one that Source may
	// impersonate first; empty means that Source may impersonate it itself.
	Delegates []string
	// Source are the source_credentials, of any type. Required.
	Source AnyFile
	// Scopes are in effect if the options have none; mostly empty.
	Scopes []string
	// QuotaProjectID is whom requests are billed to; see [Options].Getenv.
	QuotaProjectID string
	// UniverseDomain is filled in with that of Source, and can be no other: whoever
	// impersonates sends its token there.
	UniverseDomain string
}

var _ AnyFile = (*ImpersonatedFile)(nil)

func readImpersonated(v jsondoc.Value, o FileOptions, depth int) *ImpersonatedFile {
	v.Fields("type", "service_account_impersonation_url", "service_account_impersonation", "delegates", "source_credentials",
		"scopes", "quota_project_id", "universe_domain")
	f := &ImpersonatedFile{Type: impersonatedServiceAccount}
	f.Source = readAny(v.Get("source_credentials").Required("write the credentials that impersonate, as a credential file has them"), o, depth-1)
	ofSource := ""
	if f.Source != nil {
		ofSource = f.Source.universe()
	}
	f.UniverseDomain = readUniverse(v, cmp.Or(ofSource, googleapi.DefaultUniverse))
	if ofSource != "" && ofSource != f.UniverseDomain {
		v.Get("universe_domain").Problem("", "write "+jsondoc.Quote(ofSource)+", which is that of the source_credentials, or remove it")
	}
	account := v.Get("service_account_impersonation_url").Required("write whom to impersonate: https://iamcredentials." + f.UniverseDomain + "/v1/projects/-/serviceAccounts/EMAIL:generateAccessToken")
	f.ServiceAccountImpersonationURL = readImpersonationURL(account, f.UniverseDomain, o)
	f.ServiceAccountTokenLifetimeSeconds = readLifetime(v.Get("service_account_impersonation"))
	f.Delegates = readTexts(v.Get("delegates"), "write the email of a service account")
	f.Scopes = readScopes(v.Get("scopes"))
	f.QuotaProjectID = v.Get("quota_project_id").Text()
	return f
}

// checkSources refuses what a file that is made in Go may have and a document not:
// no source, or one account more on the way than readAny takes, be it that a file
// is a source of its own.
func (f *ImpersonatedFile) checkSources() error {
	for range maxNesting - 1 {
		switch source := f.Source.(type) {
		case *ImpersonatedFile:
			if source != nil {
				f = source
				continue
			}
		case *AuthorizedUserFile:
			if source != nil {
				return nil
			}
		case *File:
			if source != nil {
				return nil
			}
		}
		return configErrorf("impersonating %s: there are no source_credentials; write those that impersonate", f.ServiceAccount())
	}
	return configErrorf("impersonating: there are more than %d accounts on the way to a service account; write fewer, or the delegates", maxNesting-1)
}

// ServiceAccount is the email of the account that the file impersonates; empty if
// its URL names none.
func (f *ImpersonatedFile) ServiceAccount() string {
	_, email := splitImpersonationURL(f.ServiceAccountImpersonationURL)
	return email
}

// Credentials is [NewImpersonated].
func (f *ImpersonatedFile) Credentials(o Options) (AnyCredentials, error) {
	c, err := NewImpersonated(f, o)
	if err != nil {
		return nil, err // and not a nil *Impersonated in an interface
	}
	return c, nil
}

// MarshalJSON is the file with the fingerprints of its secrets in their places:
// fit for printing, not for parsing.
func (f *ImpersonatedFile) MarshalJSON() ([]byte, error) {
	return f.encode(func(source AnyFile) ([]byte, error) { return source.MarshalJSON() })
}

// Encode is the file with its secrets, as [ParseAny] reads it back. It fails with a
// *[ConfigError] if there is no Source, or too long a way to one.
func (f *ImpersonatedFile) Encode() ([]byte, error) {
	return f.encode(func(source AnyFile) ([]byte, error) { return source.Encode() })
}

func (f *ImpersonatedFile) encode(source func(AnyFile) ([]byte, error)) ([]byte, error) {
	if err := f.checkSources(); err != nil {
		return nil, err
	}
	doc := struct {
		Delegates                      []string          `json:"delegates,omitempty"`
		QuotaProjectID                 string            `json:"quota_project_id,omitempty"`
		Scopes                         []string          `json:"scopes,omitempty"`
		Impersonation                  impersonationJSON `json:"service_account_impersonation,omitzero"`
		ServiceAccountImpersonationURL string            `json:"service_account_impersonation_url"`
		Source                         json.RawMessage   `json:"source_credentials"`
		Type                           string            `json:"type"`
		UniverseDomain                 string            `json:"universe_domain,omitempty"`
	}{
		Delegates:                      f.Delegates,
		QuotaProjectID:                 f.QuotaProjectID,
		Scopes:                         f.Scopes,
		Impersonation:                  impersonationJSON{f.ServiceAccountTokenLifetimeSeconds},
		ServiceAccountImpersonationURL: f.ServiceAccountImpersonationURL,
		Type:                           impersonatedServiceAccount,
		UniverseDomain:                 f.UniverseDomain,
	}
	var err error
	if doc.Source, err = source(f.Source); err != nil {
		return nil, fmt.Errorf("encoding source_credentials: %w", err)
	}
	return encodeJSON(doc)
}
