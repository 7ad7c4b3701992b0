package hostile_test

import (
	"encoding/json"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// forbidden are URLs that none of Google's, or AWS's, may be replaced by. HOST stands
// for the right host, PATH for the rest of the right URL.
var forbidden = []string{
	"https://evil.example/PATH", "http://HOST/PATH", "https://HOST.evil.example/PATH", "https://HOST@evil.example/PATH",
	"https://evil.example/HOST/PATH", "https://evil.example?HOST/PATH", "https://evil.example#HOST/PATH", "https://evil.example\\@HOST/PATH",
	"https://HOST:8443/PATH", "https://HOST./PATH", "https://user:pass@HOST/PATH", "https://HOST%2eevil.example/PATH",
	"https://127.0.0.1/PATH", "https://[::1]/PATH", "https://2852039166/PATH", "https://169.254.169.254/PATH", "https://[::ffff:169.254.169.254]/PATH",
	"http://169.254.169.254@evil.example/PATH", "http://169.254.169.254.evil.example/PATH", "http://metadata.google.internal/PATH",
	"file:///etc/passwd", "gopher://HOST/PATH", "//evil.example/PATH", "evil.example/PATH",
	"https://sts.evil.example/PATH", "https://iamcredentials.evil.example/PATH", "https://HOST\u3002evil.example/PATH", "https://HOST\n.evil.example/PATH",
}

// fill puts the parts of the right URL in the place of the words.
func fill(url, right string) string {
	_, rest, _ := strings.Cut(right, "://")
	host, path, _ := strings.Cut(rest, "/")
	return strings.NewReplacer("HOST", host, "PATH", path).Replace(url)
}

const impersonationURL = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + reports + ":generateAccessToken"

// files are credential files with every URL that their type has.
var files = map[string]string{
	"workload": `{"type": "external_account", "audience": "` + audience + `", "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
		"token_url": "https://sts.googleapis.com/v1/token", "token_info_url": "https://sts.googleapis.com/v1/introspect",
		"service_account_impersonation_url": "` + impersonationURL + `",
		"credential_source": {"environment_id": "aws1", "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
			"url": "http://169.254.169.254/latest/meta-data/iam/security-credentials", "imdsv2_session_token_url": "http://169.254.169.254/latest/api/token",
			"regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}}`,
	"workforce login": `{"type": "external_account_authorized_user", "audience": "//iam.googleapis.com/locations/global/workforcePools/staff/providers/oidc",
		"client_id": "c", "client_secret": "planted-client", "refresh_token": "planted-refresh", "token_url": "https://sts.googleapis.com/v1/oauthtoken",
		"token_info_url": "https://sts.googleapis.com/v1/introspect", "revoke_url": "https://sts.googleapis.com/v1/revoke"}`,
	"login": `{"type": "authorized_user", "client_id": "c", "client_secret": "planted-client", "refresh_token": "planted-refresh", "token_uri": "https://oauth2.googleapis.com/token"}`,
	"impersonation": `{"type": "impersonated_service_account", "service_account_impersonation_url": "` + impersonationURL + `",
		"source_credentials": {"type": "authorized_user", "client_id": "c", "client_secret": "planted-client", "refresh_token": "planted-refresh"}}`,
}

// withURLs calls do with a copy of a document for each of its URLs and each forbidden
// one in its place.
func withURLs(t *testing.T, document string, do func(field, url string, document []byte)) {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal([]byte(document), &root); err != nil {
		t.Fatal(err)
	}
	var walk func(at map[string]any)
	walk = func(at map[string]any) {
		for field, value := range at {
			switch right := value.(type) {
			case map[string]any:
				walk(right)
			case string:
				if !strings.Contains(right, "://") {
					continue
				}
				for _, url := range forbidden {
					if at[field] = fill(url, right); at[field] == right {
						continue
					}
					changed, err := json.Marshal(root)
					if err != nil {
						t.Fatal(err)
					}
					do(field, at[field].(string), changed)
				}
				at[field] = right
			}
		}
	}
	walk(root)
}

func TestAFileOfSomebodyElsesNamesNoHost(t *testing.T) {
	t.Parallel()
	for name, file := range files {
		if _, err := externalaccount.ParseAny([]byte(file), externalaccount.FileOptions{}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		tried := 0
		withURLs(t, file, func(field, url string, document []byte) {
			tried++
			_, err := externalaccount.ParseAny(document, externalaccount.FileOptions{})
			if err == nil && metadata(url) {
				return
			}
			if err == nil || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), "planted") {
				t.Errorf("%s with %s %q: %v", name, field, url, err)
			}
		})
		if tried < 20 {
			t.Errorf("only %d URLs were tried in %s", tried, name)
		}
	}
	withURLs(t, files["workload"], func(field, url string, document []byte) {
		if metadata(url) {
			return
		}
		_, err := keeper.ParseConfig([]byte(`{"credentials": `+string(document)+`, "targets": [{"name": "a", "secret": "s"}]}`), keeper.ConfigOptions{})
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("a config document with %s %q: %v", field, url, err)
		}
	})
}

