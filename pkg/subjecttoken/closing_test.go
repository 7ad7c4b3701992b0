package subjecttoken

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
func TestEveryAnswerToASourceIsClosed(t *testing.T) {
	t.Parallel()
	sources := map[string]func(http.RoundTripper) Source{
		"url": func(transport http.RoundTripper) Source {
			return URL{URL: "https://broker.example/token", HTTPClient: &http.Client{Transport: transport}}
		},
		"GetWebIdentityToken": func(transport http.RoundTripper) Source { return webIdentity(transport) },
	}
	bodies := map[string]struct {
		status int
		body   func() io.Reader
	}{
		"a success":                     {200, func() io.Reader { return strings.NewReader(webIdentityAnswer(planted)) }},
		"a success that is too long":    {200, func() io.Reader { return strings.NewReader(strings.Repeat(" ", 2<<20)) }},
		"a success that breaks off":     {200, func() io.Reader { return iotest.ErrReader(errors.New("broken")) }},
		"a refusal":                     {403, func() io.Reader { return strings.NewReader(refusal("AccessDenied", "no")) }},
		"a refusal that is too long":    {403, func() io.Reader { return strings.NewReader(strings.Repeat(" ", 2<<20)) }},
		"a refusal that breaks off":     {403, func() io.Reader { return iotest.ErrReader(errors.New("broken")) }},
		"a failure that is tried again": {503, func() io.Reader { return strings.NewReader("") }},
	}
	for name, source := range sources {
		for what, tc := range bodies {
			t.Run(name+", "+what, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var answers []*watched
					_, err := source(wire(func(*http.Request) (*http.Response, error) {
						body := &watched{Reader: tc.body()}
						answers = append(answers, body)
						return &http.Response{StatusCode: tc.status, Header: http.Header{}, Body: body, ContentLength: -1}, nil
					})).SubjectToken(t.Context())
					if len(answers) == 0 {
						t.Errorf("nothing was asked: %v", err)
					}
					for i, body := range answers {
						if !body.closed {
							t.Errorf("the answer to attempt %d is left open", i+1)
						}
					}
				})
			})
		}
	}
}

// A RoundTripper closes the body of the request that it does not make, too.
func TestARequestWithoutACertificateIsClosed(t *testing.T) {
	t.Parallel()
	certificate := &Certificate{ConfigLocation: t.TempDir() + "/none.json"}
	body := &watched{Reader: strings.NewReader("subject_token=none")}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://sts.mtls.googleapis.com/v1/token", body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := certificate.Transport(nil).RoundTrip(r)
	if err == nil {
		resp.Body.Close()
		t.Error("a request was made without a certificate")
	}
	if !body.closed {
		t.Error("the request is left open")
	}
}
