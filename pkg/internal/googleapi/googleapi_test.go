package googleapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
)

func TestAnswerArrivesWhole(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"empty": 0, "small": 10, "exactly MaxBody": MaxBody} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := strings.Repeat("x", size)
			for _, length := range []int64{-1, int64(size)} {
				c := Caller{HTTPClient: client(func(*http.Request) (*http.Response, error) {
					resp := answer(200, body, "X-Some", "thing")
					resp.ContentLength = length
					return resp, nil
				})}
				got, err := c.Call(t.Context(), get)
				if err != nil {
					t.Fatal(err)
				}
				if string(got.Body) != body || got.Status != 200 || got.Header.Get("X-Some") != "thing" {
					t.Errorf("got status %d, %d bytes, headers %v", got.Status, len(got.Body), got.Header)
				}
			}
		})
	}
}

// countedBody counts what is read of an endless body.
type countedBody struct {
	read   int
	closed bool
}

func (b *countedBody) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	b.read += len(p)
	return len(p), nil
}

func (b *countedBody) Close() error { b.closed = true; return nil }

func TestReadingStopsOneByteAfterMaxBody(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		length int64
		code   string
	}{
		"success":                             {200, -1, CodeInvalidResponse},
		"success that announces its 10 MiB":   {200, 10 << 20, CodeInvalidResponse},
		"success that announces 3 bytes only": {200, 3, CodeInvalidResponse},
		"failure":                             {400, -1, CodeHTTP},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := &countedBody{}
			c := Caller{HTTPClient: client(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: tc.status, Header: http.Header{}, Body: body, ContentLength: tc.length}, nil
			})}
			_, err := c.Call(t.Context(), get)
			e := asError(t, err)
			if e.Code != tc.code || e.HTTPStatus != tc.status || e.Retryable {
				t.Errorf("got %+v", e)
			}
			if body.read != MaxBody+1 {
				t.Errorf("read %d bytes, want %d", body.read, MaxBody+1)
			}
			if !body.closed {
				t.Error("the body was not closed")
			}
		})
	}
}

func TestRedirectsAreNotFollowedAndOnlyTheirHostIsNamed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ location, want string }{
		"to another host":               {"https://evil.example/steal?token=QUERY", "evil.example"},
		"with a password":               {"https://u:PASSWORD@evil.example/", "evil.example"},
		"to the same host":              {"/PATH", "127.0.0.1"},
		"without Location":              {"", "no Location"},
		"with a Location of no host":    {"mailto:QUERY@evil.example", "unreadable Location"},
		"with a Location of no meaning": {"https://evil.example:QUERY/%zz", "unreadable Location"},
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				requests := 0
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					requests++
					if tc.location != "" {
						w.Header().Set("Location", tc.location)
					}
					w.WriteHeader(status)
				}))
				defer server.Close()
				c := Caller{HTTPClient: server.Client()}
				_, err := c.Call(t.Context(), func(ctx context.Context) (Request, error) {
					req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader("a=b"))
					return Request{Request: req}, err
				})
				e := asError(t, err)
				if e.Code != CodeRedirected || e.HTTPStatus != status || e.Retryable || !strings.Contains(e.Error(), tc.want) {
					t.Errorf("got %v", e)
				}
				for _, hidden := range []string{"QUERY", "PASSWORD", "PATH"} {
					if strings.Contains(e.Error(), hidden) {
						t.Errorf("shows more than the host: %v", e)
					}
				}
				if requests != 1 {
					t.Errorf("%d requests", requests)
				}
			})
		}
	}
}

func TestClientOfTheUserIsNotTouchedAndItsCookiesNeitherSentNorKept(t *testing.T) {
	t.Parallel()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	google := &url.URL{Scheme: "https", Host: "sts.googleapis.com"}
	jar.SetCookies(google, []*http.Cookie{{Name: "old", Value: "1"}})
	followed := false
	mine := &http.Client{
		Jar:     jar,
		Timeout: time.Second,
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Cookie") != "" {
				t.Errorf("sent cookie %q", r.Header.Get("Cookie"))
			}
			return answer(302, "", "Location", "https://evil.example", "Set-Cookie", "new=1"), nil
		}),
		CheckRedirect: func(*http.Request, []*http.Request) error { followed = true; return nil },
	}
	before := *mine
	if _, err := (&Caller{HTTPClient: mine}).Call(t.Context(), get); err == nil {
		t.Fatal("a redirect is no answer")
	}
	if followed || len(jar.Cookies(google)) != 1 {
		t.Errorf("redirect followed: %v; cookies: %v", followed, jar.Cookies(google))
	}
	if mine.Jar != before.Jar || mine.Timeout != before.Timeout ||
		reflect.ValueOf(mine.CheckRedirect).Pointer() != reflect.ValueOf(before.CheckRedirect).Pointer() {
		t.Errorf("the client was changed: %+v", mine)
	}
}

