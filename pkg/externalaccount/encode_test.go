package externalaccount

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/jsondoc"
	"github.com/wifmint/wifmint/pkg/secret"
)

func TestAFileSurvivesARoundTrip(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]map[string]string{
		"the least": nil,
		"AWS, in full": {"credential_source": `{"environment_id": "aws1", "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
			"region_url": "http://169.254.169.254/r", "url": "http://169.254.169.254/u", "imdsv2_session_token_url": "http://169.254.169.254/t"}`,
			"aws_region": `"eu-west-1"`, "aws_role_arn": `"arn:aws:iam::123456789012:role/r"`, "aws_session_name": `"session"`,
			"client_id": `"client"`, "client_secret": `"` + plantedClient + `"`, "quota_project_id": `"quota"`, "token_info_url": `"https://sts.googleapis.com/v1/introspect"`,
			"service_account_impersonation_url": anyReports, "service_account_impersonation": `{"token_lifetime_seconds": 2800}`},
		"a file":        from(`{"file": "token", "format": {"type": "json", "subject_token_field_name": "t"}}`, jwt),
		"a URL":         from(`{"url": "http://h/?a=b&c=<d>&key=planted", "headers": {"Metadata": "True", "X-Key": "planted-key"}}`, jwt),
		"a program":     from(`{"executable": {"command": "c a", "timeout_millis": 5000, "interactive_timeout_millis": 30000, "output_file": "o"}}`, jwt),
		"a pluggable":   and(from("", jwt), "pluggable_source", `{"executable": {"command": "c"}}`),
		"a certificate": from(`{"certificate": {"certificate_config_location": "c", "trust_chain_path": "t"}}`, mtls),
		"a workforce":   and(from(`{"file": "token"}`, jwt), "audience", `"//iam.googleapis.com/locations/global/workforcePools/staff/providers/oidc"`, "workforce_pool_user_project", `"98765"`),
		"a universe":    {"universe_domain": `"s3nsapis.fr"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := FileOptions{AllowExecutable: true}
			f, err := ParseFile(change(t, fields), o)
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := f.Encode()
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseFile(encoded, o)
			if err != nil {
				t.Fatalf("%s: %v", encoded, err)
			}
			if diff := cmp.Diff(f, again, cmp.Comparer(secret.Text.Equal)); diff != "" {
				t.Error(diff)
			}
			expectMasked(t, f)
			if f.URL != nil {
				expectMasked(t, f.URL)
				expectMasked(t, *f.URL)
			}
		})
	}
}

func TestSecretsAreMaskedByTheirFingerprint(t *testing.T) {
	t.Parallel()
	f := File{ClientSecret: secret.New(plantedClient)}
	masked, err := json.Marshal(&f)
	if err != nil || !strings.Contains(string(masked), `"client_secret":"sha256:`+f.ClientSecret.Fingerprint()+`"`) {
		t.Errorf("%s, %v", masked, err)
	}
}

func TestTheQueryOfAURLIsMasked(t *testing.T) {
	t.Parallel()
	query := secret.New("key=planted")
	for url, want := range map[string]string{
		"https://h/token":             "https://h/token",
		"https://h/token?key=planted": "https://h/token?" + query.String(),
	} {
		got := URLSource{URL: url}
		if text := fmt.Sprint(got); text != `{"url":"`+want+`"}` {
			t.Errorf("%s is printed as %s", url, text)
		}
	}
}

func TestAFileIsLoadedFromItsPath(t *testing.T) {
	t.Parallel()
	f, err := LoadFile("testdata/gcloud-aws.json", FileOptions{})
	if err != nil || f.ServiceAccount() != reports {
		t.Errorf("%v, %v", f, err)
	}
	if _, err := LoadFile("testdata/nowhere.json", FileOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	var p jsondoc.Problems
	if _, err := LoadFile(writeFile(t, "large.json", strings.Repeat(" ", jsondoc.MaxSize+100), 0o600), FileOptions{}); !errors.As(err, &p) {
		t.Error(err)
	}
}
