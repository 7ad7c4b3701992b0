package googleapi

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/wifmint/wifmint/pkg/secret"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func TestErrorAnswersAreRead(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"OAuth's shape":                       {400, `{"error":"invalid_grant","error_description":"The audience is wrong."}`, "invalid_grant: The audience is wrong. (HTTP 400)"},
		"OAuth's shape with a URI":            {400, `{"error":"invalid_target","error_description":"d","error_uri":"https://x/y"}`, "invalid_target: d (HTTP 400, see https://x/y)"},
		"OAuth's shape, the code only":        {401, `{"error":"invalid_client"}`, "invalid_client (HTTP 401)"},
		"OAuth's shape, badly typed details":  {400, `{"error":"invalid_grant","error_description":{"a":1},"error_uri":7}`, "invalid_grant (HTTP 400)"},
		"Google's shape":                      {403, `{"error":{"code":403,"message":"Permission denied","status":"PERMISSION_DENIED"}}`, "PERMISSION_DENIED: Permission denied (HTTP 403)"},
		"Google's shape without status":       {404, `{"error":{"code":404,"message":"Not found"}}`, "http_error: Not found (HTTP 404)"},
		"Google's shape, code as a string":    {400, `{"error":{"code":"400","message":"m","status":"INVALID_ARGUMENT"}}`, "INVALID_ARGUMENT: m (HTTP 400)"},
		"a page of HTML":                      {400, "\r\n<!DOCTYPE html><html><title>502 Bad Gateway</title>", "http_error: a page of HTML or XML instead of JSON (HTTP 400)"},
		"a proxy's text":                      {400, "no healthy\r\n\tupstream\x1b[31m", "http_error: text instead of JSON: no healthy upstream [31m (HTTP 400)"},
		"nothing":                             {400, " \n", "http_error: an empty answer (HTTP 400)"},
		"other JSON":                          {400, `{"access_token":"ya29.x"}`, "http_error: JSON in neither of Google's error shapes (HTTP 400)"},
		"JSON null":                           {400, `null`, "http_error: text instead of JSON: null (HTTP 400)"},
		"a JSON list":                         {400, `[{"error":{}}]`, "http_error: JSON in neither of Google's error shapes (HTTP 400)"},
		"an error that is a number":           {400, `{"error":42}`, "http_error: JSON in neither of Google's error shapes (HTTP 400)"},
		"truncated JSON":                      {400, `{"error":"invalid_gr`, "http_error: JSON in neither of Google's error shapes (HTTP 400)"},
		"control characters and line breaks":  {400, `{"error":"a\u0000b","error_description":"one\n\ttwo\u202ethree\u0007"}`, "a b: one two three (HTTP 400)"},
		"a code and a description, both long": {400, `{"error":"` + strings.Repeat("c", 100) + `","error_description":"` + strings.Repeat("ü", 600) + `"}`, strings.Repeat("c", 64) + "…: " + strings.Repeat("ü", 500) + "… (HTTP 400)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Caller{HTTPClient: client(always(tc.status, tc.body))}
			_, err := c.Call(t.Context(), get)
			if got := asError(t, err).Error(); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestMaskHidesTheSecretAndLeavesTheRest(t *testing.T) {
	t.Parallel()
	const token = "SUBJECTtoken0123456789abcdefghijklmnopqrstuvwxyz"
	const audience = "//iam.googleapis.com/projects/123/pools/p"
	for name, tc := range map[string]struct{ text, want string }{
		"nothing secret":       {"The audience is wrong.", "The audience is wrong."},
		"the whole":            {"got " + token + " here", "got [masked] here"},
		"the beginning":        {"got " + token[:20] + "… here", "got [masked]… here"},
		"the middle":           {"got 'x" + token[9:30] + "' here", "got 'x[masked]' here"},
		"the end at the end":   {"got " + token[20:], "got [masked]"},
		"twice":                {token + " and " + token, "[masked] and [masked]"},
		"twice in a row":       {token + token, "[masked]"},
		"shorter than a run":   {"starts " + token[:11], "starts " + token[:11]},
		"percent-encoded":      {"a%2Fb%2Fc%2Fd%2Fe is bad", "[masked] is bad"},
		"percent-decoded":      {"x+y/z=x+y/z=x+y/z= is bad", "[masked] is bad"},
		"a short secret":       {"password pw1 is bad", "password [masked] is bad"},
		"public though inside": {"no such pool: " + audience, "no such pool: " + audience},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMask(Request{
				Request: &http.Request{URL: &url.URL{}},
				Secrets: []secret.Text{
					secret.New(token), secret.New("a/b/c/d/e"), secret.New("x%2By%2Fz%3Dx%2By%2Fz%3Dx%2By%2Fz%3D"),
					secret.New("pw1"), secret.New("signed:" + audience),
				},
				Public: []string{audience},
			})
			if got := m.text(tc.text, maxMessage); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// Whatever the answer: an error with a code, one line of bounded, valid,
// printable text, and no run of the secret in it.
func FuzzErrorAnswer(f *testing.F) {
	const token = "SUBJECTtoken0123456789abcdefghijklmnopqrstuvwxyz"
	f.Add(400, `{"error":"invalid_grant","error_description":"d","error_uri":"https://x"}`)
	f.Add(403, `{"error":{"code":403,"message":"`+token+`","status":"PERMISSION_DENIED"}}`)
	f.Add(502, "<html>\xff"+token)
	f.Add(503, "x"+token+"\x00")
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 300 || status > 999 {
			return
		}
		c := Caller{MaxAttempts: 1, HTTPClient: client(always(status, body))}
		_, err := c.Call(t.Context(), func(ctx context.Context) (Request, error) {
			req, err := get(ctx)
			req.Secrets = []secret.Text{secret.New(token)}
			return req, err
		})
		e := asError(t, err)
		text := e.Error()
		if e.HTTPStatus != status || e.Retryable != passing(status) {
			t.Errorf("got %+v", e)
		}
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) || utf8.RuneCountInString(text) > 1000 {
			t.Errorf("unfit text %q", text)
		}
		for run := range runsOf(token) {
			if strings.Contains(text, run) {
				t.Fatalf("%q of the secret is in %q", run, text)
			}
		}
	})
}
