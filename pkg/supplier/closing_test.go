package supplier

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
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

// An answer that is left open keeps its connection, and with it a descriptor, for as
// long as the process lives.
func TestEveryAnswerOfAnEndpointIsClosed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status   int
		body     func() io.Reader
		attempts int
	}{
		"a success":                     {200, func() io.Reader { return strings.NewReader(goodAnswer) }, 1},
		"a success that is too long":    {200, func() io.Reader { return strings.NewReader(strings.Repeat(" ", maxAnswer+1)) }, 1},
		"a success that breaks off":     {200, func() io.Reader { return iotest.ErrReader(errors.New("broken")) }, maxAttempts},
		"a redirect":                    {302, func() io.Reader { return strings.NewReader("") }, 1},
		"a refusal":                     {403, func() io.Reader { return strings.NewReader("{}") }, 1},
		"a refusal that breaks off":     {403, func() io.Reader { return iotest.ErrReader(errors.New("broken")) }, maxAttempts},
		"a failure that is tried again": {503, func() io.Reader { return strings.NewReader("") }, maxAttempts},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var bodies []*watched
				w := &wire{answer: func(r *http.Request) (*http.Response, error) {
					answer, body := respond(r, tc.status, ""), &watched{Reader: tc.body()}
					answer.Body, answer.ContentLength = body, -1
					bodies = append(bodies, body)
					return answer, nil
				}}
				_, err := container(w, fullURIVariable, localURI).AwsSecurityCredentials(t.Context(), SupplierContext{})
				if len(bodies) != tc.attempts {
					t.Errorf("%d attempts, then %v", len(bodies), err)
				}
				for i, body := range bodies {
					if !body.closed {
						t.Errorf("the answer to attempt %d is left open", i+1)
					}
				}
			})
		})
	}
}
