package googleapi

import (
	"errors"
	"strings"
	"testing"
)

func TestGooglesHostFormsAreAllowed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ url, service, universe string }{
		{"https://sts.googleapis.com/v1/token", "sts", ""},
		{"https://sts.googleapis.com", "sts", ""},
		{"https://sts.googleapis.com:443/v1/token", "sts", ""},
		{"HTTPS://STS.GoogleAPIs.com/v1/token", "sts", ""},
		{"https://sts.googleapis.com/v1/token", "sts", "googleapis.com"},
		{"https://us-east-1.sts.googleapis.com/v1/token", "sts", ""},
		{"https://sts.us-east-1.googleapis.com/v1/token", "sts", ""},
		{"https://sts.mtls.googleapis.com/v1/token", "sts", ""},
		{"https://us-west1-sts.googleapis.com/v1/token", "sts", ""},
		{"https://sts-privateendpoint.p.googleapis.com/v1/token", "sts", ""},
		{"https://sts-my-own.p.googleapis.com/v1/token", "sts", ""},
		{"https://sts.us-east4.rep.googleapis.com/v1/token", "sts", ""},
		{"https://iamcredentials.googleapis.com/v1/x:generateAccessToken", "iamcredentials", ""},
		{"https://iamcredentials.us-east4.rep.googleapis.com/v1/x", "iamcredentials", ""},
		{"https://iamcredentials-x.p.googleapis.com", "iamcredentials", ""},
		{"https://sts.apis-example.goog/v1/token", "sts", "apis-example.goog"},
		{"https://sts.Apis-Example.goog/v1/token", "sts", "apis-EXAMPLE.goog"},
	} {
		if _, err := ParseEndpoint(tc.url, tc.service, tc.universe, false); err != nil {
			t.Errorf("%s: %v", tc.url, err)
		}
	}
}

func TestEveryOtherEndpointIsRefused(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		// not https, or not a URL
		"", "sts.googleapis.com", "//sts.googleapis.com/v1/token", "/v1/token",
		"http://sts.googleapis.com/v1/token", "ftp://sts.googleapis.com", "file:///etc/passwd",
		"https:sts.googleapis.com", "https:///v1/token", "https://", "javascript:alert(1)",
		"httpss://sts.googleapis.com", "https ://sts.googleapis.com",
		// another host
		"https://example.com/v1/token", "https://localhost/v1/token", "https://127.0.0.1", "https://[::1]", "https://169.254.169.254",
		"https://googleapis.com", "https://www.googleapis.com", "https://oauth2.googleapis.com/token",
		"https://iamcredentials.googleapis.com", "https://storage.googleapis.com",
		// Google's name in the wrong place
		"https://sts.googleapis.com.evil.com", "https://evil.com/sts.googleapis.com", "https://evil.com?sts.googleapis.com",
		"https://evil.com#sts.googleapis.com", "https://evilgoogleapis.com", "https://stsgoogleapis.com", "https://sts-googleapis.com",
		"https://sts.evil-googleapis.com", "https://sts.googleapis.com-evil.com", "https://sts.googleapis.comm", "https://sts.googleapis.co",
		"https://sts.googleapis", "https://sts", "https://googleapis.com.sts",
		// another service that only looks like it
		"https://evilsts.googleapis.com", "https://stsevil.googleapis.com", "https://sts-evil.googleapis.com", "https://xsts.x.googleapis.com",
		"https://sts-x.googleapis.com", "https://sts-x.q.googleapis.com", "https://x-sts.p.googleapis.com", "https://sts.x.p.googleapis.com",
		"https://sts.x.pep.googleapis.com", "https://sts.rep.x.googleapis.com", "https://x.sts.rep.googleapis.com",
		// more than one label for x
		"https://a.b.sts.googleapis.com", "https://sts.a.b.googleapis.com", "https://sts.a.b.rep.googleapis.com", "https://a.b-sts.googleapis.com",
		"https://sts-a.b.p.googleapis.com", "https://a.sts.b.googleapis.com",
		// no label, or an odd one, for x
		"https://.sts.googleapis.com", "https://sts..googleapis.com", "https://-sts.googleapis.com", "https://sts-.p.googleapis.com",
		"https://sts..rep.googleapis.com", "https://--sts.googleapis.com", "https://x_y.sts.googleapis.com", "https://*.sts.googleapis.com",
		"https://-x.sts.googleapis.com", "https://x-.sts.googleapis.com", "https://xn--80ak6aa92e.sts.googleapis.com",
		"https://" + strings.Repeat("x", 64) + ".sts.googleapis.com",
		// dots at the ends
		"https://sts.googleapis.com.", "https://sts.googleapis.com./v1/token", "https://.googleapis.com", "https://..sts.googleapis.com",
		// user information
		"https://user@sts.googleapis.com", "https://user:pass@sts.googleapis.com", "https://@sts.googleapis.com", "https://sts.googleapis.com@evil.com",
		"https://sts.googleapis.com:443@evil.com", "https://sts.googleapis.com:x@evil.com/",
		// ports
		"https://sts.googleapis.com:8443", "https://sts.googleapis.com:80", "https://sts.googleapis.com:", "https://sts.googleapis.com:0443",
		"https://sts.googleapis.com:443:443", "https://sts.googleapis.com:https", "https://sts.googleapis.com:4433",
		// fragments
		"https://sts.googleapis.com/v1/token#x", "https://sts.googleapis.com#@evil.com",
		// what some parsers take for a dot, a slash, an at-sign or a letter
		"https://evil.com\\.sts.googleapis.com", "https://evil.com\\@sts.googleapis.com", "https://evil.com%2f.sts.googleapis.com",
		"https://evil.com%2Fsts.googleapis.com", "https://sts%2egoogleapis.com", "https://sts.googleapis.com%2eevil.com", "https://sts.googleapis.com%00.evil.com",
		"https://sts.googleapis.com%23.evil.com", "https://sts.googleapis.com%40evil.com", "https://sts。googleapis。com",
		"https://sts.googleapis。com", "https://sts.googleapis.com。evil.com", "https://stѕ.googleapis.com", "https://sts.gооgleapis.com",
		"https://%E2%84%AA.sts.googleapis.com", "https://\u212A.sts.googleapis.com", "https://ſts.googleapis.com", "https://sts.googleapis.com／.evil.com",
		"https://evil.com／.sts.googleapis.com", "https://sts.googleapis.com\t.evil.com", "https://sts.googleapis.com\n", " https://sts.googleapis.com",
		"https://sts. googleapis.com", "https://sts\x00.googleapis.com", "https://[sts.googleapis.com]", "https://[::1%25.sts.googleapis.com]",
	} {
		u, err := ParseEndpoint(raw, "sts", "", false)
		e, ok := errors.AsType[*EndpointError](err)
		if !ok || u != nil {
			t.Errorf("%q is allowed (%v, %v)", raw, u, err)
			continue
		}
		for _, want := range []string{"sts.{region}.rep.googleapis.com", "WIFMINT_UNSAFE_ENDPOINTS=allow", "AllowAnyEndpoint"} {
			if !strings.Contains(e.Error(), want) {
				t.Errorf("%q: %v does not mention %s", raw, e, want)
			}
		}
		if e.Found == "" || strings.Contains(e.Error(), "pass@") || strings.ContainsAny(e.Error(), "\x00\n\t") {
			t.Errorf("%q: %v", raw, e)
		}
	}
}

