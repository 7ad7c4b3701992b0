package fakecloud_test

import (
	"context"
	"encoding/json"
	"errors"
	"go/parser"
	gotoken "go/token"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// get is a GET without a body, whose answer is of no interest.
func get(ctx context.Context, c http.RoundTripper, url string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return c.RoundTrip(r)
}

func TestARequestFindsItsServiceByHost(t *testing.T) {
	t.Parallel()
	const nowhere = ""
	for url, want := range map[string]string{
		"https://secretsmanager.eu-west-1.amazonaws.com/":          "secretsmanager",
		"https://secretsmanager-fips.us-east-1.amazonaws.com/":     "secretsmanager",
		"https://secretsmanager.cn-north-1.amazonaws.com.cn/":      "secretsmanager",
		"https://sts.eu-west-1.amazonaws.com/":                     "aws-sts",
		"https://sts-fips.us-gov-west-1.amazonaws.com/":            "aws-sts",
		"https://sts.amazonaws.com/":                               "aws-sts",
		"https://sts.us-east-1.api.aws/":                           "aws-sts",
		"https://sts..amazonaws.com/":                              nowhere,
		"https://s3.us-east-1.amazonaws.com/":                      nowhere,
		"https://sts.googleapis.com/v1/token":                      "google-sts",
		"https://us-east1.sts.googleapis.com/v1/token":             "google-sts",
		"https://sts.mtls.googleapis.com/v1/token":                 "google-sts",
		"https://us-east1-sts.googleapis.com/v1/token":             "google-sts",
		"https://sts-xyz.p.googleapis.com/v1/token":                "google-sts",
		"https://sts.us-east1.rep.googleapis.com/v1/token":         "google-sts",
		"https://sts.other-universe.example/v1/token":              "google-sts",
		"https://iamcredentials.googleapis.com/v1/":                "iamcredentials",
		"https://iamcredentials.us-east1.rep.googleapis.com/v1/":   "iamcredentials",
		"https://oauth2.googleapis.com/tokeninfo":                  "tokeninfo",
		"http://169.254.170.2/v2/credentials/x":                    "container",
		"http://169.254.170.23/v1/credentials":                     "container",
		"http://169.254.169.254/latest/meta-data/placement/region": "imds",
		"http://[fd00:ec2::254]/latest/meta-data/placement/region": "imds",
		"http://localhost:8080/google-sts/v1/token":                "google-sts",
		"http://127.0.0.1/imds/latest/meta-data/placement/region":  "imds",
		"http://[::1]/container/credentials":                       "container",
		"http://localhost/unknown/":                                nowhere,
		"https://storage.googleapis.com/":                          nowhere,
		"https://sts.googleapis.com.example.com/":                  "google-sts", // for all we know a universe
	} {
		c := fakecloud.New(fakecloud.Options{})
		_, err := get(t.Context(), c, url)
		if dns := (*net.DNSError)(nil); want == nowhere {
			if !errors.As(err, &dns) || !dns.IsNotFound {
				t.Errorf("%s: %v, want the error of a host that does not exist", url, err)
			}
			continue
		}
		if err != nil || len(c.Calls()) == 0 || c.Calls()[0].Service != want {
			t.Errorf("%s: %v, calls %v; want %s", url, err, c.Calls(), want)
		}
	}
}

func TestEndpointsAtLocalhostAreServedInProcess(t *testing.T) {
	t.Parallel()
	e := fakecloud.EndpointsAt("http://localhost/")
	for url, want := range map[string]string{
		e.SecretsManager: "secretsmanager", e.AWSSTS: "aws-sts", e.TokenURL: "google-sts", e.IAMCredentials + "/v1/x": "iamcredentials",
		e.TokenInfo: "tokeninfo", e.Container: "container", e.IMDS + "/latest/x": "imds",
	} {
		c := fakecloud.New(fakecloud.Options{})
		if _, err := get(t.Context(), c, url); err != nil || c.Count(want, "") != 1 {
			t.Errorf("%s: %v, calls %v; want %s", url, err, c.Calls(), want)
		}
	}
}

// closing tells whether a request's body was closed, which a RoundTripper owes
// its caller even when it fails.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

func TestARequestBodyIsClosedAndTheRequestLeftAlone(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, ctx := range map[string]context.Context{"live": t.Context(), "canceled": canceled} {
		for _, url := range []string{"https://secretsmanager.us-east-1.amazonaws.com/", "https://nowhere.example/", "http://localhost/secretsmanager/"} {
			body := &closing{Reader: strings.NewReader("{}")}
			r, _ := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
			r.ContentLength = 2
			path := r.URL.Path
			_, err := fakecloud.New(fakecloud.Options{}).RoundTrip(r)
			if !body.closed {
				t.Errorf("%s context, %s: the body was not closed", name, url)
			}
			if r.URL.Path != path || len(r.Header) != 0 || r.RequestURI != "" {
				t.Errorf("%s context, %s: the request was changed: %+v", name, url, r)
			}
			if name == "canceled" && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v, want context.Canceled", url, err)
			}
		}
	}
}

