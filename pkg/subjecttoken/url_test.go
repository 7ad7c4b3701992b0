package subjecttoken

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
)

// azure is the credential_source that gcloud writes for Azure.
func azure(base string) URL {
	return URL{
		URL:     base + "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://iam.googleapis.com/projects/1",
		Headers: map[string]secret.Text{"Metadata": secret.New("True")},
		Format:  Format{"json", "access_token"},
	}
}

func TestURLOverARealConnection(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		want := "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://iam.googleapis.com/projects/1"
		if r.Method != http.MethodGet || r.RequestURI != want || r.Header.Get("Metadata") != "True" || r.Header.Get("Cookie") != "" {
			t.Errorf("%s %s with %v", r.Method, r.RequestURI, r.Header)
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		w.Write([]byte(`{"access_token":"` + planted + `","expires_in":"3599"}`))
	}))
	defer server.Close()
	for range 2 {
		token, err := azure(server.URL).SubjectToken(t.Context())
		wantToken(t, token, err, planted)
	}
	if asked.Load() != 2 {
		t.Errorf("asked %d times for two tokens", asked.Load())
	}
}

func TestURLHeaders(t *testing.T) {
	t.Parallel()
	var got *http.Request
	source := URL{
		URL:     "https://broker.example/token",
		Headers: map[string]secret.Text{"authorization": secret.New("Bearer " + planted), "Host": secret.New("other.example"), "x-empty": {}},
		HTTPClient: wire(func(r *http.Request) (*http.Response, error) {
			got = r
			return respond(200, planted+"\n"), nil
		}).client(),
	}
	token, err := source.SubjectToken(t.Context())
	wantToken(t, token, err, planted)
	if got.Header.Get("Authorization") != "Bearer "+planted || got.Host != "other.example" || got.URL.Host != "broker.example" {
		t.Errorf("sent to %s as %s with %v", got.URL.Host, got.Host, got.Header)
	}
}

func TestURLsAndHeadersThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		url, header, value string
		says               string
	}{
		"no URL":                     {"", "", "", "credential_source.url is empty"},
		"a path":                     {"/token", "", "", "is not http://HOST"},
		"a host without a scheme":    {"broker.example/token", "", "", "is not http://HOST"},
		"a file":                     {"file:///etc/passwd", "", "", "is not http://HOST"},
		"no host":                    {"http:///token", "", "", "is not http://HOST"},
		"a URL that does not parse":  {"http://h/%zz" + plantedKey, "", "", "is not http://HOST"},
		"a password":                 {"https://user:" + planted + "@h/", "", "", "Authorization header"},
		"a header's name":            {"http://h/", "a b", "x", `"a b", which no header can have`},
		"an empty name":              {"http://h/", "", "x", "which no header can have"},
		"a header that ends another": {"http://h/", "X-A", plantedKey + "\r\nX-B: 1", "a line break or another control character in X-A"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := URL{URL: tc.url, HTTPClient: wire(func(r *http.Request) (*http.Response, error) {
				t.Errorf("%s was called", r.URL)
				return respond(200, planted), nil
			}).client()}
			if tc.value != "" {
				source.Headers = map[string]secret.Text{tc.header: secret.New(tc.value)}
			}
			_, err := source.SubjectToken(t.Context())
			if e := wantError(t, err, "url", tc.says); e.Retryable {
				t.Error("retryable")
			}
		})
	}
}

