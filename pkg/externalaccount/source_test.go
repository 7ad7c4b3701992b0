package externalaccount

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
)

const (
	jwt  = `"urn:ietf:params:oauth:token-type:jwt"`
	mtls = `"urn:ietf:params:oauth:token-type:mtls"`
)

// from is minimal with another source and its token type.
func from(source, tokenType string) map[string]string {
	return map[string]string{"credential_source": source, "subject_token_type": tokenType}
}

// and adds fields, as names and values in turn.
func and(fields map[string]string, more ...string) map[string]string {
	for i := 0; i < len(more); i += 2 {
		fields[more[i]] = more[i+1]
	}
	return fields
}

func TestEveryKindOfSourceIsRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		fields map[string]string
		want   File
	}{
		{"a file", from(`{"file": "/var/run/token"}`, jwt), File{TokenFile: &TokenFileSource{Path: "/var/run/token"}}},
		{"a file of JSON", from(`{"file": "token.json", "format": {"type": "json", "subject_token_field_name": "id_token"}}`, `"urn:ietf:params:oauth:token-type:id_token"`),
			File{TokenFile: &TokenFileSource{Path: "token.json", Format: subjecttoken.Format{Type: "json", SubjectTokenFieldName: "id_token"}}}},
		{"a file of SAML", from(`{"file": "saml", "format": {"type": "text"}}`, `"urn:ietf:params:oauth:token-type:saml2"`),
			File{TokenFile: &TokenFileSource{Path: "saml", Format: subjecttoken.Format{Type: "text"}}}},
		{"a URL, as gcloud writes it for Azure", from(`{"url": "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01", "headers": {"Metadata": "True"},
			"format": {"type": "json", "subject_token_field_name": "access_token"}}`, jwt),
			File{URL: &URLSource{URL: "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01",
				Headers: map[string]secret.Text{"Metadata": secret.New("True")}, Format: subjecttoken.Format{Type: "json", SubjectTokenFieldName: "access_token"}}}},
		{"a program", from(`{"executable": {"command": "/bin/issue --now", "timeout_millis": 5000, "interactive_timeout_millis": 30000, "output_file": "/tmp/answer"}}`, jwt),
			File{Executable: &ExecutableSource{Command: "/bin/issue --now", Timeout: 5 * time.Second, InteractiveTimeout: 30 * time.Second, OutputFile: "/tmp/answer"}}},
		{"a program, as a pluggable source", and(from("", jwt), "pluggable_source", `{"executable": {"command": "issue"}}`), File{Executable: &ExecutableSource{Command: "issue"}}},
		{"a certificate", from(`{"certificate": {"certificate_config_location": "c.json", "trust_chain_path": "chain.pem"}}`, mtls),
			File{Certificate: &CertificateSource{ConfigLocation: "c.json", TrustChainPath: "chain.pem"}, TokenURL: "https://sts.mtls.googleapis.com/v1/token"}},
		{"the default certificate", and(from(`{"certificate": {"use_default_certificate_config": true}}`, mtls), "token_url", `"https://sts.mtls.googleapis.com/v1/token"`),
			File{Certificate: &CertificateSource{UseDefaultConfig: true}, TokenURL: "https://sts.mtls.googleapis.com/v1/token"}},
		{"a workforce pool", and(from(`{"file": "token"}`, jwt), "audience", `"//iam.googleapis.com/locations/global/workforcePools/staff/providers/oidc"`, "workforce_pool_user_project", `"98765"`),
			File{TokenFile: &TokenFileSource{Path: "token"}, Audience: "//iam.googleapis.com/locations/global/workforcePools/staff/providers/oidc", WorkforcePoolUserProject: "98765"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseFile(change(t, tt.fields), FileOptions{AllowExecutable: true})
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			want.Type, want.UniverseDomain, want.SubjectTokenType = "external_account", "googleapis.com", strings.Trim(tt.fields["subject_token_type"], `"`)
			if want.Audience == "" {
				want.Audience = provider
			}
			if want.TokenURL == "" {
				want.TokenURL = "https://sts.googleapis.com/v1/token"
			}
			if diff := cmp.Diff(&want, got, cmp.Comparer(secret.Text.Equal)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEachMistakeInASourceIsToldWithWhatToWrite(t *testing.T) {
	t.Parallel()
	const program = `{"executable": {"command": "issue"`
	for _, tt := range []struct {
		name   string
		fields map[string]string
		want   []string
	}{
		{"two sources", from(`{"file": "token", "url": "http://localhost"}`, jwt), []string{`credential_source: found file and url; keep one of them`}},
		{"AWS and a file", from(`{"environment_id": "aws1", "file": "token"}`, `"urn:ietf:params:aws:token-type:aws4_request"`), []string{`credential_source.file: found an unknown field; remove it`}},
		{"a source and a pluggable one", and(from(`{"file": "token"}`, jwt), "pluggable_source", program+`}}`), []string{`pluggable_source: found an object; remove it, or the credential_source`}},
		{"an empty pluggable source", and(from("", jwt), "pluggable_source", `{}`), []string{`pluggable_source.executable: found nothing; write {"command": "PATH ARGUMENT…"}`}},
		{"AWS's token type for a file", map[string]string{"credential_source": `{"file": "token"}`},
			[]string{`subject_token_type: found "urn:ietf:params:aws:token-type:aws4_request"; write one of urn:ietf:params:oauth:token-type:jwt, urn:ietf:params:oauth:token-type:id_token, urn:ietf:params:oauth:token-type:saml2`}},
		{"AWS's role for a file", and(from(`{"file": "token"}`, jwt), "aws_role_arn", `"arn:aws:iam::123456789012:role/r"`), []string{`aws_role_arn: found "arn:aws:iam::123456789012:role/r"; remove it`}},

		{"a file without a name", from(`{"file": " "}`, jwt), []string{`credential_source.file: found " "; write the path of the file`}},
		{"JSON without a field", from(`{"file": "token", "format": {"type": "json"}}`, jwt), []string{`credential_source.format.subject_token_field_name: found nothing; name the field`}},
		{"an unknown format", from(`{"file": "token", "format": {"type": "xml"}}`, jwt), []string{`credential_source.format.type: found "xml"; write "text" or "json"`}},

		{"a URL that is none", from(`{"url": "localhost/planted"}`, jwt), []string{`credential_source.url: found a text that is no URL; write http://HOST/… or https://HOST/…`}},
		{"a password in the URL", from(`{"url": "http://u:planted@localhost/"}`, jwt), []string{`credential_source.url: found a URL with a user name or password in it; write them as an Authorization header`}},
		{"a header that is no text", from(`{"url": "http://localhost", "headers": {"Metadata": true, "X-Key": 4711}}`, jwt),
			[]string{`credential_source.headers.Metadata: found true; write a string`, `credential_source.headers.X-Key: found a number; write a string`}},

		{"a program without a command", from(`{"executable": {"timeout_millis": 30000}}`, jwt), []string{`credential_source.executable.command: found nothing; write the program's path`}},
		{"too short a timeout", from(program+`, "timeout_millis": 4999}}`, jwt), []string{`credential_source.executable.timeout_millis: found 4999; write a number of milliseconds from 5000 to 120000`}},
		{"too long a timeout", from(program+`, "timeout_millis": 120001}}`, jwt), []string{`credential_source.executable.timeout_millis: found 120001; write`}},
		{"too short a dialogue", from(program+`, "output_file": "o", "interactive_timeout_millis": 29999}}`, jwt), []string{`credential_source.executable.interactive_timeout_millis: found 29999; write a number of milliseconds from 30000 to 1800000`}},
		{"a dialogue without an output file", from(program+`, "interactive_timeout_millis": 30000}}`, jwt), []string{`credential_source.executable.output_file: found nothing; write the file`}},

		{"no certificate configuration", from(`{"certificate": {}}`, mtls), []string{`credential_source.certificate: found no certificate configuration; write its path`}},
		{"two certificate configurations", from(`{"certificate": {"certificate_config_location": "c", "use_default_certificate_config": true}}`, mtls),
			[]string{`credential_source.certificate.use_default_certificate_config: found true; remove it, or the certificate_config_location`}},
		{"a certificate where nobody asks for it", and(from(`{"certificate": {"use_default_certificate_config": true}}`, mtls), "token_url", `"https://sts.googleapis.com/v1/token"`),
			[]string{`token_url: found "https://sts.googleapis.com/v1/token"; write "https://sts.mtls.googleapis.com/v1/token"`}},
		{"another type than a certificate's", from(`{"certificate": {"use_default_certificate_config": true}}`, jwt),
			[]string{`subject_token_type: found "urn:ietf:params:oauth:token-type:jwt"; write "urn:ietf:params:oauth:token-type:mtls"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseFile(change(t, tt.fields), FileOptions{AllowExecutable: true})
			expectProblems(t, tt.want, problems(t, err))
			if strings.Contains(err.Error(), "planted") {
				t.Errorf("the error shows what may be a key: %v", err)
			}
		})
	}
}

func TestProgramsAreRefusedUnlessTheyAreAllowed(t *testing.T) {
	t.Parallel()
	fields := from(`{"executable": {"command": "issue"}}`, jwt)
	_, err := ParseFile(change(t, fields), FileOptions{})
	expectProblems(t, []string{`credential_source.executable: found an object; write another source: no program may be run here`}, problems(t, err))
	if _, err := ParseFile(change(t, fields), FileOptions{AllowExecutable: true}); err != nil {
		t.Error(err)
	}
}
