package subjecttoken

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
)

// Certificate proves an identity with an X.509 certificate: the subject token
// is the certificate and its chain, as a JSON array of base64 DER, and the
// connection that carries it to Google's STS is made with the certificate and
// its key ([Certificate.Transport]), at https://sts.mtls.googleapis.com/v1/token.
// The subject token type is [MTLSTokenType].
//
// Which files they are is told by the certificate configuration that gcloud
// writes. All files are read anew for every token.
//
// Use a pointer, and change no field after the first call.
type Certificate struct {
	// ConfigLocation is the certificate configuration's path. Either it or
	// UseDefaultConfig is set.
	ConfigLocation string
	// UseDefaultConfig takes the configuration that GOOGLE_API_CERTIFICATE_CONFIG
	// names, else certificate_config.json in gcloud's own directory:
	// CLOUDSDK_CONFIG, else ~/.config/gcloud, on Windows %APPDATA%\gcloud.
	UseDefaultConfig bool
	// TrustChainPath is a PEM file of the certificates between the leaf and what
	// Google was told to trust, in that order; empty means none. The leaf itself
	// may stand first in it, and nowhere else.
	TrustChainPath string
	// Getenv looks up the environment; nil means os.Getenv.
	Getenv func(string) string
	// Now is the clock that the certificate's expiry is compared with; nil means time.Now.
	Now func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
}

var _ Source = (*Certificate)(nil)

// SubjectToken fails with an *Error if a file is missing, malformed or longer
// than 1 MiB, if the key is not the certificate's, or if that has expired.
// None of that is retryable.
func (c *Certificate) SubjectToken(context.Context) (secret.Text, error) {
	pair, err := c.load()
	if err != nil {
		return secret.Text{}, err
	}
	chain, err := c.chain(pair.Leaf.Raw)
	if err != nil {
		return secret.Text{}, err
	}
	encoded := make([]string, len(chain))
	for i, der := range chain {
		encoded[i] = base64.StdEncoding.EncodeToString(der)
	}
	token, err := json.Marshal(encoded)
	if err != nil {
		return secret.Text{}, certificateError("encoding the certificates", err)
	}
	c.use(pair)
	return secret.New(string(token)), nil
}

// Transport returns a transport for the calls to Google's mTLS endpoints. It
// presents the certificate of the last subject token, also when the files have
// changed since: Google compares the two, and may have bound the token that it
// gave for one to the certificate. Only when that has expired, or before the
// first subject token, the files are read. Connections are not reused across
// certificates, and TLS sessions are not resumed.
//
// The other settings, such as trusted roots and a proxy, are those of base;
// nil means http.DefaultTransport's.
func (c *Certificate) Transport(base *http.Transport) http.RoundTripper {
	if base == nil {
		standard, ok := http.DefaultTransport.(*http.Transport)
		if !ok { // whoever replaced it knows no client certificates
			standard = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
		}
		base = standard
	}
	return &certificateTransport{source: c, base: base}
}

type certificateTransport struct {
	source *Certificate
	base   *http.Transport

	mu    sync.Mutex
	inner *http.Transport
	pair  *tls.Certificate // inner's
}

func (t *certificateTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	pair, err := t.source.present()
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	return t.with(pair).RoundTrip(r)
}

// with returns the transport that presents pair.
func (t *certificateTransport) with(pair *tls.Certificate) *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pair == pair {
		return t.inner
	}
	if t.inner != nil {
		t.inner.CloseIdleConnections()
	}
	t.inner, t.pair = t.base.Clone(), pair
	if t.inner.TLSClientConfig == nil {
		t.inner.TLSClientConfig = &tls.Config{}
	}
	// A session that base has, or another of its clones, is that of another
	// certificate, or of none, and stays so when it is resumed.
	t.inner.TLSClientConfig.ClientSessionCache = nil
	// Not Certificates: of those none is sent if the server's list of known
	// authorities lacks the issuer, and Google's lists none of its customers'.
	t.inner.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	return t.inner
}

// present returns the certificate to make a connection with.
func (c *Certificate) present() (*tls.Certificate, error) {
	c.mu.Lock()
	current := c.current
	c.mu.Unlock()
	if current != nil && c.now().Before(current.Leaf.NotAfter) {
		return current, nil
	}
	pair, err := c.load()
	if err != nil {
		return nil, err
	}
	return c.use(pair), nil
}

// use makes pair the certificate that is presented. If it is the one already,
// that stays, and its connections with it.
func (c *Certificate) use(pair *tls.Certificate) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil || !slices.EqualFunc(c.current.Certificate, pair.Certificate, bytes.Equal) {
		c.current = pair
	}
	return c.current
}

// load reads the certificate and its key.
func (c *Certificate) load() (*tls.Certificate, error) {
	files, err := c.files()
	if err != nil {
		return nil, err
	}
	certificate, err := readFile(files.CertPath)
	if err != nil {
		return nil, certificateError("reading cert_configs.workload.cert_path of the certificate configuration", err)
	}
	key, err := readFile(files.KeyPath)
	if err != nil {
		return nil, certificateError("reading cert_configs.workload.key_path of the certificate configuration", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	switch {
	case err != nil:
		return nil, certificateError(fmt.Sprintf("%s and %s are no PEM certificate and its unencrypted PEM key", files.CertPath, files.KeyPath), err)
	case !c.now().Before(pair.Leaf.NotAfter):
		return nil, certificateError(fmt.Sprintf("the certificate in %s expired at %s; whoever issues it has to renew it",
			files.CertPath, pair.Leaf.NotAfter.UTC().Format(time.RFC3339)), nil)
	}
	return &pair, nil
}

// chain is the leaf and what the trust chain adds to it, in DER.
func (c *Certificate) chain(leaf []byte) ([][]byte, error) {
	chain := [][]byte{leaf}
	if c.TrustChainPath == "" {
		return chain, nil
	}
	content, err := readFile(c.TrustChainPath)
	if err != nil {
		return nil, certificateError("reading credential_source.certificate.trust_chain_path", err)
	}
	more, flaw := readCertificates(content)
	for i, der := range more {
		switch {
		case !bytes.Equal(der, leaf):
			chain = append(chain, der)
		case i > 0:
			flaw = "has the leaf certificate, which may only be the first, after others"
		}
	}
	if flaw != "" {
		return nil, certificateError(c.TrustChainPath+" "+flaw, nil)
	}
	return chain, nil
}

// readCertificates reads a PEM file of nothing but certificates, as DER. Text
// between them is passed over, as openssl writes it. If something is wrong, flaw
// is what to say of the file.
func readCertificates(content []byte) (certificates [][]byte, flaw string) {
	begun := bytes.Count(content, []byte("-----BEGIN "))
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if flaw := certificateFlaw(block); flaw != "" {
			return nil, fmt.Sprintf("has a PEM block (number %d) that is %s", len(certificates)+1, flaw)
		}
		certificates = append(certificates, block.Bytes)
	}
	// pem.Decode passes over what it cannot read.
	if len(certificates) != begun {
		return nil, "has a PEM block that is malformed or cut off"
	}
	return certificates, ""
}

func certificateError(reason string, err error) *Error {
	return &Error{Source: sourceCertificate, Reason: reason, Err: err}
}

func (c *Certificate) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}