func TestErrorOfBuildEndsTheCallAndComesBackAsItIs(t *testing.T) {
	t.Parallel()
	want := errors.New("no credentials")
	builds := 0
	c := Caller{HTTPClient: client(func(*http.Request) (*http.Response, error) {
		t.Error("something was sent")
		return nil, io.EOF
	})}
	_, err := c.Call(t.Context(), func(context.Context) (Request, error) {
		builds++
		return Request{}, want
	})
	if err != want || builds != 1 {
		t.Errorf("got %v after %d builds", err, builds)
	}
}

func TestTransportThatReturnsNothingIsAnError(t *testing.T) {
	t.Parallel()
	for name, resp := range map[string]*http.Response{"no answer": nil, "an answer without body": {StatusCode: 200}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Caller{MaxAttempts: 1, HTTPClient: client(func(*http.Request) (*http.Response, error) { return resp, nil })}
			_, err := c.Call(t.Context(), get)
			if e := asError(t, err); e.Code != CodeUnreachable {
				t.Errorf("got %v", e)
			}
		})
	}
}

// A secret planted in the request comes back in every place that an answer or
// a transport has for text, and must be in no error.
func TestNoSecretOfTheRequestComesBackInAnError(t *testing.T) {
	t.Parallel()
	const token = "IQoJb3JpZ2luX2VjE+XAMP/LEwEaCWV1LXdlc3QtMSJHMEU="
	quoted := url.QueryEscape(token)
	const short, bearer = "hunter2", "Bearer ya29.c.ElevenTwelveThirteen"
	for name, reply := range map[string]roundTripper{
		"as error_description":          always(400, `{"error":"invalid_grant","error_description":"bad `+token+` `+short+` `+bearer+`"}`),
		"as error code":                 always(400, `{"error":"`+token+`"}`),
		"as error_uri":                  always(400, `{"error":"e","error_uri":"https://x/`+quoted+`"}`),
		"as Google's message":           always(403, `{"error":{"code":403,"message":"in `+quoted+`","status":"PERMISSION_DENIED"}}`),
		"as Google's status":            always(403, `{"error":{"code":403,"status":"`+token+`"}}`),
		"as text":                       always(502, "cannot forward "+token+" "+short),
		"as a page":                     always(502, "<html>"+token+"</html>"),
		"as other JSON":                 always(500, `{"request":"`+token+`"}`),
		"as the host of a redirect":     always(302, "", "Location", "https://"+strings.Trim(token, "=")+".example/"),
		"as the path of a redirect":     always(302, "", "Location", "https://x.example/"+quoted),
		"as an error of the transport":  func(*http.Request) (*http.Response, error) { return nil, errors.New("sending " + token + short) },
		"as an error within the answer": func(*http.Request) (*http.Response, error) { return brokenBody("reading " + token), nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Caller{MaxAttempts: 1, HTTPClient: client(reply)}
			_, err := c.Call(t.Context(), func(ctx context.Context) (Request, error) {
				req, err := get(ctx)
				req.Header.Set("Authorization", bearer)
				req.Secrets = []secret.Text{secret.New(quoted), secret.New(short), {}}
				return req, err
			})
			asError(t, err)
			for ; err != nil; err = errors.Unwrap(err) {
				for _, form := range []string{token, quoted, bearer} {
					for run := range runsOf(form) {
						if strings.Contains(err.Error(), run) {
							t.Fatalf("%q of a secret is in %q", run, err)
						}
					}
				}
				if strings.Contains(err.Error(), short) {
					t.Fatalf("the short secret is in %q", err)
				}
			}
		})
	}
}

func brokenBody(text string) *http.Response {
	r, w := io.Pipe()
	w.CloseWithError(errors.New(text))
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: r, ContentLength: 100}
}

func asError(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got %T %v, want an *Error", err, err)
	}
	if e.Code == "" || e.Attempts == 0 {
		t.Errorf("an error without code or attempts: %+v", e)
	}
	return e
}