func TestAnswersWithoutAToken(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status    int
		body      string
		says      []string
		code      string
		attempts  int32
		retryable bool
	}{
		"a login page":               {200, "<html>Sign in" + planted, []string{"the answer of credential_source.url at 10.0.0.1 is not a JSON object"}, "", 1, false},
		"another field":              {200, `{"token":"` + planted + `"}`, []string{`has no field "access_token"`}, "", 1, false},
		"nothing":                    {204, "", []string{"is not a JSON object"}, "", 1, false},
		"a body that does not end":   {200, strings.Repeat(" ", maxContent+1), []string{"longer than 1048576 bytes"}, "invalid_response", 1, false},
		"a redirect":                 {302, "", []string{"redirects are never followed"}, "redirected", 1, false},
		"Azure's refusal":            {400, `{"error":"invalid_request","error_description":"Identity not found"}`, []string{"calling credential_source.url at 10.0.0.1, which answered 400; check credential_source.url and credential_source.headers: invalid_request: Identity not found"}, "invalid_request", 1, false},
		"a refusal with the header":  {403, `{"error":"no","error_description":"key ` + plantedKey + ` is unknown"}`, []string{"which answered 403; check credential_source.headers, by which it knows who asks: no: key [masked] is unknown"}, "no", 1, false},
		"a token in an error's text": {500, plantedKey, []string{"http_error"}, "http_error", 3, true},
		"a page of a proxy":          {502, "<html>" + planted, []string{"which answered 502: http_error"}, "http_error", 3, true},
		"throttling":                 {429, `{"error":"too_many_requests","error_description":"slow down"}`, []string{"slow down"}, "too_many_requests", 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int32
				source := azure("http://10.0.0.1")
				if name == "a refusal with the header" {
					source.Headers["X-Key"] = secret.New(plantedKey)
				}
				source.HTTPClient = wire(func(*http.Request) (*http.Response, error) {
					asked.Add(1)
					resp := respond(tc.status, tc.body)
					resp.Header.Set("Location", "http://evil.example/")
					return resp, nil
				}).client()
				token, err := source.SubjectToken(t.Context())
				e := wantError(t, err, "url", tc.says...)
				if !token.IsZero() || e.Code != tc.code || e.HTTPStatus != tc.status && tc.code != "invalid_response" || e.Retryable != tc.retryable || asked.Load() != tc.attempts {
					t.Errorf("%d attempts: %+v", asked.Load(), e)
				}
			})
		})
	}
}

func TestURLComesBackAfterAPassingFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := []int{503, 429, 200}
		source := azure("http://10.0.0.1")
		source.HTTPClient = wire(func(*http.Request) (*http.Response, error) {
			status := answers[0]
			answers = answers[1:]
			return respond(status, `{"access_token":"`+planted+`"}`), nil
		}).client()
		token, err := source.SubjectToken(t.Context())
		wantToken(t, token, err, planted)
	})
}

func TestAServerThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	hang := wire(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	synctest.Test(t, func(t *testing.T) {
		source, start := azure("http://10.0.0.1"), time.Now()
		source.HTTPClient = hang.client()
		_, err := source.SubjectToken(t.Context())
		if e := wantError(t, err, "url", "no answer within 10s"); !e.Retryable || time.Since(start) > 35*time.Second {
			t.Errorf("after %v: %+v", time.Since(start), e)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		source, start := azure("http://10.0.0.1"), time.Now()
		source.HTTPClient = hang.client()
		_, err := source.SubjectToken(ctx)
		if wantError(t, err, "url", "deadline"); time.Since(start) != time.Second {
			t.Errorf("after %v", time.Since(start))
		}
	})
}

func TestARealServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // no time for another attempt
	defer cancel()
	_, err := azure(server.URL).SubjectToken(ctx)
	if e := wantError(t, err, "url", "refused"); !e.Retryable {
		t.Error("not retryable")
	}
}

// A token that looks like none of Google's comes without the HTTP around it.
func TestWhatIsNoHTTPIsNotQuoted(t *testing.T) {
	t.Parallel()
	const opaque = "an-opaque-token"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, opaque+"\r\n")
	}))
	defer server.Close()
	_, err := azure(server.URL).SubjectToken(t.Context())
	if wantError(t, err, "url", "does not speak HTTP"); strings.Contains(err.Error(), opaque) {
		t.Error(err)
	}
}

func TestAProxyIsNotAskedForALinkLocalAddress(t *testing.T) {
	t.Parallel()
	proxy := &url.URL{Scheme: "http", Host: "proxy.example"}
	find := unlessLinkLocal(http.ProxyURL(proxy))
	for raw, want := range map[string]*url.URL{
		"http://169.254.169.254/metadata": nil,
		"http://169.254.169.254:80/":      nil,
		"http://[fe80::1]/":               nil,
		"http://10.0.0.1/":                proxy,
		"https://broker.example/":         proxy,
		"http://169.254.169.254.example/": proxy,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := find(&http.Request{URL: u}); got != want || err != nil {
			t.Errorf("%s goes through %v, %v", raw, got, err)
		}
	}
}