func TestEndpointErrorSaysWhatWasFound(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://sts.evil.com/v1?k=v":      `the host "sts.evil.com"`,
		"https://sts.googleapis.com:8443":  `the host "sts.googleapis.com:8443"`,
		"http://sts.googleapis.com":        `the scheme "http"`,
		"https://u:pw@sts.googleapis.com/": "a user or a password before the host",
		"https://sts.googleapis.com/#frag": "a fragment after #",
		"https:///v1/token":                "a URL without a host",
		"https://u:p w@sts.googleapis.com": "a text that does not parse as a URL",
	} {
		_, err := ParseEndpoint(raw, "sts", "", false)
		if e, ok := errors.AsType[*EndpointError](err); !ok || e.Found != want {
			t.Errorf("%s: %v, want %s", raw, err, want)
		}
	}
}

func TestUniverseReplacesTheDefaultOne(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ url, universe string }{
		{"https://sts.googleapis.com", "apis-example.goog"},
		{"https://sts.apis-example.goog", ""},
		{"https://sts.evil.com", "com"},
		{"https://sts.evil.com", "evil.com."},
		{"https://sts.evil.com", ".evil.com"},
		{"https://sts.evil.com", "evil..com"},
		{"https://sts.evil.com", "*"},
	} {
		if _, err := ParseEndpoint(tc.url, "sts", tc.universe, false); err == nil {
			t.Errorf("%s is allowed in universe %q", tc.url, tc.universe)
		}
	}
}

func TestAllowAnyStillWantsAURLThatCanBeCalled(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		"http://127.0.0.1:8080/v1/token": true,
		"https://sts.example/v1/token":   true,
		"ftp://127.0.0.1/":               false,
		"127.0.0.1:8080":                 false,
		"http://":                        false,
		"http://:80":                     false,
		"":                               false,
	} {
		if _, err := ParseEndpoint(raw, "sts", "", true); (err == nil) != want {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

// Whatever passes must be a host beneath the universe once the URL is used.
func FuzzParseEndpoint(f *testing.F) {
	for _, raw := range []string{"https://sts.googleapis.com/v1/token", "https://a.b@sts.googleapis.com:443", "https://sts-x.p.googleapis.com"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := ParseEndpoint(raw, "sts", "", false)
		if err != nil {
			return
		}
		host := strings.ToLower(u.Hostname())
		if u.Scheme != "https" || !strings.HasSuffix(host, ".googleapis.com") || strings.Count(host, ".") > 4 || !strings.Contains(host, "sts") {
			t.Errorf("%q passes: host %q", raw, host)
		}
	})
}
