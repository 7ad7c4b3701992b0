package conformance_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/secret"
)

// federation is a credential file with the world that it is used in. Both
// libraries get a token with it, and what they ask of Google is compared.
type federation struct {
	name   string
	file   map[string]any
	scopes []string
	env    map[string]string
	net    map[string]reply // beside Google
	// own serves what this library's own clients ask of this machine; nil if
	// there is nothing of the kind.
	own *recorder
}

// exchange is what a library asked of Google, and what it made of the answers,
// flattened: "1 url", "1 field audience", "applied authorization", … It has what
// matters: header lines of the HTTP client's own are not in it.
type exchange map[string]string

// asked is a request as a library sent it.
type asked struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

const refreshedAt = 1_790_000_000 // 2026-09-21T14:13:20Z

func TestRequestsAreGoogleAuths(t *testing.T) {
	t.Parallel()
	google := startPython(t)
	met, all, ran := map[string]bool{}, federations(t), 0
	for _, f := range all {
		t.Run(f.name, func(t *testing.T) {
			ran++
			theirs, ours := f.byPython(t, google), f.byWifmint(t)
			for _, d := range requestDifferences() {
				if theirs[d.field] == d.theirs && ours[d.field] == d.ours {
					met[d.name] = true
					delete(theirs, d.field)
					delete(ours, d.field)
				}
			}
			if diff := cmp.Diff(theirs, ours); diff != "" {
				t.Errorf("(-google-auth +wifmint):\n%s", diff)
			}
		})
	}
	for _, d := range requestDifferences() {
		if !met[d.name] && ran == len(all) || d.theirs == d.ours || d.why == "" {
			t.Errorf("listed, and nowhere a difference, or without a reason: %s", d.name)
		}
	}
}

// answers is what the whole world of f answers.
func (f federation) answers() map[string]reply {
	all := map[string]reply{
		"POST https://sts.googleapis.com/v1/token":      {Body: `{"access_token":"federated-token","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3599}`},
		"POST https://sts.googleapis.com/v1/oauthtoken": {Body: `{"access_token":"refreshed-token","refresh_token":"another","token_type":"Bearer","expires_in":3599}`},
		"POST https://oauth2.googleapis.com/token":      {Body: `{"access_token":"refreshed-token","token_type":"Bearer","expires_in":3599}`},
		"POST https://sts.mtls.googleapis.com/v1/token": {Body: `{"access_token":"federated-token","token_type":"Bearer","expires_in":3599}`},
		"POST " + impersonationURL:                      {Body: `{"accessToken":"impersonated-token","expireTime":"2026-09-21T15:13:20Z"}`},
	}
	maps.Copy(all, f.net)
	return all
}

func (f federation) byPython(t *testing.T, google *python) exchange {
	t.Helper()
	var told struct {
		Asked   []asked
		Applied map[string]string
		Expiry  int64
	}
	q := question{Do: "refresh", Env: f.env, At: refreshedAt, Net: f.answers(), File: asJSON(t, f.file), Scopes: f.scopes}
	if refused := google.answer(t, q, &told); refused != "" {
		t.Fatal("google-auth: ", refused)
	}
	return flatten(t, told.Asked, told.Applied, time.Unix(told.Expiry, 0))
}

func (f federation) byWifmint(t *testing.T) exchange {
	t.Helper()
	network := &recorder{answers: f.answers()}
	o := externalaccount.Options{
		Scopes:     f.scopes,
		HTTPClient: &http.Client{Transport: network},
		Getenv:     func(name string) string { return f.env[name] },
		Now:        func() time.Time { return time.Unix(refreshedAt, 0) },
	}
	fileOptions := externalaccount.FileOptions{AllowExecutable: true}
	if f.own != nil {
		fileOptions.AllowAnyEndpoint, o.AllowAnyEndpoint = true, true
	}
	file, err := externalaccount.ParseAny([]byte(asJSON(t, f.file)), fileOptions)
	if err != nil {
		t.Fatal("wifmint: ", err)
	}
	credentials, err := file.Credentials(o)
	if err != nil {
		t.Fatal("wifmint: ", err)
	}
	applied := http.Header{}
	if err := credentials.Apply(t.Context(), applied); err != nil {
		t.Fatal("wifmint: ", err)
	}
	token, err := credentials.CachedToken(t.Context())
	if err != nil {
		t.Fatal("wifmint: ", err)
	}
	if f.own != nil {
		network.asked = append(network.asked, f.own.asked...)
	}
	return flatten(t, network.asked, firstValues(applied), token.Expiry)
}

