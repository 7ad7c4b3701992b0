package supplier

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// hostileURIs lead elsewhere, or nowhere, for some parser of URLs.
var hostileURIs = []string{
	"", "/", "//evil.example/", "@evil.example/", ".evil.example/", ":80@evil.example/", "\\\\evil.example", "/v1/x?y=z#@evil.example", "/\x00", "/%00", "/ ", "/\xff", "/\r\nHost: evil.example", "/%zz", strings.Repeat("/", 50_000),
	"http://evil.example/", "http://127.0.0.1@evil.example/", "http://user:planted@127.0.0.1/", "http://169.254.170.2.evil.example/", "http://2852039170/", "http://0x7f.1/", "http://[::ffff:127.0.0.1]/", "http://[::1%25eth0]/",
	"http://[fd00:ec2::23]/", "http://[::1", "http://localhost:99999/", "http:///x", "http:127.0.0.1", "https://evil.example:443/", "https://[::]/", "ftp://127.0.0.1/", "file:///etc/passwd", "http://169.254.169.254\\@evil.example/", "http://169.254.169.254:80#@evil.example/",
	"HTTP://169.254.169.254/latest/api/token", "https://169.254.169.254/", "http://[fd00:ec2::254]:80/x", "http://169\u3002254\u3002169\u3002254/", "http://" + strings.Repeat("a.", 30_000) + "/", "http://\u212a/", "http://%6c%6f%63alhost/",
}

// Whatever the variables are: the token goes to https, or in the clear to addresses
// that are AWS's or this machine's, and an error shows neither it nor a password.
func FuzzContainerVariables(f *testing.F) {
	for _, uri := range hostileURIs {
		f.Add(uri, "", "planted-token")
		f.Add("", uri, "planted-token")
	}
	f.Add("/v1/x", "", "planted-token\n")
	f.Add("", "http://localhost/x", "planted\x00-token")
	f.Fuzz(func(t *testing.T, relative, full, token string) {
		if strings.ContainsAny(relative+full+token, "\x00") {
			return // which no variable can hold
		}
		w := &wire{answer: func(r *http.Request) (*http.Response, error) {
			addr, err := netip.ParseAddr(r.URL.Hostname())
			clear := err == nil && isContainerAddr(addr.Unmap()) || r.URL.Hostname() == "localhost"
			if r.URL.User != nil || r.URL.Scheme != "https" && (r.URL.Scheme != "http" || !clear) || relative != "" && r.URL.Host != "169.254.170.2" {
				t.Errorf("%q and %q lead to %s", relative, full, r.URL)
			}
			return nil, &net.DNSError{IsNotFound: true} // which is not tried again
		}}
		c := Container{HTTPClient: w.client(), Getenv: environ(relativeURIVariable, relative, fullURIVariable, full, tokenVariable, token)}
		c.lookupHost = func(_ context.Context, host string) ([]netip.Addr, error) {
			if host == "localhost" {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}, nil
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1")}, nil
		}
		_, err := c.AwsSecurityCredentials(t.Context(), SupplierContext{})
		if err == nil {
			t.Fatal("there are credentials, though nobody answered")
		}
		hidden := []string{"planted-token"}
		if u, err := url.Parse(full); err == nil && u.User != nil {
			password, _ := u.User.Password()
			hidden = append(hidden, password)
		}
		for _, never := range hidden {
			if len(never) > 6 && strings.Contains(err.Error(), never) {
				t.Errorf("%q is shown: %v", never, err)
			}
		}
	})
}

// A credential file's URLs lead to the metadata service, or nowhere.
func FuzzMetadataURLs(f *testing.F) {
	for _, u := range hostileURIs {
		f.Add(u, "", "")
		f.Add("", u, u)
	}
	f.Fuzz(func(t *testing.T, token, credentials, region string) {
		w := &wire{answer: func(r *http.Request) (*http.Response, error) {
			if host := r.URL.Hostname(); r.URL.Scheme != "http" || r.URL.User != nil || r.URL.Port() != "" && r.URL.Port() != "80" || netip.MustParseAddr(host) != netip.MustParseAddr("169.254.169.254") && netip.MustParseAddr(host) != netip.MustParseAddr("fd00:ec2::254") {
				t.Errorf("%q, %q and %q lead to %s", token, credentials, region, r.URL)
			}
			if r.Method == http.MethodPut {
				return respond(r, http.StatusOK, plantedSession), nil
			}
			return respond(r, http.StatusOK, "eu-west-1"), nil
		}}
		m := IMDS{TokenURL: token, CredentialsURL: credentials, RegionURL: region, HTTPClient: w.client(), Getenv: environ()}
		if _, err := m.AwsSecurityCredentials(t.Context(), SupplierContext{}); err == nil {
			t.Error("there are credentials, though nobody gave any")
		}
		if got, err := m.AwsRegion(t.Context(), SupplierContext{}); err == nil && got != "eu-west-1" {
			t.Errorf("the region is %q", got)
		}
	})
}
