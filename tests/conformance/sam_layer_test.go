package conformance_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/wifmint/wifmint/internal/lambdaapi"
)

// readersTemplate has consumers on the one runtime that the image has: one reads
// its token from the metadata layer, as built from template.yaml, the other is
// examples/go. That of examples/ cannot be run like this: it finds the layer in an
// SSM parameter, SAM overrides only variables that a template declares, and Python
// and Node are in AWS's images.
const readersTemplate = `
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: provided.al2023, Handler: bootstrap, Architectures: [%[1]s], Timeout: 30, Environment: {Variables: %[2]s}}}
Resources:
  Layer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: %[3]s}}
  Reader: {Type: AWS::Serverless::Function, Properties: {CodeUri: %[4]s, Layers: [!Ref Layer]}}
  GoExample: {Type: AWS::Serverless::Function, Properties: {CodeUri: %[5]s}}
`

func TestTheLayerAndTheGoExampleReadTokensInSAMsContainers(t *testing.T) {
	needImages(t)
	w := newWorld(t, dockerHost(t))
	w.run("rotator")
	_, token := w.stored("wifmint/reports")

	built := map[string]string{}
	for name, pkg := range map[string]string{"Reader": "./tests/conformance/testdata/reader", "GoExample": "./examples/go"} {
		bootstrap, err := lambdaapi.Build(t.Context(), root, pkg, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		built[name] = filepath.Dir(bootstrap)
	}
	variables := maps.Clone(w.functions)
	maps.Copy(variables, map[string]string{
		"WIFMINT_SECRETS": "wifmint/reports", "GCE_METADATA_HOST": "127.0.0.1:2774",
		"API_ENDPOINT_OVERRIDE": serveBucket(t, dockerHost(t), token.Value.Reveal(), built["GoExample"]), "SSL_CERT_FILE": "/var/task/ca.pem",
	})
	template := filepath.Join(t.TempDir(), "template.yaml")
	text := fmt.Sprintf(readersTemplate, architecture(), mustJSON(t, variables), filepath.Join(samBuild(t, architecture()), "MetadataLayer"), built["Reader"], built["GoExample"])
	if err := os.WriteFile(template, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	var answer struct {
		AccessToken string  `json:"access_token"`
		ExpiresIn   float64 `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(w.read(template, "Reader", `{}`)), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.AccessToken != token.Value.Reveal() || answer.ExpiresIn < 3000 {
		t.Errorf("the layer serves another token than the stored one, or for %v s", answer.ExpiresIn)
	}
	if got := w.read(template, "GoExample", `{"bucket": "bucket"}`); got != `["an-object"]` {
		t.Errorf("the example finds %s", got)
	}
}

// read invokes a consumer.
func (w *world) read(template, function, event string) string {
	w.t.Helper()
	args := []string{"local", "invoke", function, "--template", template, "--event", "-", "--add-host", "example.com:" + dockerHost(w.t)}
	if !pulling() {
		args = append(args, "--invoke-image", lambdaImage, "--skip-pull-image")
	}
	p := sam(w.t, filepath.Dir(template), args...)
	maps.Copy(p.env, w.callers)
	p.stdin = event
	return lastLine(p.mustOutput(w.t))
}

// serveBucket serves a Cloud Storage that lets one token in, as https://example.com,
// and writes its certificate for the functions in dir to find.
func serveBucket(t *testing.T, host, token, dir string) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token || r.URL.Path != "/storage/v1/b/bucket/o" {
			rw.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(rw, `{"items": [{"name": "an-object"}]}`)
	}))
	_ = server.Listener.Close() // the one on loopback, which no container reaches
	server.Listener = listener
	server.StartTLS()
	t.Cleanup(server.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return "https://example.com:" + port
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