func TestARequestOfMoreThanAMebibyteIsRefused(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	r, _ := http.NewRequest(http.MethodPost, "https://secretsmanager.us-east-1.amazonaws.com/", strings.NewReader(strings.Repeat(" ", 1<<20+1)))
	answer, err := c.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %v, %v", answer, err)
	}
}

func TestCallsAreOnRecordWithoutWhatTheyCarried(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	var seen []fakecloud.Call
	c.OnCall(func(call fakecloud.Call) { seen = append(seen, call) })
	c.PutSecret("a", "planted-value")
	askSecretsManager(t, c, "GetSecretValue", map[string]any{"SecretId": "a"})
	askSecretsManager(t, c, "PutSecretValue", map[string]any{"SecretId": "b", "SecretString": "planted-value", "ClientRequestToken": strings.Repeat("t", 32)})
	askSecretsManager(t, c, "BatchGetSecretValue", map[string]any{"SecretIdList": []string{"a", "b"}})
	post(t, c, tokenURL, url.Values{"audience": {provider}, "subject_token": {"planted-token"}})
	callIAM(t, c, "planted-token", "reports@p-roject.iam.gserviceaccount.com:signBlob", "{}")

	var got []string
	for _, call := range c.Calls() {
		got = append(got, strings.Join([]string{call.Service, call.Operation, call.Resource, call.Err, strconv.Itoa(call.Status)}, " "))
	}
	want := []string{
		"secretsmanager GetSecretValue a  200",
		"secretsmanager PutSecretValue b ResourceNotFoundException 400",
		"secretsmanager BatchGetSecretValue a,b  200",
		"google-sts token " + provider + " invalid_request 400",
		"iamcredentials signBlob reports@p-roject.iam.gserviceaccount.com UNAUTHENTICATED 401",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(c.Calls(), seen); diff != "" {
		t.Errorf("calls that OnCall saw (-want +got):\n%s", diff)
	}
	if text, _ := json.Marshal(c.Calls()); strings.Contains(string(text), "planted") {
		t.Errorf("a value is on record: %s", text)
	}
	if all, gets := c.Count("", ""), c.Count("secretsmanager", "GetSecretValue"); all != 5 || gets != 1 {
		t.Errorf("%d calls, %d of them GetSecretValue; want 5 and 1", all, gets)
	}
	c.ResetCalls()
	if n := c.Count("", ""); n != 0 {
		t.Errorf("%d calls after ResetCalls", n)
	}
}

// The fake must not share a mistake with the code it checks, nor make its
// users import anything.
func TestTheFakeImportsTheStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") || path == "net/http/httptest" {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

func FuzzSecretsManagerAnswersWhatever(f *testing.F) {
	for operation, body := range map[string]string{
		"GetSecretValue":           `{"SecretId":"a","VersionStage":"AWSCURRENT"}`,
		"BatchGetSecretValue":      `{"SecretIdList":["a","arn:"],"MaxResults":0}`,
		"PutSecretValue":           `{"SecretId":"a","SecretBinary":"AA==","ClientRequestToken":"tttttttttttttttttttttttttttttttt","VersionStages":[""]}`,
		"UpdateSecretVersionStage": `{"SecretId":"a","VersionStage":"AWSCURRENT","MoveToVersionId":"x","RemoveFromVersionId":"y"}`,
		"CreateSecret":             `{"Name":"b","Tags":[{}]}`,
		"DeleteSecret":             `{"SecretId":"arn:aws:secretsmanager:us-east-1:123456789012:secret:a-","RecoveryWindowInDays":-1}`,
		"ListSecrets":              `{"Filters":[{"Key":"name","Values":["!"]}],"NextToken":"LTE"}`,
		"RotateSecret":             `{"SecretId":"a","RotationRules":null}`,
		"UpdateSecret":             `{"SecretId":"a","KmsKeyId":""}`,
		"":                         `[`,
	} {
		f.Add(operation, body)
	}
	f.Fuzz(func(t *testing.T, operation, body string) {
		c := fakecloud.New(fakecloud.Options{})
		before := c.PutSecret("a", "v")
		r, _ := http.NewRequest(http.MethodPost, "https://secretsmanager.us-east-1.amazonaws.com/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", "secretsmanager."+operation)
		answer, err := c.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			Code string `json:"__type"`
		}
		switch err := json.NewDecoder(answer.Body).Decode(&out); {
		case len(body) > 1<<20: // is not read to its end, and refused without a word
			if answer.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("status %d for %d bytes", answer.StatusCode, len(body))
			}
		case err != nil:
			t.Errorf("status %d and no JSON: %v", answer.StatusCode, err)
		case (answer.StatusCode == http.StatusOK) != (out.Code == ""):
			t.Errorf("status %d and the error code %q", answer.StatusCode, out.Code)
		}
		after, found := c.Secret("a")
		if _, current := after.Labelled("AWSCURRENT"); found && !current {
			t.Errorf("AWSCURRENT is lost: %+v, before %+v", after, before)
		}
	})
}
