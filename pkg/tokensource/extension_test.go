package tokensource

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/internal/hostilejson"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// fakeExtension answers as the AWS Parameters and Secrets extension does, from a
// cache that knows nothing of a token's expiry.
type fakeExtension struct {
	cloud *fakecloud.Cloud
	ttl   time.Duration

	mu     sync.Mutex
	cached map[string]cachedAnswer
}

type cachedAnswer struct {
	body  string
	until time.Time
}

func (f *fakeExtension) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, stage := r.FormValue("secretId"), r.FormValue("versionStage")
	switch {
	case r.Method != http.MethodGet || r.URL.Path != "/secretsmanager/get" || !strings.HasPrefix(r.Host, "localhost:"):
		http.NotFound(w, r)
		return
	case r.Header.Get("X-Aws-Parameters-Secrets-Token") != "planted-session-token":
		http.Error(w, "Forbidden", http.StatusForbidden)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := stage + id
	if a, ok := f.cached[key]; ok && time.Now().Before(a.until) {
		_, _ = w.Write([]byte(a.body))
		return
	}
	secret, _ := f.cloud.Secret(id)
	version, ok := secret.Labelled(stage)
	if !ok {
		http.Error(w, "an unexpected error occurred while executing request [ResourceNotFoundException]", http.StatusBadRequest)
		return
	}
	body := valueOf(version.Value)
	if f.cached == nil {
		f.cached = map[string]cachedAnswer{}
	}
	f.cached[key] = cachedAnswer{body, time.Now().Add(f.ttl)}
	_, _ = w.Write([]byte(body))
}

// RoundTrip serves a request in-process.
func (f *fakeExtension) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "localhost:2773" {
		return nil, errors.New("nobody listens at " + r.URL.Host)
	}
	recorder := httptest.NewRecorder()
	f.ServeHTTP(recorder, r)
	answer := recorder.Result()
	answer.Request = r
	return answer, nil
}

// valueOf is GetSecretValue's answer as the extension gives it.
func valueOf(secretString any) string {
	data, err := json.Marshal(map[string]any{
		"ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s-AbCdEf", "Name": "s", "VersionId": "v",
		"CreatedDate": "2026-01-02T02:04:05.123Z", "SecretBinary": nil, "SecretString": secretString,
		"VersionStages": []string{"AWSCURRENT"}, "ResultMetadata": map[string]any{},
	})
	if err != nil {
		panic(err)
	}
	return string(data)
}

func TestReadingThroughTheExtension(t *testing.T) {
	t.Parallel()
	const id = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a b&c=d-AbCdEf"
	cloud := fakecloud.New(fakecloud.Options{Region: "eu-west-1"})
	server := httptest.NewServer(&fakeExtension{cloud: cloud})
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	for what, variables := range map[string]map[string]string{
		"with a session token":  {},
		"after a SnapStart":     {"AWS_SESSION_TOKEN": "", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "planted-session-token"},
		"by a name, not an ARN": {},
	} {
		variables["PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"] = port
		x := Extension{Getenv: lambda(variables)}
		cloud.PutSecret("s", stored)
		current, err := x.ReadStage(t.Context(), "s", stageCurrent)
		if err != nil || !current.Usable() || current.VersionID != "v" || current.SecretID != "s" || current.Token.Value.Reveal() != "ya29.planted" {
			t.Errorf("%s: %+v, %v", what, current, err)
		}
		for _, stage := range []string{stageCurrent, stagePrevious} {
			if current, err := x.ReadStage(t.Context(), id, stage); err != nil || current.VersionID != "" || current.SecretID != id {
				t.Errorf("%s, a secret that does not exist: %+v, %v", what, current, err)
			}
		}
	}
}

