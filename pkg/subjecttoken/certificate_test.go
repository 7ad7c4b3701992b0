package subjecttoken

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// identity is a certificate and its key.
type identity struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var issued atomic.Int64

// issue makes a certificate that issuer, or itself if that is nil, has signed.
func issue(t *testing.T, name string, issuer *identity, expires time.Time) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(issued.Add(1)),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    expires.Add(-24 * time.Hour), NotAfter: expires,
		IsCA: strings.HasSuffix(name, "CA"), BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &identity{cert, key}
}

func (i *identity) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw}))
}

func (i *identity) keyPEM(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func (i *identity) base64() string { return base64.StdEncoding.EncodeToString(i.cert.Raw) }

// installed is a workload's directory as gcloud and whoever issues
// certificates fill it.
type installed struct{ config, cert, key, chain string }

func install(t *testing.T, leaf *identity) installed {
	t.Helper()
	at := func(name string) string { return filepath.Join(t.TempDir(), name) }
	files := installed{at("certificate_config.json"), at("leaf.pem"), at("leaf.key"), at("chain.pem")}
	rewrite(t, files.config, certificateConfig(t, files.cert, files.key))
	files.renew(t, leaf)
	return files
}

func (i installed) renew(t *testing.T, leaf *identity) {
	t.Helper()
	rewrite(t, i.cert, leaf.pem())
	rewrite(t, i.key, leaf.keyPEM(t))
}

func certificateConfig(t *testing.T, cert, key string) string {
	t.Helper()
	content, err := json.Marshal(map[string]any{
		"version":      1,
		"cert_configs": map[string]any{"workload": map[string]string{"cert_path": cert, "key_path": key}},
		"libs":         map[string]string{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func nextYear() time.Time { return time.Now().Add(365 * 24 * time.Hour) }

func TestTheSubjectTokenIsTheChain(t *testing.T) {
	t.Parallel()
	root := issue(t, "root CA", nil, nextYear())
	intermediate := issue(t, "intermediate CA", root, nextYear())
	leaf := issue(t, "leaf", intermediate, nextYear())
	for name, tc := range map[string]struct {
		chain string // "none" means no path
		want  []*identity
		says  string
	}{
		"no chain":                   {"none", []*identity{leaf}, ""},
		"an empty chain":             {"", []*identity{leaf}, ""},
		"a chain without the leaf":   {intermediate.pem() + root.pem(), []*identity{leaf, intermediate, root}, ""},
		"a chain with the leaf":      {leaf.pem() + intermediate.pem(), []*identity{leaf, intermediate}, ""},
		"the leaf alone":             {leaf.pem(), []*identity{leaf}, ""},
		"comments, as openssl's":     {"subject=leaf\n" + intermediate.pem() + "\nsubject=root\n" + root.pem() + "\n", []*identity{leaf, intermediate, root}, ""},
		"line ends of Windows":       {strings.ReplaceAll(intermediate.pem(), "\n", "\r\n"), []*identity{leaf, intermediate}, ""},
		"the leaf after another":     {intermediate.pem() + leaf.pem(), nil, "has the leaf certificate, which may only be the first, after others"},
		"the leaf twice":             {leaf.pem() + leaf.pem(), nil, "has the leaf certificate"},
		"a key among them":           {intermediate.pem() + leaf.keyPEM(t), nil, "has a PEM block (number 2) that is no certificate"},
		"no certificate in a block":  {strings.Replace(leaf.keyPEM(t), "PRIVATE KEY", "CERTIFICATE", 2), nil, "has a PEM block (number 1) that is no certificate that can be read"},
		"a block that is cut off":    {intermediate.pem() + root.pem()[:200], nil, "has a PEM block that is malformed or cut off"},
		"a block with broken base64": {strings.Replace(intermediate.pem(), "\nMI", "\n!!", 1) + root.pem(), nil, "has a PEM block that is malformed or cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := install(t, leaf)
			source := &Certificate{ConfigLocation: files.config}
			if tc.chain != "none" {
				source.TrustChainPath = files.chain
				rewrite(t, files.chain, tc.chain)
			}
			token, err := source.SubjectToken(t.Context())
			if tc.says != "" {
				wantError(t, err, "certificate", files.chain+" "+tc.says)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			if err := json.Unmarshal([]byte(token.Reveal()), &got); err != nil {
				t.Fatal(err)
			}
			for _, i := range tc.want {
				want = append(want, i.base64())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("chain (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCertificatesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	leaf, other := issue(t, "leaf", nil, nextYear()), issue(t, "other", nil, nextYear())
	old := issue(t, "old", nil, time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC))
	encrypted := "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"
	for name, tc := range map[string]struct {
		change func(*testing.T, *Certificate, installed)
		says   string
	}{
		"no configuration":        {func(_ *testing.T, c *Certificate, _ installed) { c.ConfigLocation = "" }, "no certificate configuration is named; set credential_source.certificate"},
		"two configurations":      {func(_ *testing.T, c *Certificate, _ installed) { c.UseDefaultConfig = true }, "two certificate configurations are named"},
		"a missing configuration": {func(t *testing.T, _ *Certificate, f installed) { os.Remove(f.config) }, "reading the certificate configuration that credential_source.certificate.certificate_config_location names: "},
		"no default configuration": {func(t *testing.T, c *Certificate, _ installed) {
			c.ConfigLocation, c.UseDefaultConfig = "", true
			c.Getenv = func(string) string { return t.TempDir() }
		}, "where it is elsewhere, tell by GOOGLE_API_CERTIFICATE_CONFIG or by"},
		"a broken configuration": {func(t *testing.T, _ *Certificate, f installed) { rewrite(t, f.config, "{") }, "certificate_config.json is not one JSON object"},
		"a missing certificate":  {func(t *testing.T, _ *Certificate, f installed) { os.Remove(f.cert) }, "cert_configs.workload.cert_path"},
		"a missing key":          {func(t *testing.T, _ *Certificate, f installed) { os.Remove(f.key) }, "cert_configs.workload.key_path"},
		"a missing chain":        {func(t *testing.T, c *Certificate, f installed) { c.TrustChainPath = f.chain }, "credential_source.certificate.trust_chain_path"},
		"no certificate":         {func(t *testing.T, _ *Certificate, f installed) { rewrite(t, f.cert, planted) }, "are no PEM certificate and its unencrypted PEM key"},
		"no key":                 {func(t *testing.T, _ *Certificate, f installed) { rewrite(t, f.key, planted) }, "are no PEM certificate and its unencrypted PEM key"},
		"an encrypted key":       {func(t *testing.T, _ *Certificate, f installed) { rewrite(t, f.key, encrypted) }, "unencrypted PEM key"},
		"another's key":          {func(t *testing.T, _ *Certificate, f installed) { rewrite(t, f.key, other.keyPEM(t)) }, "private key does not match public key"},
		"an expired certificate": {func(t *testing.T, _ *Certificate, f installed) { f.renew(t, old) }, "expired at 2024-01-02T03:04:05Z; whoever issues it has to renew it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := install(t, leaf)
			source := &Certificate{ConfigLocation: files.config}
			tc.change(t, source, files)
			token, err := source.SubjectToken(t.Context())
			if e := wantError(t, err, "certificate", tc.says); !token.IsZero() || e.Retryable {
				t.Errorf("a token: %v, %+v", !token.IsZero(), e)
			}
			if name == "a missing chain" { // which no connection needs
				return
			}
			_, err = (&http.Client{Transport: source.Transport(nil)}).Post("https://127.0.0.1:9/", "", strings.NewReader("x"))
			if !errors.As(err, new(*Error)) {
				t.Errorf("the transport fails with %v", err)
			}
		})
	}
}

// google is a server that speaks TLS and asks for a certificate. It answers
// with the name on it.
func google(t *testing.T, clientCA *identity, http2 bool) (server *httptest.Server, base *http.Transport) {
	t.Helper()
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if (r.ProtoMajor == 2) != http2 {
			t.Errorf("protocol %s", r.Proto)
		}
		io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	server.EnableHTTP2 = http2
	// A certificate is asked for without telling of whom.
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
		leaf, err := x509.ParseCertificate(raw[0])
		if err == nil {
			err = leaf.CheckSignatureFrom(clientCA.cert)
		}
		return err
	}}
	server.StartTLS()
	t.Cleanup(server.Close)
	base = http.DefaultTransport.(*http.Transport).Clone()
	base.Proxy = nil
	base.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
	base.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	return server, base
}

func TestTheTransportPresentsTheCertificateOfTheLastToken(t *testing.T) {
	t.Parallel()
	ca := issue(t, "CA", nil, nextYear())
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, base := google(t, ca, http2)
			files := install(t, issue(t, "first", ca, nextYear()))
			source := &Certificate{ConfigLocation: files.config}
			client := &http.Client{Transport: source.Transport(base)}
			defer client.CloseIdleConnections()
			wantPeer := func(when, want string) {
				t.Helper()
				resp, err := client.Get(server.URL)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if got, err := io.ReadAll(resp.Body); err != nil || string(got) != want {
					t.Errorf("%s: Google sees %q, %v; want %q", when, got, err, want)
				}
			}
			getToken := func() {
				t.Helper()
				if _, err := source.SubjectToken(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			wantPeer("before the first token", "first")
			getToken()
			wantPeer("after a token", "first")
			files.renew(t, issue(t, "second", ca, nextYear()))
			wantPeer("after a renewal and before a token", "first")
			getToken()
			wantPeer("after a token of the renewed one", "second")
			getToken()
			wantPeer("after another token", "second")

			files.renew(t, issue(t, "third", ca, nextYear().Add(2*365*24*time.Hour)))
			source.Now = func() time.Time { return nextYear().Add(time.Hour) }
			wantPeer("after the certificate has expired", "third")
		})
	}
}

func TestConnectionsAreKeptWhileTheCertificateIsTheSame(t *testing.T) {
	t.Parallel()
	files := install(t, issue(t, "leaf", nil, nextYear()))
	source := &Certificate{ConfigLocation: files.config}
	transport := source.Transport(nil).(*certificateTransport)
	inner := func() *http.Transport {
		t.Helper()
		if _, err := source.SubjectToken(t.Context()); err != nil {
			t.Fatal(err)
		}
		pair, err := source.present()
		if err != nil {
			t.Fatal(err)
		}
		return transport.with(pair)
	}
	first := inner()
	if inner() != first {
		t.Error("another token of the same certificate closes connections")
	}
	if files.renew(t, issue(t, "new", nil, nextYear())); inner() == first {
		t.Error("a new certificate goes over the old one's connections")
	}
}

// A resumed session would show the certificate that it was made with.
func TestNoSessionOutlivesItsCertificate(t *testing.T) {
	t.Parallel()
	ca := issue(t, "CA", nil, nextYear())
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, base := google(t, ca, http2)
			base.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(8)
			files := install(t, issue(t, "first", ca, nextYear()))
			source := &Certificate{ConfigLocation: files.config}
			another := &Certificate{ConfigLocation: install(t, issue(t, "another", ca, nextYear())).config}
			presents := func(c *Certificate, want string) {
				t.Helper()
				if _, err := c.SubjectToken(t.Context()); err != nil {
					t.Fatal(err)
				}
				client := &http.Client{Transport: c.Transport(base)} // a new one, with connections of its own
				resp, err := client.Get(server.URL)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if got, err := io.ReadAll(resp.Body); err != nil || string(got) != want {
					t.Errorf("Google sees %q, %v; want %q", got, err, want)
				}
			}
			presents(source, "first")
			presents(another, "another")
			files.renew(t, issue(t, "second", ca, nextYear()))
			presents(source, "second")
		})
	}
}

func TestTheCallersTransportIsLeftAlone(t *testing.T) {
	t.Parallel()
	ca := issue(t, "CA", nil, nextYear())
	server, base := google(t, ca, true)
	source := &Certificate{ConfigLocation: install(t, issue(t, "leaf", ca, nextYear())).config}
	resp, err := (&http.Client{Transport: source.Transport(base)}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if base.TLSClientConfig.GetClientCertificate != nil || len(base.TLSClientConfig.Certificates) != 0 {
		t.Error("the base transport has the certificate")
	}
}

func TestCertificateIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	ca := issue(t, "CA", nil, nextYear())
	server, base := google(t, ca, false)
	files := install(t, issue(t, "leaf", ca, nextYear()))
	source := &Certificate{ConfigLocation: files.config}
	client := &http.Client{Transport: source.Transport(base)}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := source.SubjectToken(t.Context()); err != nil {
				t.Error(err)
			}
			resp, err := client.Get(server.URL)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	all.Wait()
}
