// Package sdks_test has Google's own SDKs, as they are released, find credentials
// at the metadata server, and call a Google API and a service with them. All that
// they are told is GCE_METADATA_HOST. The examples are run the same way.
package sdks_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/bootstraptest"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

const (
	root     = "../.."
	region   = "eu-west-1"
	project  = "demo-project"
	audience = "https://api.example.run.app"

	reports   = "wifmint/reports"
	api       = "wifmint/api"
	federated = "wifmint/federated"

	reader = "reports@" + project + ".iam.gserviceaccount.com"
	caller = "caller@" + project + ".iam.gserviceaccount.com"
	pool   = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/aws/providers/lambda"
)

var role = fakecloud.AWSKey{
	AccessKeyID: "ASIASDKSTEST00000001", SecretAccessKey: "planted-secret-access-key", SessionToken: "planted-session-token",
	ARN: "arn:aws:sts::123456789012:assumed-role/reader/reader",
}

// world is Google, an AWS account whose secrets hold tokens, and a metadata
// server over some of the secrets.
type world struct {
	t        *testing.T
	google   *fakeGoogle
	cloud    *fakecloud.Cloud
	aws      map[string]string // the environment of a program that runs in AWS
	metadata string            // the server's address
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, google: newGoogle(t), cloud: fakecloud.New(fakecloud.Options{Region: region})}
	w.cloud.AddAWSKey(role)
	server, err := w.cloud.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	w.aws = map[string]string{
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": server.Endpoints().SecretsManager,
		"AWS_REGION":                       region,
		"AWS_ACCESS_KEY_ID":                role.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":            role.SecretAccessKey,
		"AWS_SESSION_TOKEN":                role.SessionToken,
	}
	return w
}

// serve starts the metadata server.
func (w *world) serve(secrets ...string) {
	w.t.Helper()
	arguments := []string{"metadata", "--listen", "127.0.0.1:0"}
	for _, s := range secrets {
		arguments = append(arguments, "--secret", s)
	}
	cmd := exec.CommandContext(w.t.Context(), wifmint(w.t), arguments...)
	cmd.Env = environ(w.aws)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	stderr, err := cmd.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	var output strings.Builder
	listening, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			output.WriteString(lines.Text() + "\n")
			if address, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				listening <- address
			}
		}
	}()
	w.t.Cleanup(func() {
		<-ended
		_ = cmd.Wait() // it was told to stop
		nothingLeaked(w.t, output.String())
	})
	select {
	case w.metadata = <-listening:
	case <-ended:
		w.t.Fatalf("the metadata server has ended:\n%s", &output)
	}
}

func environ(variables map[string]string) (list []string) {
	for name, value := range variables {
		list = append(list, name+"="+value)
	}
	return list
}

// token is a stored token, as the contract has it.
type token struct {
	Version     int       `json:"version"`
	Target      string    `json:"target"`
	Kind        string    `json:"kind"`
	TokenType   string    `json:"token_type"`
	AccessToken string    `json:"access_token,omitempty"`
	IDToken     string    `json:"id_token,omitempty"`
	Expiry      time.Time `json:"expiry"`
	MintedAt    time.Time `json:"minted_at"`
	Principal   string    `json:"principal"`
	Scopes      []string  `json:"scopes,omitempty"`
	Audience    string    `json:"audience,omitempty"`
	ProjectID   string    `json:"project_id"`
	Universe    string    `json:"universe_domain"`
}

// store puts an access token into a secret, of the kind that the secret is for.
func (w *world) store(secret, value string, life time.Duration) {
	w.t.Helper()
	t := token{Kind: "access_token", Principal: reader, ProjectID: project}
	if secret == federated {
		t = token{Kind: "federated", Principal: pool}
	}
	t.AccessToken, t.Scopes = value, []string{"https://www.googleapis.com/auth/cloud-platform"}
	w.put(secret, t, life)
}

// storeIDToken puts an ID token into a secret and returns it.
func (w *world) storeIDToken(secret string, life time.Duration) string {
	w.t.Helper()
	segment := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"iss": "https://accounts.google.com", "aud": %q, "sub": "1234567890", "email": %q, "iat": %d, "exp": %d}`,
		audience, caller, time.Now().Unix(), time.Now().Add(life).Unix())
	jwt := segment([]byte(`{"alg": "RS256", "typ": "JWT"}`)) + "." + segment([]byte(claims)) + "." + segment([]byte("a signature"))
	w.put(secret, token{Kind: "id_token", IDToken: jwt, Audience: audience, Principal: caller, ProjectID: project}, life)
	return jwt
}

func (w *world) put(secret string, t token, life time.Duration) {
	w.t.Helper()
	t.Version, t.Target, t.TokenType, t.Universe = 1, filepath.Base(secret), "Bearer", "googleapis.com"
	t.Expiry = time.Now().Add(life).UTC().Truncate(time.Second)
	t.MintedAt = t.Expiry.Add(-time.Hour)
	document, err := json.Marshal(t)
	if err != nil {
		w.t.Fatal(err)
	}
	w.cloud.PutSecret(secret, string(document))
}

func nothingLeaked(t *testing.T, output string) {
	t.Helper()
	for _, s := range []string{"ya29.", "eyJ", "planted-"} {
		if strings.Contains(output, s) {
			t.Errorf("%q is in the output:\n%s", s, output)
		}
	}
}

// built is where the programs of this module are put, each built once.
var built struct {
	sync.Mutex
	dir string
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wifmint-sdks-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built.dir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func wifmint(t *testing.T) string {
	t.Helper()
	visitSources(t)
	path, err := build(t.Context(), root, "./cmd/wifmint")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// build builds the program pkg of the module in dir, unless it has, without
// downloading anything.
func build(ctx context.Context, dir, pkg string) (string, error) {
	built.Lock()
	defer built.Unlock()
	path := filepath.Join(built.dir, filepath.Base(dir)+"-"+filepath.Base(pkg))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// visitSources looks at what the programs are built from.
func visitSources(t *testing.T) {
	t.Helper()
	bootstraptest.Visit(t, "go.mod", "go.sum", "cmd", "examples/go", "examples/python", "examples/node/index.mjs", "internal", "pkg", "tests/sdks/go")
}