// recorder is an http.RoundTripper, and a server, that records what it is asked.
type recorder struct {
	answers map[string]reply

	mu    sync.Mutex
	asked []asked
}

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body := ""
	if q.Body != nil {
		text, err := io.ReadAll(q.Body)
		if err != nil {
			return nil, err
		}
		body = string(text)
	}
	r.asked = append(r.asked, asked{q.Method, q.URL.String(), firstValues(q.Header), body})
	a, known := r.answers[q.Method+" "+q.URL.String()]
	if !known {
		return nil, fmt.Errorf("nobody answers %s %s", q.Method, q.URL)
	}
	recorded := httptest.NewRecorder()
	if a.Status != 0 {
		recorded.WriteHeader(a.Status)
	}
	_, _ = recorded.WriteString(a.Body)
	response := recorded.Result()
	response.Request = q
	return response, nil
}

func firstValues(h http.Header) map[string]string {
	first := map[string]string{}
	for name := range h {
		first[name] = h.Get(name)
	}
	return first
}

// ServeHTTP answers what is asked of this machine.
func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	q.URL.Scheme, q.URL.Host = "http", q.Host
	answer, err := r.RoundTrip(q)
	if err != nil {
		http.NotFound(w, q)
		return
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

func flatten(t *testing.T, requests []asked, applied map[string]string, expiry time.Time) exchange {
	t.Helper()
	flat := exchange{"expiry": expiry.UTC().Format(time.RFC3339)}
	n := 0
	for _, q := range requests {
		if _, path, ok := strings.Cut(q.URL, "//127.0.0.1:"); ok { // in no order
			_, path, _ = strings.Cut(path, "/")
			flat[q.Method+" /"+path] = fmt.Sprint(meaningful(q.Headers))
			continue
		}
		n++
		of := func(field string) string { return fmt.Sprint(n, " ", field) }
		flat[of("url")] = q.Method + " " + q.URL
		for name, value := range meaningful(q.Headers) {
			flat[of(name)] = value
		}
		for name, value := range fields(t, q) {
			flat[of("field "+name)] = value
		}
	}
	for name, value := range meaningful(applied) {
		flat["applied "+name] = value
	}
	return flat
}

// meaningful are the headers that mean something to Google. x-goog-api-client is
// without the names and versions of language and library.
func meaningful(headers map[string]string) map[string]string {
	found := map[string]string{}
	for name, value := range headers {
		switch name = strings.ToLower(name); name {
		case "authorization", "content-type", "x-goog-user-project":
			found[name] = value
		case "x-goog-api-client":
			words := slices.DeleteFunc(strings.Fields(value), func(word string) bool {
				return strings.HasPrefix(word, "gl-") || strings.HasPrefix(word, "auth/")
			})
			slices.Sort(words)
			found[name] = strings.Join(words, " ")
		case "accept", "accept-encoding", "connection", "content-length", "user-agent": // the client's own
		default:
			found[name] = value
		}
	}
	return found
}

// fields are those of a form or of a JSON object that are not empty.
func fields(t *testing.T, q asked) map[string]string {
	t.Helper()
	found := map[string]string{}
	if strings.HasPrefix(q.Body, "{") {
		var object map[string]any
		if err := json.Unmarshal([]byte(q.Body), &object); err != nil {
			t.Fatal(err)
		}
		for name, value := range object {
			if list, isList := value.([]any); value != nil && (!isList || len(list) > 0) {
				found[name] = asJSON(t, value)
			}
		}
		return found
	}
	form, err := url.ParseQuery(q.Body)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range form {
		found[name] = strings.Join(values, "\n")
	}
	if strings.HasPrefix(found["subject_token"], "%7B") { // a signed request
		found["subject_token"] = withoutSignature(unpack(t, secret.New(found["subject_token"])))
	}
	return found
}

// withoutSignature is a signed request without what has to differ, as google-auth
// does not sign x-goog-cloud-target-resource: the list of signed headers and the
// signature. TestSignaturesAreGoogleAuths compares those.
func withoutSignature(u unpacked) string {
	lines := []string{u.Method + " " + u.URL}
	for _, h := range u.Headers {
		if h.Key == "Authorization" {
			h.Value, _, _ = strings.Cut(h.Value, ", SignedHeaders=")
		}
		lines = append(lines, h.Key+": "+h.Value)
	}
	slices.Sort(lines[1:])
	return strings.Join(lines, "\n")
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
