package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

const (
	scriptPool  = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/"
	scriptToken = "planted.oidc.token"
	scriptKey   = "planted-key"
)

// trustOthers has a script's Google trust what is not AWS:
//
//   - provider oidc: scriptToken, which $ISSUER_URL tells to whoever sends scriptKey as X-Key;
//   - at $MTLS_URL, an STS of its own: the certificate of $WORK/identity/certificate_config.json;
//   - ada and bob, who have logged in at $OAUTH_URL; ada's refresh tokens rotate.
func trustOthers(env *testscript.Env, cloud *fakecloud.Cloud, at fakecloud.Endpoints) error {
	cloud.AddProvider(fakecloud.Provider{Audience: scriptPool + "oidc", Kind: fakecloud.OIDCProvider, Verify: func(token string) (string, error) {
		if token != scriptToken {
			return "", errors.New("another token")
		}
		return "robot", nil
	}})
	issuer, mtls := httptest.NewServer(http.HandlerFunc(issue)), httptest.NewServer(http.HandlerFunc(exchangeCertificate))
	env.Defer(issuer.Close)
	env.Defer(mtls.Close)
	env.Setenv("ISSUER_URL", issuer.URL)
	env.Setenv("MTLS_URL", mtls.URL)
	env.Setenv("OAUTH_URL", at.OAuthTokenURL)
	for name, rotate := range map[string]bool{"ada": true, "bob": false} {
		cloud.AddWorkforceUser(fakecloud.WorkforceUser{
			Pool: "staff", Subject: name, RefreshToken: "1//planted-" + name, ClientID: "client", ClientSecret: "planted-client", Rotate: rotate,
		})
	}
	return makeCertificate(filepath.Join(env.WorkDir, "identity"))
}

func issue(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Key") != scriptKey {
		w.WriteHeader(http.StatusForbidden)
	}
	fmt.Fprintf(w, `{"id_token": %q}`, scriptToken)
}

// exchangeCertificate takes one certificate, of a machine.
func exchangeCertificate(w http.ResponseWriter, r *http.Request) {
	var chain [][]byte // of base64, in JSON
	err := json.Unmarshal([]byte(r.PostFormValue("subject_token")), &chain)
	if err != nil || len(chain) != 1 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if leaf, err := x509.ParseCertificate(chain[0]); err != nil || leaf.Subject.CommonName != "machine" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	fmt.Fprint(w, `{"access_token": "ya29.of-a-certificate", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer", "expires_in": 3600}`)
}

// makeCertificate makes a certificate, its key and the configuration that names them.
func makeCertificate(directory string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "machine"}, NotAfter: time.Now().Add(time.Hour)}
	leaf, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(directory, name) }
	config := fmt.Sprintf(`{"cert_configs": {"workload": {"cert_path": %q, "key_path": %q}}}`, in("leaf.pem"), in("key.pem"))
	return errors.Join(
		os.Mkdir(directory, 0o700),
		os.WriteFile(in("leaf.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf}), 0o600),
		os.WriteFile(in("key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
		os.WriteFile(in("certificate_config.json"), []byte(config), 0o600),
	)
}
