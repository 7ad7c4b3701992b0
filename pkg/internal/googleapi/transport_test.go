package googleapi

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// roundTripper is a server in-process.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func client(f roundTripper) *http.Client { return &http.Client{Transport: f} }

// answer is an answer with that body and those headers (name, value, …).
func answer(status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}
}

// get builds a plain request.
func get(ctx context.Context) (Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://sts.googleapis.com/v1/token", nil)
	return Request{Request: req}, err
}

// hang answers nothing until the attempt is over.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// inTurn answers with each of the functions, then with the last for ever.
func inTurn(calls *atomic.Int32, answers ...roundTripper) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		n := int(calls.Add(1))
		return answers[min(n, len(answers))-1](r)
	}
}

func always(status int, body string, headers ...string) roundTripper {
	return func(*http.Request) (*http.Response, error) { return answer(status, body, headers...), nil }
}

func TestSharedTransportFollowsTheStandardOneButWaitsLess(t *testing.T) {
	t.Parallel()
	shared, ok := sharedTransport().(*http.Transport)
	if !ok {
		t.Fatalf("shared transport is a %T", sharedTransport())
	}
	standard := http.DefaultTransport.(*http.Transport)
	if shared == standard {
		t.Fatal("http.DefaultTransport itself was changed")
	}
	if shared.Proxy == nil || !shared.ForceAttemptHTTP2 || shared.DisableKeepAlives {
		t.Error("proxy, HTTP/2 or keep-alive got lost")
	}
	if shared.TLSHandshakeTimeout >= standard.TLSHandshakeTimeout {
		t.Errorf("TLS handshake may take %v", shared.TLSHandshakeTimeout)
	}
	if (&Caller{}).transport() != (&Caller{}).transport() {
		t.Error("two callers do not share connections")
	}
}

func TestConnectionsOfConcurrentCallersAreKept(t *testing.T) {
	t.Parallel()
	const callers, rounds = 16, 10
	var dialled atomic.Int32
	var all sync.WaitGroup // holds each answer back until everyone has asked
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		all.Done()
		all.Wait()
		_, _ = io.WriteString(w, "{}")
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			dialled.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	build := func(ctx context.Context) (Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		return Request{Request: req}, err
	}
	for range rounds {
		var round sync.WaitGroup
		all.Add(callers)
		for range callers {
			round.Go(func() {
				if _, err := (&Caller{MaxAttempts: 1}).Call(t.Context(), build); err != nil {
					t.Error(err)
				}
			})
		}
		round.Wait()
	}
	// A connection is idle a moment after its answer was read, so a round may
	// have to dial for one or two that were not yet.
	if n := dialled.Load(); n > 2*callers {
		t.Errorf("%d connections for %d callers who came %d times", n, callers, rounds)
	}
}
