package subjecttoken

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// What is planted where a secret may stand, to be searched for in every error:
// one that looks like a token and one that does not.
const (
	planted    = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJl"
	plantedKey = "correct/horse+battery=staple"
)

func wantToken(t *testing.T, got secret.Text, err error, want string) {
	t.Helper()
	if err != nil || got.Reveal() != want {
		t.Fatalf("got %q, %v; want %q", got.Reveal(), err, want)
	}
}

// wantError checks that err is an *Error of a source, on one line, with every
// part of says and without what is planted, and returns it.
func wantError(t *testing.T, err error, source string, says ...string) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got a %T, want an *Error: %v", err, err)
	}
	if e.Source != source {
		t.Errorf("source is %q, want %q: %v", e.Source, source, err)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("does not say %q: %v", s, err)
		}
	}
	wantHidden(t, err)
	return e
}

func wantHidden(t *testing.T, err error) {
	t.Helper()
	if s := err.Error(); len(s) > 2500 || strings.ContainsAny(s, "\n\r\x00\x1b") {
		t.Errorf("not one short printable line: %q", s)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		text := fmt.Sprintf("%v %+v %#v", e, e, e)
		for _, s := range []string{planted[:20], plantedKey, "Canonical String"} {
			if strings.Contains(text, s) {
				t.Errorf("shows %s: %s", s, text)
			}
		}
	}
}

// write puts a file into a directory of the test's own.
func write(t *testing.T, name, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	rewrite(t, path, content)
	return path
}

func rewrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func environ(pairs ...string) func(string) string {
	m := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

// wire answers requests in-process.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

func (w wire) client() *http.Client { return &http.Client{Transport: w} }

func respond(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

func TestFuncIsToldWhatTheTokenIsFor(t *testing.T) {
	t.Parallel()
	var told supplier.SupplierContext
	source := Func{
		Supply: func(_ context.Context, sc supplier.SupplierContext) (secret.Text, error) {
			told = sc
			return secret.New(planted), nil
		},
		Audience:         knownAudience,
		SubjectTokenType: JWTTokenType,
	}
	token, err := source.SubjectToken(t.Context())
	wantToken(t, token, err, planted)
	if told.Audience != knownAudience || told.SubjectTokenType != JWTTokenType {
		t.Errorf("it was told %+v", told)
	}
}

func TestWhatAFunctionDoesWrongIsATypedError(t *testing.T) {
	t.Parallel()
	sealed := errors.New("the vault is sealed")
	own := &Error{Source: "vault", Reason: "it is sealed", Retryable: true}
	returns := func(token string, err error) Func {
		return Func{Supply: func(context.Context, supplier.SupplierContext) (secret.Text, error) { return secret.New(token), err }}
	}
	for name, tc := range map[string]struct {
		source    Func
		from      string
		says      string
		is        error
		retryable bool
	}{
		"no function":            {Func{}, "function", "Func.Supply is nil", nil, false},
		"nothing, and no error":  {returns("", nil), "function", "an empty token and no error", nil, false},
		"an error":               {returns("", sealed), "function", "the vault is sealed", sealed, false},
		"a token with an error":  {returns(planted, sealed), "function", "the vault is sealed", sealed, false},
		"a deadline that passed": {returns("", context.DeadlineExceeded), "function", "deadline", context.DeadlineExceeded, true},
		"an error of this type":  {returns("", fmt.Errorf("asking: %w", own)), "vault", "it is sealed", own, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := tc.source.SubjectToken(t.Context())
			e := wantError(t, err, tc.from, tc.says)
			if !token.IsZero() || e.Retryable != tc.retryable || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("a token: %v, retryable: %v, %v", !token.IsZero(), e.Retryable, err)
			}
		})
	}
}

func TestAnErrorTellsItsSource(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	for want, e := range map[string]*Error{
		"signing the AWS request: reason":                                {Reason: "reason"},
		"signing the AWS request: reason: cause":                         {Reason: "reason", Err: cause},
		"getting the subject token from file: reason: cause":             {Source: "file", Reason: "reason", Err: cause},
		"getting the subject token from url: reason: code: message":      {Source: "url", Reason: "reason", Code: "code", Message: "message", Err: cause},
		"getting the subject token from executable: reason: code":        {Source: "executable", Reason: "reason", Code: "code"},
		"getting the subject token from executable: reason: the message": {Source: "executable", Reason: "reason", Message: "the message"},
	} {
		if e.Error() != want {
			t.Errorf("got  %s\nwant %s", e, want)
		}
	}
}
