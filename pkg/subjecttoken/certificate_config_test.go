package subjecttoken

import (
	"encoding/json"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/internal/hostilejson"
)

func TestWhereTheDefaultCertificateConfigIs(t *testing.T) {
	t.Parallel()
	home, below := "HOME", filepath.Join("/home/a", ".config", "gcloud", "certificate_config.json")
	if runtime.GOOS == "windows" {
		home, below = "APPDATA", filepath.Join("/home/a", "gcloud", "certificate_config.json")
	}
	for name, tc := range map[string]struct {
		env  []string
		want string
		says string
	}{
		"gcloud's own":                    {[]string{home, "/home/a"}, below, ""},
		"gcloud's own, moved":             {[]string{home, "/home/a", "CLOUDSDK_CONFIG", "/etc/gcloud"}, filepath.Join("/etc/gcloud", "certificate_config.json"), ""},
		"a file of one's own":             {[]string{home, "/home/a", "CLOUDSDK_CONFIG", "/etc/gcloud", "GOOGLE_API_CERTIFICATE_CONFIG", "/run/c.json"}, "/run/c.json", ""},
		"what is empty is not set":        {[]string{home, "/home/a", "CLOUDSDK_CONFIG", "", "GOOGLE_API_CERTIFICATE_CONFIG", ""}, below, ""},
		"nowhere":                         {nil, "", "none of GOOGLE_API_CERTIFICATE_CONFIG, CLOUDSDK_CONFIG and " + home + " is set"},
		"nowhere, with the environment's": {[]string{"PATH", "/bin"}, "", "there is no default certificate configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := &Certificate{UseDefaultConfig: true, Getenv: environ(tc.env...)}
			got, flaw := source.configPath()
			if got != tc.want || !strings.Contains(flaw, tc.says) || (flaw == "") != (tc.says == "") {
				t.Errorf("got %q, %q; want %q, %q", got, flaw, tc.want, tc.says)
			}
		})
	}
}

func TestTheDefaultCertificateConfigIsUsed(t *testing.T) {
	t.Parallel()
	leaf := issue(t, "leaf", nil, nextYear())
	files := install(t, leaf)
	source := &Certificate{UseDefaultConfig: true, Getenv: environ("CLOUDSDK_CONFIG", filepath.Dir(files.config))}
	token, err := source.SubjectToken(t.Context())
	wantToken(t, token, err, `["`+leaf.base64()+`"]`)
}

func TestCertificateConfigsThatAreNone(t *testing.T) {
	t.Parallel()
	for content, says := range map[string]string{
		"":                    "is not one JSON object",
		"[]":                  "is not one JSON object",
		"{}":                  "has no cert_configs.workload",
		"null":                "has no cert_configs.workload",
		`{"cert_configs":[]}`: "has a wrong JSON type in its field cert_configs",
		`{"cert_configs":{}}`: "has no cert_configs.workload",
		`{"cert_configs":{"pkcs11":{"module":"m"}},"libs":{}}`:                      "its pkcs11 is for Google's Enterprise Certificate Proxy, which is not supported",
		`{"cert_configs":{"macos_keychain":{"issuer":"i"}}}`:                        "its macos_keychain is for",
		`{"cert_configs":{"workload":null}}`:                                        "has no cert_configs.workload.cert_path",
		`{"cert_configs":{"workload":"` + planted + `"}}`:                           "no cert_path and key_path that are strings",
		`{"cert_configs":{"workload":{"cert_path":1}}}`:                             "no cert_path and key_path that are strings",
		`{"cert_configs":{"workload":{"key_path":"k"}}}`:                            "has no cert_configs.workload.cert_path",
		`{"cert_configs":{"workload":{"cert_path":"c"}}}`:                           "has no cert_configs.workload.key_path",
		`{"cert_configs":{"workload":{"cert_path":"c","key_path":"k"}}} {"more":1}`: "is not one JSON object",
	} {
		_, flaw := readCertificateConfig([]byte(content))
		if !strings.Contains(flaw, says) || strings.Contains(flaw, planted[:20]) {
			t.Errorf("%s: got %q, want %q", content, flaw, says)
		}
	}
}

func FuzzCertificateConfig(f *testing.F) {
	for _, content := range []string{
		`{"cert_configs":{"workload":{"cert_path":"c","key_path":"k"}}}`, `{"version":1,"cert_configs":{"pkcs11":{}}}`,
		`{"cert_configs":{"workload":{"cert_path":"c","key_path":"k"}},"cert_configs":{}}`, `{"cert_configs":{"WORKLOAD":{}}}`, "[]", "",
	} {
		f.Add([]byte(content))
	}
	for _, seed := range hostilejson.Seeds(`{"version":1,"cert_configs":{"workload":{"cert_path":"c","key_path":"k"}}}`) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		files, flaw := readCertificateConfig(content)
		switch {
		case flaw != "" && len(flaw) > 200:
			t.Errorf("a long flaw: %q", flaw)
		case flaw == "" && (!json.Valid(content) || files.CertPath == "" || files.KeyPath == ""):
			t.Errorf("accepted %+v of %q", files, content)
		}
	})
}

func FuzzTrustChain(f *testing.F) {
	const block = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
	for _, content := range []string{"", block, block + block, "text\n" + block, "-----BEGIN CERTIFICATE-----", "-----BEGIN X-----\n-----END X-----\n"} {
		f.Add([]byte(content))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		certificates, flaw := readCertificates(content)
		if flaw == "" && len(certificates) != strings.Count(string(content), "-----BEGIN ") {
			t.Errorf("%d certificates of %q", len(certificates), content)
		}
	})
}
