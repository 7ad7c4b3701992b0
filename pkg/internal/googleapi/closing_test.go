package googleapi

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
func TestEveryAnswerIsClosed(t *testing.T) {
	t.Parallel()
	breaks := func() io.Reader {
		return io.MultiReader(strings.NewReader(`{"a`), iotest.ErrReader(errors.New("broken")))
	}
	for name, tc := range map[string]struct {
		status   int
		body     func() io.Reader
		attempts int
	}{
		"a success":                       {200, func() io.Reader { return strings.NewReader("{}") }, 1},
		"a success without a body":        {204, func() io.Reader { return strings.NewReader("") }, 1},
		"a success that is too long":      {200, func() io.Reader { return &countedBody{} }, 1},
		"a success that breaks off":       {200, breaks, 4},
		"a redirect":                      {302, func() io.Reader { return strings.NewReader("") }, 1},
		"a refusal":                       {403, func() io.Reader { return strings.NewReader(`{"error":"invalid_grant"}`) }, 1},
		"a refusal that is too long":      {403, func() io.Reader { return &countedBody{} }, 1},
		"a refusal that breaks off":       {403, breaks, 1},
		"a failure that is tried again":   {503, func() io.Reader { return strings.NewReader("") }, 4},
		"one that breaks off besides it":  {503, breaks, 4},
		"one that is too long besides it": {503, func() io.Reader { return &countedBody{} }, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var bodies []*watched
				c := Caller{HTTPClient: client(func(*http.Request) (*http.Response, error) {
					body := &watched{Reader: tc.body()}
					bodies = append(bodies, body)
					return &http.Response{StatusCode: tc.status, Header: http.Header{}, Body: body, ContentLength: -1}, nil
				})}
				_, err := c.Call(t.Context(), get)
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