// metadata reports whether a URL's host is the metadata service. If the rest of such a
// URL is wrong, supplier.IMDS refuses it (as the test after the next one finds).
func metadata(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Hostname() == "169.254.169.254"
}

// A file that is put together in Go has not been parsed. It is refused when it is
// used, and then nothing has been sent.
func TestNothingIsSentToAHostThatAFileInGoNames(t *testing.T) {
	t.Parallel()
	const tokenURL = "https://sts.googleapis.com/v1/token"
	aws := func() *externalaccount.File {
		return &externalaccount.File{Audience: audience, SubjectTokenType: "urn:ietf:params:aws:token-type:aws4_request", AWS: &externalaccount.AWSSource{EnvironmentID: "aws1"}}
	}
	login := func() *externalaccount.AuthorizedUserFile {
		return &externalaccount.AuthorizedUserFile{
			Audience: "//iam.googleapis.com/locations/global/workforcePools/staff/providers/oidc", ClientID: "c",
			ClientSecret: secret.New("planted-client"), RefreshToken: secret.New("planted-refresh"), TokenURL: "https://sts.googleapis.com/v1/oauthtoken",
		}
	}
	for name, tc := range map[string]struct {
		right string
		file  func(url string) externalaccount.AnyFile
	}{
		"the token's":         {tokenURL, func(url string) externalaccount.AnyFile { f := aws(); f.TokenURL = url; return f }},
		"the impersonation's": {impersonationURL, func(url string) externalaccount.AnyFile { f := aws(); f.ServiceAccountImpersonationURL = url; return f }},
		"the login's":         {tokenURL, func(url string) externalaccount.AnyFile { f := login(); f.TokenURL = url; return f }},
		"the impersonation's of a login": {impersonationURL, func(url string) externalaccount.AnyFile {
			return &externalaccount.ImpersonatedFile{ServiceAccountImpersonationURL: url, Source: login()}
		}},
	} {
		for _, url := range forbidden {
			w := newWorld(t)
			file := tc.file(fill(url, tc.right))
			c, err := file.Credentials(externalaccount.Options{HTTPClient: w.client(), Getenv: getenv, Scopes: []string{"https://www.googleapis.com/auth/bigquery"}})
			if err == nil {
				_, err = c.CachedToken(t.Context())
			}
			if strays := w.network.strayed(); err == nil || strays != "" {
				t.Errorf("%s URL %q: %v, and something was sent to %q", name, url, err, strays)
			}
		}
	}
}

func TestNothingIsSentToAHostThatAMetadataURLNames(t *testing.T) {
	t.Parallel()
	for _, url := range forbidden {
		url = fill(url, "http://169.254.169.254/latest/meta-data")
		if url == "https://169.254.169.254/latest/meta-data" { // AWS's own, though not over https
			continue
		}
		for _, imds := range []supplier.IMDS{{TokenURL: url}, {CredentialsURL: url}} {
			w := newWorld(t)
			w.network.taken = "169.254.169.254"
			w.network.answer = func(conn net.Conn, r *seen) { answer(conn, "200 OK", "", "token") }
			imds.HTTPClient, imds.Getenv = w.client(), func(string) string { return "" }
			if _, err := imds.AwsSecurityCredentials(t.Context(), supplier.SupplierContext{}); err == nil || w.network.strayed() != "" {
				t.Errorf("%q: %v, and something was sent to %q", url, err, w.network.strayed())
			}
		}
	}
}
