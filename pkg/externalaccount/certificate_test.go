package externalaccount

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// workload makes a certificate that a workload was issued, and the
// configuration that names its files.
func workload(t *testing.T) (config string, der []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "workload"}, NotAfter: time.Now().Add(time.Hour)}
	der, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPath := writeFile(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o600)
	keyPath := writeFile(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), 0o600)
	return writeFile(t, "config.json", fmt.Sprintf(`{"cert_configs": {"workload": {"cert_path": %q, "key_path": %q}}}`, certPath, keyPath), 0o600), der
}

func TestACertificateIsPresentedToSTSAndIAM(t *testing.T) {
	t.Parallel()
	config, leaf := workload(t)
	presented := map[string]int{}
	google := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 1 && bytes.Equal(r.TLS.PeerCertificates[0].Raw, leaf) {
			presented[r.URL.Path]++
		}
		switch {
		case r.URL.Path != "/v1/token":
			fmt.Fprintf(w, `{"accessToken": "ya29.account", "expireTime": %q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		case r.FormValue("subject_token") != `["`+base64.StdEncoding.EncodeToString(leaf)+`"]` || !strings.Contains(r.Header.Get("X-Goog-Api-Client"), " source/x509 "):
			w.WriteHeader(http.StatusBadRequest)
		default:
			_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "ya29.d", "token_type": "Bearer", "expires_in": 3600,
				"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})
		}
	}))
	google.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	google.StartTLS()
	t.Cleanup(google.Close)

	account := "/v1/projects/-/serviceAccounts/" + reports + ":generateAccessToken"
	f, err := ParseFile(change(t, and(from(`{"certificate": {"certificate_config_location": "`+config+`"}}`, mtls),
		"token_url", `"`+google.URL+`/v1/token"`, "service_account_impersonation_url", `"`+google.URL+account+`"`)), FileOptions{AllowAnyEndpoint: true})
	if err != nil {
		t.Fatal(err)
	}
	base := google.Client().Transport.(*http.Transport)
	token, err := New(f, Options{AllowAnyEndpoint: true, HTTPClient: &http.Client{Transport: base}}).Token(t.Context(), []string{bigquery})
	if err != nil {
		t.Fatal(err)
	}
	if token.Value.Reveal() != "ya29.account" || presented["/v1/token"] != 1 || presented[account] != 1 {
		t.Errorf("%v, presented %v", token, presented)
	}
	federated := *f
	federated.ServiceAccountImpersonationURL = ""
	outer := ImpersonatedFile{ServiceAccountImpersonationURL: google.URL + account, Source: &federated}
	c, err := NewImpersonated(&outer, Options{AllowAnyEndpoint: true, HTTPClient: &http.Client{Transport: base}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Token(t.Context(), []string{bigquery}); err != nil || presented["/v1/token"] != 2 || presented[account] != 2 {
		t.Errorf("from a federated source: presented %v, %v", presented, err)
	}
	if base.TLSClientConfig.GetClientCertificate != nil {
		t.Error("the caller's transport was changed")
	}
}
