package subjecttoken_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

const provider = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/oidc"

func ExampleFile() {
	path := filepath.Join(os.TempDir(), "wifmint-example-token")
	defer os.Remove(path)
	if err := os.WriteFile(path, []byte("header.claims.signature\n"), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	source := subjecttoken.File{Path: path} // /var/run/secrets/tokens/gcp, in Kubernetes
	token, err := source.SubjectToken(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Reveal())
	// Output: header.claims.signature
}

func ExampleURL() {
	azure := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata") != "True" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error": "invalid_request", "error_description": "Required metadata header not specified"}`)
			return
		}
		fmt.Fprint(w, `{"access_token": "header.claims.signature", "expires_in": "3599"}`)
	}))
	defer azure.Close()

	source := subjecttoken.URL{
		URL:     azure.URL + "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api%3A%2F%2Fgoogle",
		Headers: map[string]secret.Text{"Metadata": secret.New("True")},
		Format:  subjecttoken.Format{Type: "json", SubjectTokenFieldName: "access_token"},
	}
	token, err := source.SubjectToken(context.Background())
	fmt.Println(token.Reveal(), err)

	source.Headers = nil
	_, err = source.SubjectToken(context.Background())
	if e, ok := errors.AsType[*subjecttoken.Error](err); ok {
		fmt.Println(e.HTTPStatus, e.Code, e.Message, e.Retryable)
	}
	// Output:
	// header.claims.signature <nil>
	// 400 invalid_request Required metadata header not specified false
}

func ExampleFunc() {
	vault := map[string]string{"https:" + provider: "header.claims.signature"}
	source := subjecttoken.Func{
		Supply: func(_ context.Context, sc supplier.SupplierContext) (secret.Text, error) {
			token, known := vault["https:"+sc.Audience]
			if !known {
				return secret.Text{}, &subjecttoken.Error{Source: "vault", Reason: "no token for " + sc.Audience}
			}
			return secret.New(token), nil
		},
		Audience:         provider,
		SubjectTokenType: subjecttoken.JWTTokenType,
	}
	token, err := source.SubjectToken(context.Background())
	fmt.Println(token.Reveal(), err)
	// Output: header.claims.signature <nil>
}

func ExampleExecutable() {
	os.Setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
	defer os.Unsetenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES")
	source := &subjecttoken.Executable{
		Command:          "sh testdata/get-token.sh header.claims.signature",
		Timeout:          5 * time.Second,
		Audience:         provider,
		SubjectTokenType: subjecttoken.IDTokenType,
	}
	token, err := source.SubjectToken(context.Background())
	fmt.Println(token.Reveal(), err)

	other := &subjecttoken.Executable{Command: source.Command, Audience: "//elsewhere"}
	_, err = other.SubjectToken(context.Background())
	if e, ok := errors.AsType[*subjecttoken.Error](err); ok {
		fmt.Println(e.Code, "-", e.Message)
	}
	// Output:
	// header.claims.signature <nil>
	// unknown_audience - no token for //elsewhere
}

func ExampleCertificate() {
	directory, err := os.MkdirTemp("", "wifmint-example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(directory)
	source := &subjecttoken.Certificate{ConfigLocation: installCertificate(directory)}

	token, err := source.SubjectToken(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	var chain [][]byte // base64, in JSON
	if err := json.Unmarshal([]byte(token.Reveal()), &chain); err != nil {
		fmt.Println(err)
		return
	}
	leaf, err := x509.ParseCertificate(chain[0])
	fmt.Println(leaf.Subject, err)

	// The token is exchanged at https://sts.mtls.googleapis.com/v1/token, with
	client := &http.Client{Transport: source.Transport(nil)}
	_ = client
	// Output: CN=build.example <nil>
}

// installCertificate makes a certificate and its key, and the configuration
// that gcloud would write for them.
func installCertificate(directory string) (config string) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "build.example"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	certPath, keyPath, config := filepath.Join(directory, "cert.pem"), filepath.Join(directory, "key.pem"), filepath.Join(directory, "certificate_config.json")
	must(os.WriteFile(certPath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(os.WriteFile(keyPath, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	document, err := json.Marshal(map[string]any{"cert_configs": map[string]any{"workload": map[string]string{"cert_path": certPath, "key_path": keyPath}}})
	must(err)
	must(os.WriteFile(config, document, 0o600))
	return config
}

func ExampleAWSWebIdentity() {
	aws := fakecloud.New(fakecloud.Options{}) // stands for AWS
	aws.AddAWSKey(fakecloud.AWSKey{
		AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
		ARN: "arn:aws:sts::123456789012:assumed-role/minter/session",
	})
	lambda := map[string]string{
		"AWS_REGION":            "eu-west-1",
		"AWS_ACCESS_KEY_ID":     "ASIAIOSFODNN7EXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	}
	source := &subjecttoken.AWSWebIdentity{
		Supplier:   supplier.Environment{Getenv: func(name string) string { return lambda[name] }},
		Audience:   provider,
		HTTPClient: &http.Client{Transport: aws},
	}
	token, err := source.SubjectToken(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	var claims struct{ Sub, Aud string }
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token.Reveal(), ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	fmt.Println(claims.Sub, err)
	fmt.Println(claims.Aud)
	// Output:
	// arn:aws:iam::123456789012:role/minter <nil>
	// https://iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/oidc
}
