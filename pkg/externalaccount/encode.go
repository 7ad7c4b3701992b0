package externalaccount

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
)

// Credentials is [New], which does not fail.
func (f *File) Credentials(o Options) (AnyCredentials, error) { return New(f, o), nil }

// MarshalJSON is the file with the fingerprints of the client secret, and of a URL
// source's headers and query, in their places: fit for printing, not for parsing.
func (f *File) MarshalJSON() ([]byte, error) { return f.encode(secret.Text.String) }

// Encode is the file with its secrets, as [ParseFile] reads it back: what was
// filled in is written out, and unknown fields never were taken in.
func (f *File) Encode() ([]byte, error) { return f.encode(secret.Text.Reveal) }

// encode writes the fields in the order in which gcloud does.
func (f *File) encode(show func(secret.Text) string) ([]byte, error) {
	doc := fileJSON{
		UniverseDomain:                 f.UniverseDomain,
		Type:                           externalAccount,
		Audience:                       f.Audience,
		SubjectTokenType:               f.SubjectTokenType,
		TokenURL:                       f.TokenURL,
		TokenInfoURL:                   f.TokenInfoURL,
		Source:                         f.sourceJSON(show),
		ServiceAccountImpersonationURL: f.ServiceAccountImpersonationURL,
		Impersonation:                  impersonationJSON{f.ServiceAccountTokenLifetimeSeconds},
		WorkforcePoolUserProject:       f.WorkforcePoolUserProject,
		ClientID:                       f.ClientID,
		ClientSecret:                   show(f.ClientSecret),
		QuotaProjectID:                 f.QuotaProjectID,
		AWSRegion:                      f.AWSRegion,
		AWSRoleARN:                     f.AWSRoleARN,
		AWSSessionName:                 f.AWSSessionName,
	}
	return encodeJSON(doc)
}

type fileJSON struct {
	UniverseDomain                 string            `json:"universe_domain,omitempty"`
	Type                           string            `json:"type"`
	Audience                       string            `json:"audience"`
	SubjectTokenType               string            `json:"subject_token_type"`
	TokenURL                       string            `json:"token_url,omitempty"`
	TokenInfoURL                   string            `json:"token_info_url,omitempty"`
	Source                         any               `json:"credential_source,omitempty"`
	ServiceAccountImpersonationURL string            `json:"service_account_impersonation_url,omitempty"`
	Impersonation                  impersonationJSON `json:"service_account_impersonation,omitzero"`
	WorkforcePoolUserProject       string            `json:"workforce_pool_user_project,omitempty"`
	ClientID                       string            `json:"client_id,omitempty"`
	ClientSecret                   string            `json:"client_secret,omitempty"`
	QuotaProjectID                 string            `json:"quota_project_id,omitempty"`
	AWSRegion                      string            `json:"aws_region,omitempty"`
	AWSRoleARN                     string            `json:"aws_role_arn,omitempty"`
	AWSSessionName                 string            `json:"aws_session_name,omitempty"`
}

type impersonationJSON struct {
	TokenLifetimeSeconds int `json:"token_lifetime_seconds"`
}

type formatJSON struct {
	Type                  string `json:"type,omitempty"`
	SubjectTokenFieldName string `json:"subject_token_field_name,omitempty"`
}

func (f *File) sourceJSON(show func(secret.Text) string) any {
	switch {
	case f.AWS != nil:
		return struct {
			EnvironmentID               string `json:"environment_id"`
			RegionURL                   string `json:"region_url,omitempty"`
			URL                         string `json:"url,omitempty"`
			RegionalCredVerificationURL string `json:"regional_cred_verification_url,omitempty"`
			IMDSv2SessionTokenURL       string `json:"imdsv2_session_token_url,omitempty"`
		}{f.AWS.EnvironmentID, f.AWS.RegionURL, f.AWS.URL, f.AWS.RegionalCredVerificationURL, f.AWS.IMDSv2SessionTokenURL}
	case f.TokenFile != nil:
		return struct {
			File   string     `json:"file"`
			Format formatJSON `json:"format,omitzero"`
		}{f.TokenFile.Path, encodeFormat(f.TokenFile.Format)}
	case f.URL != nil:
		return f.URL.encode(show)
	case f.Executable != nil:
		type executableJSON struct {
			Command                  string `json:"command"`
			TimeoutMillis            int64  `json:"timeout_millis,omitempty"`
			InteractiveTimeoutMillis int64  `json:"interactive_timeout_millis,omitempty"`
			OutputFile               string `json:"output_file,omitempty"`
		}
		return struct {
			Executable executableJSON `json:"executable"`
		}{executableJSON{f.Executable.Command, f.Executable.Timeout.Milliseconds(), f.Executable.InteractiveTimeout.Milliseconds(), f.Executable.OutputFile}}
	case f.Certificate != nil:
		type certificateJSON struct {
			ConfigLocation   string `json:"certificate_config_location,omitempty"`
			UseDefaultConfig bool   `json:"use_default_certificate_config,omitempty"`
			TrustChainPath   string `json:"trust_chain_path,omitempty"`
		}
		return struct {
			Certificate certificateJSON `json:"certificate"`
		}{certificateJSON(*f.Certificate)}
	}
	return nil
}

func (s URLSource) encode(show func(secret.Text) string) any {
	headers := make(map[string]string, len(s.Headers))
	for name, value := range s.Headers {
		headers[name] = show(value)
	}
	url, query, ok := strings.Cut(s.URL, "?")
	if ok {
		url += "?" + show(secret.New(query))
	}
	return struct {
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers,omitempty"`
		Format  formatJSON        `json:"format,omitzero"`
	}{url, headers, encodeFormat(s.Format)}
}

// MarshalJSON is the credential_source with fingerprints in the places of the
// headers' values and of the URL's query, which may hold a key.
func (s URLSource) MarshalJSON() ([]byte, error) { return encodeJSON(s.encode(secret.Text.String)) }

// String is what MarshalJSON returns.
func (s URLSource) String() string {
	text, _ := s.MarshalJSON() // texts alone always encode
	return string(text)
}

// GoString is String, for %#v.
func (s URLSource) GoString() string { return s.String() }

func encodeFormat(f subjecttoken.Format) formatJSON {
	return formatJSON{f.Type, f.SubjectTokenFieldName}
}

func encodeJSON(doc any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // the verification URL has an & in it
	if err := encoder.Encode(doc); err != nil {
		return nil, fmt.Errorf("encoding a credential file: %w", err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}
