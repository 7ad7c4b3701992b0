package conformance_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// role is who the functions are: SAM hands its own credentials to them.
var role = fakecloud.AWSKey{
	AccessKeyID: "ASIACONFORMANCE00001", SecretAccessKey: "planted-secret-access-key", SessionToken: "planted-session-token",
	ARN: "arn:aws:sts::123456789012:assumed-role/wifmint/wifmint",
}

const theTargets = `[{"name": "federated", "secret": "wifmint/federated"},
	{"name": "reports", "secret": "wifmint/reports", "service_account": "` + reportsAccount + `", "scopes": ["https://www.googleapis.com/auth/bigquery"]},
	{"name": "api", "secret": "wifmint/api", "service_account": "` + callerAccount + `", "id_token_audience": "https://api.example.run.app"}]`

// world is moto for AWS and the fake cloud for Google.
type world struct {
	t         *testing.T
	google    *fakecloud.Cloud
	moto      string            // its URL
	functions map[string]string // the environment of the functions
	callers   map[string]string // and that of AWS's own programs
}

// newWorld makes a world at an address of this machine's.
func newWorld(t *testing.T, host string) *world {
	t.Helper()
	w := &world{t: t, google: newGoogle()}
	w.google.AddAWSKey(role)
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: w.google.Handler()}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})

	w.moto = startMoto(t, host, map[string]string{"MOTO_DOCKER_LAMBDA_IMAGE": lambdaImage, "MOTO_DOCKER_NETWORK_MODE": "bridge"})
	w.functions = functionEnv(fakecloud.EndpointsAt("http://"+listener.Addr().String()), w.moto, theTargets)
	w.callers = map[string]string{
		"AWS_ENDPOINT_URL": w.moto, "AWS_DEFAULT_REGION": region, "AWS_MAX_ATTEMPTS": "1",
		"AWS_ACCESS_KEY_ID": role.AccessKeyID, "AWS_SECRET_ACCESS_KEY": role.SecretAccessKey, "AWS_SESSION_TOKEN": role.SessionToken,
	}
	return w
}

// sam is the SAM CLI, about to run what it has built in this world.
func (w *world) sam(args ...string) tool {
	w.t.Helper()
	built := samBuild(w.t, architecture())
	variables, err := json.Marshal(map[string]any{"Parameters": w.functions})
	if err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(w.t.TempDir(), "variables.json")
	if err := os.WriteFile(file, variables, 0o600); err != nil {
		w.t.Fatal(err)
	}
	config, err := filepath.Abs(root + "/samconfig.toml")
	if err != nil {
		w.t.Fatal(err)
	}
	args = append(args, "--template", filepath.Join(built, "template.yaml"), "--config-file", config,
		"--parameter-overrides", "Architecture="+architecture(), "--env-vars", file)
	if !pulling() {
		args = append(args, "--invoke-image", lambdaImage, "--skip-pull-image")
	}
	p := sam(w.t, root, args...)
	for name, value := range w.callers {
		p.env[name] = value
	}
	return p
}

// localInvoke returns what a function answers to a file of events/.
func (w *world) localInvoke(function, event string) string {
	w.t.Helper()
	visitSources(w.t)
	return lastLine(w.sam("local", "invoke", function, "--event", "events/"+event).mustOutput(w.t))
}

// boto3 makes a call and returns the answer's fields.
func (w *world) boto3(service, method string, in map[string]any) map[string]any {
	w.t.Helper()
	params, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	p := tool{path: venvProgram(w.t, "sam", "python"), args: []string{"sam_boto3.py", service, method}, env: w.callers, stdin: string(params)}
	var out map[string]any
	if err := json.Unmarshal([]byte(p.mustOutput(w.t)), &out); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// aws runs a command of the AWS CLI.
func (w *world) aws(args ...string) {
	w.t.Helper()
	tool{path: venvProgram(w.t, "sam", "aws"), args: append(args, "--endpoint-url", w.moto, "--cli-read-timeout", "150"), env: w.callers}.mustOutput(w.t)
}

// stored returns the token that moto holds, which Google has to know.
func (w *world) stored(secret string) (versionID string, token tokenstore.Token) {
	w.t.Helper()
	current, err := w.store().Read(w.t.Context(), secret)
	if err != nil || !current.Usable() {
		w.t.Fatalf("%s holds %v, %v", secret, current.Malformed, err)
	}
	if _, ok := w.google.LookupToken(current.Token.Value.Reveal()); !ok {
		w.t.Errorf("the token in %s is none of Google's", secret)
	}
	return current.VersionID, current.Token
}

// store reads this world's secrets.
func (w *world) store() *tokenstore.Store {
	return &tokenstore.Store{Client: tokenstore.NewClient(tokenstore.Options{
		Region: region, BaseEndpoint: w.moto,
		Credentials: credentials.NewStaticCredentialsProvider(role.AccessKeyID, role.SecretAccessKey, role.SessionToken),
	})}
}

// labelled returns the versions of wifmint/reports that have a label.
func (w *world) labelled(label string) (versions []string) {
	w.t.Helper()
	out, err := w.store().Describe(w.t.Context(), "wifmint/reports")
	if err != nil {
		w.t.Fatal(err)
	}
	for version, labels := range out.Labels {
		if slices.Contains(labels, label) {
			versions = append(versions, version)
		}
	}
	slices.Sort(versions)
	return versions
}

// holds checks that the report is of a function's run with these outcomes, one
// for each target, and that moto holds what it says.
func (w *world) holds(response, function, outcomes string) {
	w.t.Helper()
	var report keeper.Report
	if err := json.Unmarshal([]byte(response), &report); err != nil {
		w.t.Fatalf("%v: %s", err, response)
	}
	var got []string
	for _, r := range report.Results {
		got = append(got, string(r.Outcome))
		if version, token := w.stored(r.Secret); version != r.VersionID || token.Target != r.Target || token.Value.Fingerprint() != r.TokenSHA256 {
			w.t.Errorf("%s holds version %s of %s, and the report says %+v", r.Secret, version, token.Target, r)
		}
	}
	if report.Function != function || strings.Join(got, " ") != outcomes || report.Summary.Targets != len(got) {
		w.t.Errorf("the response is %s, want %s of the %s", response, outcomes, function)
	}
}
