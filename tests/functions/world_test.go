// Package functions_test runs the real bootstraps, as SAM builds them, against
// the fake clouds.
package functions_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/internal/bootstraptest"
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

func TestMain(m *testing.M) { os.Exit(bootstraptest.Run(m)) }

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
		Name: "wifmint-" + name, Bootstrap: bootstraptest.Build(w.t, "./functions/"+name), Env: maps.Clone(w.env), Timeout: 20 * time.Second,
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
	s, _ := w.cloud.Secret(name)
	current, _ := s.Labelled("AWSCURRENT")
	token, err := tokenstore.Parse([]byte(current.Value))
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
