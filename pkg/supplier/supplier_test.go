package supplier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
)

// What is planted in every test as a secret, to be searched for in every error.
const (
	plantedKey   = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	plantedToken = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCWV1LXdlc3QtMSJHMEUC+a/b="
	plantedAuth  = "Bearer-of-the-container-authorization-token"
	plantedPath  = "credential-id-d41d8cd98f00b204"
	testKeyID    = "ASIAIOSFODNN7EXAMPLE"
)

func testKeys() AwsSecurityCredentials {
	return AwsSecurityCredentials{AccessKeyID: testKeyID, SecretAccessKey: secret.New(plantedKey), SessionToken: secret.New(plantedToken)}
}

func wantTestKeys(t *testing.T, got AwsSecurityCredentials, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("got error %v", err)
	}
	want := testKeys()
	if got.AccessKeyID != want.AccessKeyID || !got.SecretAccessKey.Equal(want.SecretAccessKey) || !got.SessionToken.Equal(want.SessionToken) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

// wantError checks that err is an *Error of a source, whose text holds every
// part of says and no planted secret, and returns it.
func wantError(t *testing.T, err error, source string, says ...string) *Error {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is a %T, want *Error: %v", err, err)
	}
	if e.Source != source {
		t.Errorf("source is %q, want %q: %v", e.Source, source, err)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error does not say %q: %v", s, err)
		}
	}
	wantNoSecret(t, err)
	return e
}

func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		text := fmt.Sprintf("%v %+v %#v", e, e, e)
		for _, s := range []string{plantedKey, plantedToken, plantedAuth, plantedPath} {
			if strings.Contains(text, s) {
				t.Errorf("error shows the secret %q: %s", s, text)
			}
		}
	}
}

func environ(pairs ...string) func(string) string {
	m := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

// wire answers requests in-process and remembers them.
type wire struct {
	answer func(*http.Request) (*http.Response, error)

	mu   sync.Mutex
	sent []string // "GET http://host/path"
	last http.Header
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.sent = append(w.sent, r.Method+" "+r.URL.String())
	w.last = r.Header.Clone()
	w.mu.Unlock()
	return w.answer(r)
}

func (w *wire) client() *http.Client { return &http.Client{Transport: w} }

func (w *wire) calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.sent...)
}

// says is a wire on which every request gets the same answer.
func says(status int, body string) *wire {
	return &wire{answer: func(r *http.Request) (*http.Response, error) { return respond(r, status, body), nil }}
}

// hangs is a wire on which nobody ever answers.
func hangs() *wire {
	return &wire{answer: func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}}
}

func respond(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{}, Request: r,
		Body: readCloser{strings.NewReader(body)}, ContentLength: int64(len(body)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// noCalls fails the test on any request.
func noCalls(t *testing.T) *http.Client {
	return (&wire{answer: func(r *http.Request) (*http.Response, error) {
		t.Errorf("a request was made: %s %s", r.Method, r.URL)
		return nil, errors.New("no network here")
	}}).client()
}

// custom is a supplier of the caller's own.
type custom struct {
	creds  AwsSecurityCredentials
	region string
	err    error
	asked  *int
}

func (c custom) AwsSecurityCredentials(context.Context, SupplierContext) (AwsSecurityCredentials, error) {
	if c.asked != nil {
		*c.asked++
	}
	return c.creds, c.err
}

func (c custom) AwsRegion(context.Context, SupplierContext) (string, error) { return c.region, c.err }

func TestASupplierThatMisbehavesIsATypedError(t *testing.T) {
	t.Parallel()
	keys := func(id, key, token string) AwsSecurityCredentials {
		return AwsSecurityCredentials{AccessKeyID: id, SecretAccessKey: secret.New(key), SessionToken: secret.New(token)}
	}
	var nilPointer *AssumeRole
	var nilError *Error
	for name, tc := range map[string]struct {
		supplier  AwsSecurityCredentialsSupplier
		says      string
		retryable bool
	}{
		"nil":                              {nil, "nil", false},
		"nil pointer in the interface":     {nilPointer, "nil", false},
		"nothing and no error":             {custom{}, "empty", false},
		"a key id alone":                   {custom{creds: keys(testKeyID, "", "")}, "secret access key is empty", false},
		"a secret key alone":               {custom{creds: keys("", plantedKey, "")}, "access key id is empty", false},
		"a session token without the key":  {custom{creds: keys(testKeyID, "", plantedToken)}, "secret access key is empty", false},
		"a line break in the secret key":   {custom{creds: keys(testKeyID, plantedKey+"\n", "")}, "white space", false},
		"a space in the key id":            {custom{creds: keys(testKeyID+" ", plantedKey, "")}, "white space", false},
		"a header in the session token":    {custom{creds: keys(testKeyID, plantedKey, plantedToken+"\r\nX-A: b")}, "session token", false},
		"an error of no type":              {custom{err: errors.New("vault is sealed")}, "vault is sealed", false},
		"a nil pointer for an error":       {custom{err: nilError}, "nil *supplier.Error", false},
		"its own deadline":                 {custom{err: fmt.Errorf("asking: %w", context.DeadlineExceeded)}, "asking", true},
		"keys beside an error":             {custom{creds: keys(testKeyID, plantedKey, ""), err: errors.New("stale")}, "stale", false},
		"nil pointer to a value's methods": {(*custom)(nil), "nil", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			creds, err := Credentials(t.Context(), tc.supplier, SupplierContext{})
			e := wantError(t, err, "supplier", tc.says)
			if e.Retryable != tc.retryable {
				t.Errorf("retryable is %v", e.Retryable)
			}
			if creds != (AwsSecurityCredentials{}) {
				t.Errorf("credentials beside an error: %v", creds)
			}
		})
	}
}

func TestATypedErrorOfASupplierIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	own := fmt.Errorf("in my supplier: %w", &Error{Source: "provider", Reason: "no", Retryable: true})
	if _, err := Credentials(t.Context(), custom{err: own}, SupplierContext{}); err != own {
		t.Errorf("credentials: got %v", err)
	}
	if _, err := Region(t.Context(), custom{err: own}, SupplierContext{}); err != own {
		t.Errorf("region: got %v", err)
	}
}

