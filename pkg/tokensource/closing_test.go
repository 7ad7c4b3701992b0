package tokensource

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// watched is a body that knows whether it was closed.
type watched struct {
	io.Reader
	closed bool
}

func (w *watched) Close() error {
	w.closed = true
	return nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An answer that is left open keeps its connection, and with it a descriptor, for as
// long as the process lives.
func TestEveryAnswerOfTheExtensionIsClosed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   io.Reader
	}{
		"a success":                  {200, strings.NewReader(valueOf(stored))},
		"a success that is too long": {200, strings.NewReader(strings.Repeat(" ", maxExtensionAnswer+1))},
		"a success that breaks off":  {200, iotest.ErrReader(errors.New("broken"))},
		"a redirect":                 {302, strings.NewReader("")},
		"a refusal":                  {400, strings.NewReader("[AccessDeniedException]")},
		"a refusal that breaks off":  {400, iotest.ErrReader(errors.New("broken"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := &watched{Reader: tc.body}
			x := Extension{Getenv: lambda(nil), HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: tc.status, Header: http.Header{}, Body: body, ContentLength: -1, Request: r}, nil
			})}}
			_, err := x.ReadStage(t.Context(), "s", stageCurrent)
			if !body.closed {
				t.Errorf("the answer is left open, with %v", err)
			}
		})
	}
}