func TestAnExtensionThatIsNotThere(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		variables map[string]string
		code      string
		says      string
	}{
		"nobody listens":       {map[string]string{"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "1"}, "Unreachable", "layer"},
		"a port that is none":  {map[string]string{"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "80@example.com"}, "NotSent", "HTTP_PORT"},
		"a port that is 0":     {map[string]string{"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "0"}, "NotSent", "HTTP_PORT"},
		"no session token":     {map[string]string{"AWS_SESSION_TOKEN": ""}, "NotSent", "AWS_SESSION_TOKEN"},
		"a token that is none": {map[string]string{"AWS_SESSION_TOKEN": "planted\nplanted"}, "Unreachable", "header"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			_, err := Extension{Getenv: lambda(tc.variables)}.ReadStage(t.Context(), "s", stageCurrent)
			e, ok := errors.AsType[*tokenstore.Error](err)
			if !ok || e.Code != tc.code || !strings.Contains(e.Error(), tc.says) || strings.Contains(e.Error(), "planted") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheSessionTokenStaysOnThisHost(t *testing.T) {
	t.Parallel()
	for address, allowed := range map[string]bool{
		"127.0.0.1:2773": true, "[::1]:2773": true, "127.1.2.3:2773": true,
		"10.0.0.1:2773": false, "169.254.169.254:2773": false, "[fd00::1]:2773": false, "localhost:2773": false,
	} {
		if err := onlyLoopback("tcp", address, nil); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect is followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	_, err := Extension{Getenv: lambda(map[string]string{"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": port})}.ReadStage(t.Context(), "s", stageCurrent)
	if e, ok := errors.AsType[*tokenstore.Error](err); !ok || e.HTTPStatus != http.StatusTemporaryRedirect {
		t.Errorf("got %v", err)
	}
}

func TestWhatTheExtensionAnswers(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		status    int
		body      string
		code      string // of the error; "" for none
		retryable bool
	}{
		"a token":                     {200, valueOf(stored), "", false},
		"a password":                  {200, valueOf("planted"), "", false},
		"binary data":                 {200, valueOf(nil), "", false},
		"somebody's web page":         {200, "<html>planted", "InvalidResponse", false},
		"no version":                  {200, `{"SecretString":"planted"}`, "InvalidResponse", false},
		"too much":                    {200, strings.Repeat(" ", maxExtensionAnswer) + valueOf(stored), "InvalidResponse", false},
		"before the first invocation": {400, "not ready to serve traffic, please wait", "NotReady", true},
		"a failure of any kind":       {400, "an unexpected error occurred while executing request", "Refused", true},
		"no such secret, as text":     {400, "an unexpected error … [ResourceNotFoundException]", "", false},
		"no such secret, as JSON":     {400, `{"__type":"ResourceNotFoundException","message":"planted"}`, "", false},
		"no permission":               {400, `{"__type":"AccessDeniedException","message":"planted"}`, "AccessDeniedException", false},
		"throttling":                  {400, `{"__type":"ThrottlingException","message":"planted"}`, "ThrottlingException", true},
		"a token that is not its own": {403, "planted", "Refused", false},
		"no token":                    {401, "planted", "Refused", false},
		"a fault":                     {500, "planted", "Refused", true},
		"a fault that names another":  {500, "planted [ResourceNotFoundException]", "ResourceNotFoundException", true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			current, err := parseExtension("s", tc.status, []byte(tc.body))
			if current.SecretID != "s" {
				t.Errorf("the secret is %q", current.SecretID)
			}
			if tc.code == "" {
				if err != nil {
					t.Fatalf("got %v", err)
				}
				if token := tc.body == valueOf(stored); current.Usable() != token {
					t.Errorf("got %+v", current)
				}
				return
			}
			if err == nil || err.Code != tc.code || err.Retryable != tc.retryable || err.HTTPStatus != tc.status || strings.Contains(err.Error(), "planted") {
				t.Errorf("got %+v", err)
			}
		})
	}
}

// The extension repeats its answer for its TTL. What follows from that for a token
// that is replaced late is what Extension's comment says.
func TestTheExtensionsTTLDecidesWhetherALateTokenComesInTime(t *testing.T) {
	t.Parallel()
	for ttl, inTime := range map[time.Duration]bool{180 * time.Second: true, 300 * time.Second: false} {
		t.Run(ttl.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cloud := fakecloud.New(fakecloud.Options{Region: "eu-west-1"})
				x := Extension{Getenv: lambda(nil), HTTPClient: &http.Client{Transport: &fakeExtension{cloud: cloud, ttl: ttl}}}
				minted := func(life time.Duration) (encoded string) {
					now := strconv.Quote(time.Now().UTC().Format(time.RFC3339))
					expiry := strconv.Quote(time.Now().Add(life).UTC().Format(time.RFC3339))
					return strings.NewReplacer(`"2026-01-02T02:04:05Z"`, now, `"2126-01-02T03:04:05Z"`, expiry).Replace(stored)
				}
				cloud.PutSecret("s", minted(230*time.Second))
				source := &Source{Secret: "s", Reader: x}
				late := false
				for second := range 230 {
					if _, err := source.Token(t.Context()); err != nil {
						if !strings.Contains(err.Error(), "SECRETS_MANAGER_TTL") {
							t.Errorf("%v does not name the extension's TTL", err)
						}
						late = true
					}
					if second == 0 {
						cloud.PutSecret("s", minted(time.Hour))
					}
					time.Sleep(time.Second)
				}
				if late == inTime {
					t.Errorf("there was no token for a while: %v", late)
				}
			})
		})
	}
}

func FuzzTheExtensionsAnswer(f *testing.F) {
	for _, body := range []string{
		valueOf(stored), valueOf("planted"), valueOf(nil), "", "null", "[]", `{"VersionId":1}`, `{"VersionId":"v","SecretString":{}}`,
		"not ready to serve traffic, please wait", "an unexpected error [AccessDeniedException]", `{"__type":"ResourceNotFoundException"}`,
		"\xff\xfe", strings.Repeat("[", 20000),
	} {
		f.Add(200, []byte(body))
		f.Add(400, []byte(body))
	}
	for _, seed := range hostilejson.Seeds(valueOf(stored)) {
		f.Add(200, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		current, err := parseExtension("s", status, body)
		switch {
		case current.SecretID != "s":
			t.Errorf("the secret is %q", current.SecretID)
		case err != nil && (current.VersionID != "" || current.Usable()):
			t.Errorf("an error and %+v", current)
		case err != nil && (err.Code == "" || err.Message == "" || len(err.Error()) > 500):
			t.Errorf("the error is %q", err)
		case err == nil && status != 200 && current.VersionID != "":
			t.Errorf("status %d is a success", status)
		case current.Usable() && current.Token.Value.IsZero():
			t.Error("a usable token that is empty")
		}
	})
}
