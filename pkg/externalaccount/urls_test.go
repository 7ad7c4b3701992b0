package externalaccount

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/supplier"
)

// Every URL that a file may have, as it is when it is right.
var goodURLs = []struct{ document, field, url string }{
	{minimal, "token_url", "https://sts.googleapis.com/v1/token"},
	{minimal, "token_info_url", "https://sts.googleapis.com/v1/introspect"},
	{minimal, "universe_domain", "googleapis.com"}, // in whose place a URL may be written
	{minimal, "service_account_impersonation_url", "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/reports@p.iam.gserviceaccount.com:generateAccessToken"},
	{minimal, "credential_source.regional_cred_verification_url", "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"},
	{minimal, "credential_source.url", "http://169.254.169.254/latest/meta-data/iam/security-credentials"},
	{minimal, "credential_source.region_url", "http://169.254.169.254/latest/meta-data/placement/availability-zone"},
	{minimal, "credential_source.imdsv2_session_token_url", "http://[fd00:ec2::254]/latest/api/token"},
	{`{"type": "external_account", "audience": "` + provider + `", "subject_token_type": ` + jwt + `, "credential_source": {"url": ""}}`,
		"credential_source.url", "https://idp.example/token"},
	{`{"type": "external_account", "audience": "` + provider + `", "subject_token_type": ` + mtls + `, "credential_source": {"certificate": {"use_default_certificate_config": true}}}`,
		"token_url", "https://sts.mtls.googleapis.com/v1/token"},
	{workforceLogin, "token_url", "https://sts.googleapis.com/v1/oauthtoken"},
	{workforceLogin, "token_info_url", "https://sts.googleapis.com/v1/introspect"},
	{workforceLogin, "revoke_url", "https://sts.googleapis.com/v1/revoke"},
	{googleLogin, "token_uri", "https://oauth2.googleapis.com/token"},
	{impersonating(minimal), "service_account_impersonation_url", "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/reports@p.iam.gserviceaccount.com:generateAccessToken"},
}

// setText sets a text of a document, whose path is "a" or "a.b".
func setText(t *testing.T, document, path, text string) []byte {
	t.Helper()
	root := map[string]any{}
	if err := json.Unmarshal([]byte(document), &root); err != nil {
		t.Fatal(err)
	}
	object, key := root, path
	if parent, child, nested := strings.Cut(path, "."); nested {
		object, key = root[parent].(map[string]any), child
	}
	object[key] = text
	data, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAURLWithAPasswordIsRefusedAndNotShown(t *testing.T) {
	t.Parallel()
	for _, good := range goodURLs {
		if _, err := ParseAny(setText(t, good.document, good.field, good.url), FileOptions{}); err != nil {
			t.Fatalf("%s is not good: %v", good.url, err)
		}
		scheme, rest, absolute := strings.Cut(good.url, "://")
		if !absolute {
			scheme, rest = "https", good.url
		}
		for _, bad := range []string{
			scheme + "://user:hunter2@" + rest,
			scheme + "://:hunter2@" + rest,
			scheme + "://hunter2@" + rest,
			scheme + "://user:hunter2@idp.example/" + rest,
			scheme + "://user:hunter2@" + rest + "/x",
			scheme + "://user:hunter2@sts.googleapis.com/v1/token",
			"ftp://user:hunter2@" + rest,
			"//user:hunter2@" + rest,
			"user:hunter2@" + rest,
			scheme + ":user:hunter2@" + rest,
			scheme + "://user:hunter2 @" + rest,
			scheme + "://user:hunter2@[" + rest,
			scheme + "://user:hunter2@%" + rest,
			scheme + "://user:hunter2@\x7f" + rest,
		} {
			data := setText(t, good.document, good.field, bad)
			_, err := ParseAny(data, FileOptions{})
			if err == nil || !strings.Contains(err.Error(), good.field+": found ") {
				t.Errorf("%s is taken as %s: %v", bad, good.field, err)
			}
			_, anyway := ParseAny(data, FileOptions{AllowAnyEndpoint: true})
			if text := fmt.Sprint(err, anyway); strings.Contains(text, "hunter2") {
				t.Errorf("%s shows it:\n%s", good.field, text)
			}
		}
	}
}

func TestTheMetadataURLsOfAFileAreThoseThatAreAsked(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"http://169.254.169.254/latest/meta-data/iam/security-credentials": true,
		"http://169.254.169.254":                        true,
		"HTTP://169.254.169.254/x":                      true,
		"http://169.254.169.254:80/x":                   true,
		"http://[fd00:ec2::254]/x":                      true,
		"http://[fd00:ec2:0:0:0:0:0:254]:80/x":          true,
		"https://169.254.169.254/x":                     false,
		"https://[fd00:ec2::254]/x":                     false,
		"http://169.254.169.254:443/x":                  false,
		"http://169.254.169.254:8080/x":                 false,
		"http://[fd00:ec2::254]:8080/x":                 false,
		"http://user:password@169.254.169.254/x":        false,
		"http://user@169.254.169.254/x":                 false,
		"http://@169.254.169.254/x":                     false,
		"http://169.254.169.254@example.com/":           false,
		"http://169.254.169.254.example.com/":           false,
		"http://169.254.169.253/x":                      false,
		"http://169.254.43518/x":                        false,
		"http://0xa9fea9fe/x":                           false,
		"http://2852039166/x":                           false,
		"http://[::ffff:169.254.169.254]/x":             false,
		"http://[fd00:ec2::254%25eth0]/x":               false,
		"http://[fd00:ec2::255]/x":                      false,
		"http://instance-data/x":                        false,
		"http://metadata.google.internal/x":             false,
		"ftp://169.254.169.254/x":                       false,
		"//169.254.169.254/x":                           false,
		"169.254.169.254":                               false,
		"":                                              false,
		"http://169.254.169.254/" + string(rune(0)):     false,
		"http://169.254.169.254\\@example.com/":         false,
		"http://example.com#@169.254.169.254/":          false,
		"http://example.com/?http://169.254.169.254/":   false,
		"http://169.254.169.254%2f@example.com/":        false,
		"http://169.254.169.254:80@example.com/":        false,
		"http://169\u3002254\u3002169\u3002254/latest/": false,
	} {
		if got := isMetadataURL(url, FileOptions{}); got != want {
			t.Errorf("%q: %v", url, got)
		}
		if url == "" { // which to IMDS is none
			continue
		}
		asked := false
		imds := supplier.IMDS{CredentialsURL: url, Getenv: lookup(nil), HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			asked = true
			return nil, &net.DNSError{IsNotFound: true} // which is not tried again
		})}}
		if _, err := imds.AwsSecurityCredentials(t.Context(), supplier.SupplierContext{}); asked != want {
			t.Errorf("%q: asked %v: %v", url, asked, err)
		}
	}
}
