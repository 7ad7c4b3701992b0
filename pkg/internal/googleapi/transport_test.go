package googleapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
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
	shared, ok := sharedTransport().(*transport)
	if !ok {
		t.Fatalf("shared transport is a %T", sharedTransport())
	}
	standard := http.DefaultTransport.(*http.Transport)
	if shared.Transport == standard {
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

// Whoever replaces http.DefaultTransport has reasons.
func TestSettingsOfAReplacedTransportAreKept(t *testing.T) {
	t.Parallel()
	theirs := &http.Transport{
		MaxResponseHeaderBytes: 1 << 20, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, ClientSessionCache: tls.NewLRUClientSessionCache(1)},
	}
	ours := forGoogle(theirs)
	if ours.MaxResponseHeaderBytes != 1<<20 || !ours.ForceAttemptHTTP2 ||
		ours.TLSClientConfig.MinVersion != tls.VersionTLS13 || ours.TLSClientConfig.ClientSessionCache != theirs.TLSClientConfig.ClientSessionCache {
		t.Errorf("got %+v", ours)
	}
	bare := &http.Transport{}
	if forGoogle(bare).TLSClientConfig.ClientSessionCache == nil || bare.TLSClientConfig != nil && bare.TLSClientConfig.ClientSessionCache != nil {
		t.Error("no sessions are kept, or by the transport that is not ours, too")
	}
}

func TestSharedTransportTakesFewHeadersAndResumesSessions(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if (r.ProtoMajor == 2) != http2 {
					t.Errorf("came by %s", r.Proto)
				}
				w.Header().Set("X-Long", strings.Repeat("x", int(r.ContentLength)))
				w.Header().Set("X-Resumed", strconv.FormatBool(r.TLS.DidResume))
			}))
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			endpoint, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}

			shared := forGoogle(http.DefaultTransport.(*http.Transport))
			shared.TLSClientConfig.RootCAs = x509.NewCertPool()
			shared.TLSClientConfig.RootCAs.AddCert(server.Certificate())
			post := func(length int) (*Answer, error) {
				transport := shared.Clone() // with its sessions, without its connections
				defer transport.CloseIdleConnections()
				c := Caller{HTTPClient: &http.Client{Transport: transport}, MaxAttempts: 1}
				return c.Call(t.Context(), func(ctx context.Context) (Request, error) {
					return Request{Request: Post(ctx, endpoint, "text/plain", "", make([]byte, length))}, nil
				})
			}
			for _, want := range []string{"false", "true"} {
				answer, err := post(maxHeader / 2)
				if err != nil {
					t.Fatal(err)
				}
				if got := answer.Header.Get("X-Resumed"); got != want {
					t.Errorf("resumed: %s, want %s", got, want)
				}
			}
			if _, err := post(2 * maxHeader); err == nil {
				t.Errorf("headers of %d bytes were taken", 2*maxHeader)
			}
		})
	}
}

// Trust that was withdrawn ends with the connection, not with the session.
func TestNoSessionIsResumedWithARootThatIsNoLongerTrusted(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	defer server.Close()
	first := forGoogle(http.DefaultTransport.(*http.Transport))
	first.TLSClientConfig.RootCAs = x509.NewCertPool()
	first.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	second := first.Clone() // with its sessions
	second.TLSClientConfig.RootCAs = x509.NewCertPool()
	resp, err := (&http.Client{Transport: first}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	first.CloseIdleConnections()
	if resp, err := (&http.Client{Transport: second}).Get(server.URL); err == nil {
		resp.Body.Close()
		t.Error("a server was believed whose root is not trusted")
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

// As a function's that thaws: the peer hung up meanwhile.
func TestAConnectionThatWasClosedCostsNoWait(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		for when, noticed := range map[string]bool{"noticed before": true, "noticed at the next call": false} {
			t.Run(name+", "+when, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					network := &pipes{accepted: make(chan net.Conn)}
					server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_, _ = io.WriteString(w, r.Proto)
					}))
					server.Listener.Close()
					server.Listener = network
					server.EnableHTTP2 = http2
					server.StartTLS()
					defer server.Close()
					var dead atomic.Bool
					transport := forGoogle(http.DefaultTransport.(*http.Transport))
					defer transport.CloseIdleConnections()
					transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
						conn, err := network.dial(ctx, "", "")
						if network.dialled.Load() == 1 && !noticed {
							conn = &deaf{Conn: conn, dead: &dead, closed: make(chan struct{})}
						}
						return conn, err
					}
					transport.TLSClientConfig.RootCAs = x509.NewCertPool()
					transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
					c := Caller{HTTPClient: &http.Client{Transport: transport}}
					endpoint := &url.URL{Scheme: "https", Host: "example.com", Path: "/"}
					call := func() {
						t.Helper()
						answer, err := c.Call(t.Context(), func(ctx context.Context) (Request, error) {
							return Request{Request: Post(ctx, endpoint, "text/plain", "", []byte("x"))}, nil
						})
						if err != nil || (string(answer.Body) == "HTTP/2.0") != http2 {
							t.Errorf("got %+v, %v", answer, err)
						}
					}
					call()
					synctest.Wait()
					dead.Store(true)
					server.CloseClientConnections()
					synctest.Wait()
					began := time.Now()
					call()
					if took := time.Since(began); took != 0 || network.dialled.Load() != 2 {
						t.Errorf("it took %v and %d connections", took, network.dialled.Load())
					}
				})
			})
		}
	}
}

// deaf is a connection that tells of its end only who writes to it.
type deaf struct {
	net.Conn
	dead   *atomic.Bool
	once   sync.Once
	closed chan struct{}
}

func (d *deaf) Read(p []byte) (int, error) {
	n, err := d.Conn.Read(p)
	if d.dead.Load() {
		<-d.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (d *deaf) Write(p []byte) (int, error) {
	if d.dead.Load() {
		return 0, &net.OpError{Op: "write", Err: syscall.EPIPE}
	}
	return d.Conn.Write(p)
}

func (d *deaf) Close() error {
	d.once.Do(func() { close(d.closed) })
	return d.Conn.Close()
}

// Who hangs up on everybody is not asked again at once.
func TestANewConnectionThatIsClosedIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport := forGoogle(http.DefaultTransport.(*http.Transport))
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			return ours, theirs.Close()
		}
		c := Caller{HTTPClient: &http.Client{Transport: transport}, MaxAttempts: 2}
		began := time.Now()
		_, err := c.Call(t.Context(), get)
		if e := asError(t, err); e.Code != CodeUnreachable || e.Attempts != 2 || time.Since(began) < 125*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}
