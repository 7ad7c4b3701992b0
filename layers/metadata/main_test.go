package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/wifmint/wifmint/internal/bootstraptest"
	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	// name is what the layer calls the extension.
	name = "wifmint-metadata"
	// functionVariable makes the test binary a function that uses the layer.
	functionVariable = "METADATA_TEST_FUNCTION"
	reports          = "reports@p.iam.gserviceaccount.com"
)

var role = fakecloud.AWSKey{
	AccessKeyID: "ASIAMETADATATEST0001", SecretAccessKey: "planted-secret-access-key", SessionToken: "planted-session-token",
	ARN: "arn:aws:sts::123456789012:assumed-role/reader/reader",
}

func TestMain(m *testing.M) {
	if os.Getenv(functionVariable) != "" {
		function()
		return
	}
	os.Exit(bootstraptest.Run(m))
}

// answers are what the function got, without a try more.
type answers struct{ Init, Now answer }

type answer struct {
	Status    int
	Token     string `json:"access_token"`
	ExpiresIn int    `json:"expires_in"`
}

func function() {
	atInit := ask()
	lambda.Start(func() (answers, error) { return answers{atInit, ask()}, nil })
}

// ask asks as Google's SDKs do. The status is 0 when nobody answers.
func ask() (a answer) {
	url := "http://" + os.Getenv("GCE_METADATA_HOST") + "/computeMetadata/v1/instance/service-accounts/default/token"
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Metadata-Flavor", "Google")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	_ = json.Unmarshal(body, &a) // an error has no token
	a.Status = resp.StatusCode
	return a
}

// extensionPath is the extension under the name that it has in the layer.
func extensionPath(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.Link(bootstraptest.Build(t, "./layers/metadata"), path); err != nil {
		t.Fatal(err)
	}
	return path
}

// world is a Secrets Manager on loopback, and a function with the layer. What the
// processes print is collected, and searched for secrets when the test ends.
type world struct {
	t        *testing.T
	cloud    *fakecloud.Cloud
	function lambdaapi.Function

	mu     sync.Mutex
	output strings.Builder
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, cloud: fakecloud.New(fakecloud.Options{})}
	w.cloud.AddAWSKey(role)
	server, err := w.cloud.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Close()
		w.nothingLeaked()
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	w.function = lambdaapi.Function{
		Bootstrap:  self,
		Extensions: []string{extensionPath(t)},
		Timeout:    20 * time.Second,
		Output:     w.collect,
		Env: map[string]string{
			functionVariable:                   "yes",
			"WIFMINT_SECRETS":                  "wifmint/reports",
			"WIFMINT_METADATA_ADDR":            address,
			"GCE_METADATA_HOST":                address,
			"AWS_ENDPOINT_URL_SECRETS_MANAGER": server.Endpoints().SecretsManager,
			"AWS_REGION":                       "us-east-1",
			"AWS_ACCESS_KEY_ID":                role.AccessKeyID,
			"AWS_SECRET_ACCESS_KEY":            role.SecretAccessKey,
			"AWS_SESSION_TOKEN":                role.SessionToken,
		},
	}
	return w
}

// freeAddress is one that nothing listens on, as yet.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (w *world) collect(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.output.WriteString(line + "\n")
}

func (w *world) collected() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.output.String()
}

func (w *world) nothingLeaked() {
	out := w.collected()
	for _, s := range []string{role.SecretAccessKey, role.SessionToken, "ya29.", "Signature="} {
		if strings.Contains(out, s) {
			w.t.Errorf("%q is in the output:\n%s", s, out)
		}
	}
}

// put stores an access token that lives for some time.
func (w *world) put(token string, life time.Duration) {
	w.t.Helper()
	now := time.Now()
	encoded, err := tokenstore.Token{
		Target: "reports", Kind: tokenstore.AccessToken, TokenType: "Bearer", Value: secret.New(token),
		Expiry: now.Add(life), MintedAt: now.Add(life - time.Hour),
		Principal: reports, Scopes: []string{"https://www.googleapis.com/auth/cloud-platform"}, ProjectID: "p", UniverseDomain: "googleapis.com",
	}.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	w.cloud.PutSecret("wifmint/reports", string(encoded))
}

func (w *world) start() *lambdaapi.Environment {
	w.t.Helper()
	e, err := lambdaapi.Start(w.t.Context(), w.function)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(e.Close)
	return e
}

func (w *world) invoke(e *lambdaapi.Environment) (got answers) {
	w.t.Helper()
	result, err := e.Invoke(w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if result.Error != nil {
		w.t.Fatal(result.Error)
	}
	if err := json.Unmarshal(result.Payload, &got); err != nil {
		w.t.Fatal(err)
	}
	return got
}