func TestAContextErrorStaysVisibleThroughAnUntypedError(t *testing.T) {
	t.Parallel()
	_, err := Credentials(t.Context(), custom{err: fmt.Errorf("asking: %w", context.Canceled)}, SupplierContext{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("errors.Is does not see it in %v", err)
	}
}

func TestASupplierGetsItsContext(t *testing.T) {
	t.Parallel()
	want := SupplierContext{Audience: "//iam.googleapis.com/x", SubjectTokenType: "urn:y"}
	var got []SupplierContext
	s := asked(func(sc SupplierContext) { got = append(got, sc) })
	_, _ = Credentials(t.Context(), Chain{s}, want)
	_, _ = Region(t.Context(), Chain{s}, want)
	if len(got) != 2 || got[0] != want || got[1] != want {
		t.Errorf("got %v", got)
	}
}

type asked func(SupplierContext)

func (a asked) AwsSecurityCredentials(_ context.Context, sc SupplierContext) (AwsSecurityCredentials, error) {
	a(sc)
	return testKeys(), nil
}

func (a asked) AwsRegion(_ context.Context, sc SupplierContext) (string, error) {
	a(sc)
	return "eu-west-1", nil
}

func TestRegionRefusesWhatIsNoHostNamePart(t *testing.T) {
	t.Parallel()
	for _, region := range []string{"", "eu-west-1.evil.example", "eu-west-1/", "EU-WEST-1", "us-west-2-lax-1a", plantedKey} {
		_, err := Region(t.Context(), custom{region: region}, SupplierContext{})
		wantError(t, err, "supplier", "a region looks like eu-west-1")
	}
	_, err := Region(t.Context(), nil, SupplierContext{})
	wantError(t, err, "supplier", "nil")
	_, err = Region(t.Context(), custom{err: errors.New("sealed")}, SupplierContext{})
	wantError(t, err, "supplier", "sealed")
	if got, err := Region(t.Context(), custom{region: "eu-west-1"}, SupplierContext{}); got != "eu-west-1" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestSDKAsksTheSupplierEveryTime(t *testing.T) {
	t.Parallel()
	var n int
	p := SDK(custom{creds: testKeys(), asked: &n})
	for range 3 {
		c, err := p.Retrieve(t.Context())
		if err != nil || c.AccessKeyID != testKeyID || c.SecretAccessKey != plantedKey || c.SessionToken != plantedToken {
			t.Fatalf("wrong credentials, error %v", err)
		}
	}
	if n != 3 {
		t.Errorf("asked %d times, want 3", n)
	}
	_, err := SDK(nil).Retrieve(t.Context())
	wantError(t, err, "supplier", "nil")
}

func testNow() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
