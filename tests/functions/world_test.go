// Package functions_test runs the real bootstraps, as SAM builds them, against
// the fake clouds.
package functions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	root           = "../.."
	region         = "eu-west-1"
	audience       = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/aws/providers/lambda"
	plantedKey     = "planted-secret-access-key"
	plantedSession = "planted-session-token"
)

var role = fakecloud.AWSKey{
	AccessKeyID: "ASIAFUNCTIONSTEST001", SecretAccessKey: plantedKey, SessionToken: plantedSession,
	ARN: "arn:aws:sts::123456789012:assumed-role/wifmint/wifmint",
}

// bootstraps are built once for all tests.
var bootstraps struct {
	sync.Mutex
	dir   string
	paths map[string]string
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wifmint-functions-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bootstraps.dir, bootstraps.paths = dir, map[string]string{}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func bootstrap(t *testing.T, function string) string {
	t.Helper()
	bootstraps.Lock()
	defer bootstraps.Unlock()
	if bootstraps.paths[function] == "" {
		visitSources(t)
		path, err := lambdaapi.Build(t.Context(), root, "./functions/"+function, filepath.Join(bootstraps.dir, function))
		if err != nil {
			t.Fatal(err)
		}
		bootstraps.paths[function] = path
	}
	return bootstraps.paths[function]
}

// visitSources reads the folders that functions are built from. Go takes a test's
// result from its cache unless something changed that the test itself looked at,
// and what go build looked at does not count. A folder changes with its files.
func visitSources(t *testing.T) {
	t.Helper()
	for _, name := range []string{"go.mod", "go.sum", "functions", "internal", "pkg"} {
		err := filepath.WalkDir(filepath.Join(root, name), func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil {
			t.Fatal(err)
		}
	}
}

// world is a fake cloud on loopback and the functions that run in it. What they
// write and answer is collected, and searched for secrets when the test ends.
type world struct {
	t      *testing.T
	cloud  *fakecloud.Cloud
	server *fakecloud.Server
	env    map[string]string

	mu     sync.Mutex
	output strings.Builder
}

// newWorld makes a cloud whose Google trusts the role. targets is the JSON of the
// config document's targets.
func newWorld(t *testing.T, targets string) *world {
	t.Helper()
	w := &world{t: t, cloud: fakecloud.New(fakecloud.Options{Region: region})}
	w.cloud.AddAWSKey(role)
	w.cloud.AddProvider(fakecloud.Provider{Audience: audience, AWSAccount: "123456789012"})
	server, err := w.cloud.Serve()
	if err != nil {
		t.Fatal(err)
	}
	w.server = server
	w.env = map[string]string{
		"WIFMINT_CONFIG": fmt.Sprintf(`{"credentials": {"type": "external_account", "audience": %q,
			"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request", "token_url": %q,
			"service_account_impersonation_url": %q,
			"credential_source": {"environment_id": "aws1", "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}},
			"create_secrets": true, "targets": %s}`,
			audience, server.Endpoints().TokenURL, server.Endpoints().IAMCredentials, targets),
		"WIFMINT_UNSAFE_ENDPOINTS":         "allow",
		"WIFMINT_TOKENINFO_URL":            server.Endpoints().TokenInfo,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": server.Endpoints().SecretsManager,
		"AWS_REGION":                       region,
		"AWS_ACCESS_KEY_ID":                role.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":            role.SecretAccessKey,
		"AWS_SESSION_TOKEN":                role.SessionToken,
		"AWS_LAMBDA_LOG_FORMAT":            "JSON",
	}
	t.Cleanup(func() {
		_ = server.Close()
		w.nothingLeaked()
	})
	return w
}

// function describes a function of this world, ready to start.
func (w *world) function(name string) lambdaapi.Function {
	return lambdaapi.Function{
		Name: "wifmint-" + name, Bootstrap: bootstrap(w.t, name), Env: maps.Clone(w.env), Timeout: 20 * time.Second,
		Output: func(line string) { w.collect(line) },
	}
}

func (w *world) start(name string) *lambdaapi.Environment {
	w.t.Helper()
	e, err := lambdaapi.Start(w.t.Context(), w.function(name))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(e.Close)
	return e
}

func (w *world) collect(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.output.WriteString(text + "\n")
}

func (w *world) collected() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.output.String()
}

// invoke invokes a function and returns its report, that of a failed one too.
func (w *world) invoke(e *lambdaapi.Environment, event string) (keeper.Report, *lambdaapi.FunctionError) {
	w.t.Helper()
	result, err := e.Invoke(w.t.Context(), []byte(event))
	if err != nil {
		w.t.Fatal(err)
	}
	w.collect(string(result.Payload))
	document := string(result.Payload)
	if result.Error != nil {
		document = result.Error.Message
	}
	var report keeper.Report
	_ = json.Unmarshal([]byte(document), &report) // an error need not have one
	return report, result.Error
}

func (w *world) nothingLeaked() {
	out := w.collected()
	secrets := []string{plantedKey, plantedSession, "ya29.", "Signature=", "AWS4-HMAC", "eyJhbGciOi", "planted-rotation-token"}
	for _, s := range secrets {
		if i := strings.Index(out, s); i >= 0 {
			w.t.Errorf("a function let out %q: …%s…", s, out[max(0, i-100):min(len(out), i+100)])
		}
	}
}

// admin is a client of the account that is not a function.
func (w *world) admin() *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region: region, BaseEndpoint: aws.String(w.server.Endpoints().SecretsManager),
		Credentials: credentials.NewStaticCredentialsProvider(role.AccessKeyID, role.SecretAccessKey, role.SessionToken),
	})
}

func (w *world) stored(name string) tokenstore.Token {
	w.t.Helper()
	out, err := w.admin().GetSecretValue(context.Background(), &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := tokenstore.Parse([]byte(aws.ToString(out.SecretString)))
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func outcomes(r keeper.Report) string {
	var all []string
	for _, res := range r.Results {
		all = append(all, string(res.Outcome))
	}
	return strings.Join(all, " ")
}
