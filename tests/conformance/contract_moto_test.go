package conformance_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// startMoto runs a moto server of this test's own at an address of this machine's,
// and returns its URL.
func startMoto(t *testing.T, host string, env map[string]string) string {
	t.Helper()
	return tool{path: venvProgram(t, "sam", "moto_server"), args: []string{"-H", host, "-p", "0"}, env: env}.serve(t)
}

// askMoto posts to moto's own API, such as /moto-api/reset.
func askMoto(t *testing.T, base, path, body string) {
	t.Helper()
	askService(t, base, "moto-api", path, "application/json", body)
}

// motoAdmin signs for moto while it lets everyone in.
var motoAdmin = aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "not-a-secret"}

// askIAM makes a call of IAM's, with its parameters in turn, and returns the answer.
func askIAM(t *testing.T, base, action string, parameters ...string) string {
	t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2010-05-08"}}
	for i := 0; i+1 < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	return askService(t, base, "iam", "/", "application/x-www-form-urlencoded", form.Encode())
}

// askService posts to a service of moto's as motoAdmin and returns the answer.
func askService(t *testing.T, base, service, path, contentType, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), motoAdmin, r, hex.EncodeToString(sum[:]), service, "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode/100 != 2 {
		t.Fatalf("%s: %s %v\n%s", service, answer.Status, err, text)
	}
	return string(text)
}

// between is what stands between two texts for the first time.
func between(s, before, after string) string {
	_, rest, _ := strings.Cut(s, before)
	found, _, _ := strings.Cut(rest, after)
	return found
}
