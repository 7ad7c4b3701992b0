package googleapi

import (
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// endpoint is a server that speaks HTTP/2 in memory, and a caller over a transport
// like the shared one.
type endpoint struct {
	server *httptest.Server
	caller Caller
	url    *url.URL
}

func newEndpoint(t *testing.T, serve http.HandlerFunc) *endpoint {
	network := &pipes{accepted: make(chan net.Conn)}
	server := httptest.NewUnstartedServer(serve)
	server.Listener.Close()
	server.Listener = network
	server.Config.ErrorLog = quiet()
	server.EnableHTTP2 = true
	server.StartTLS()
	transport := forGoogle(http.DefaultTransport.(*http.Transport))
	transport.DialContext = network.dial
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return &endpoint{server, Caller{HTTPClient: &http.Client{Transport: transport}}, &url.URL{Scheme: "https", Host: "example.com", Path: "/"}}
}

func (e *endpoint) call(ctx context.Context) error {
	_, err := e.caller.Call(ctx, func(ctx context.Context) (Request, error) {
		return Request{Request: Post(ctx, e.url, "text/plain", "", []byte("x"))}, nil
	})
	return err
}

func TestEveryCallerOfALostConnectionComesBackAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const callers = 16
		var requests, late atomic.Int32
		lost := make(chan struct{})
		e := newEndpoint(t, func(rw http.ResponseWriter, _ *http.Request) {
			if n := requests.Add(1); n > 1 && n <= 1+callers {
				<-lost
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(rw, "ok")
		})
		if err := e.call(t.Context()); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				began := time.Now()
				if err := e.call(t.Context()); err != nil {
					t.Error(err)
				}
				if time.Since(began) > 0 {
					late.Add(1)
				}
			})
		}
		synctest.Wait()
		e.server.CloseClientConnections()
		synctest.Wait()
		close(lost)
		all.Wait()
		if late.Load() > 0 {
			t.Errorf("%d of %d waited", late.Load(), callers)
		}
	})
}

// A server that has too much to do resets streams, and its connection lives on: who
// came back at once would be one of many.
func TestAResetStreamIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int32
		e := newEndpoint(t, func(rw http.ResponseWriter, _ *http.Request) {
			if requests.Add(1) > 1 {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(rw, "ok")
		})
		if err := e.call(t.Context()); err != nil {
			t.Fatal(err)
		}
		e.caller.MaxAttempts = 2
		began := time.Now()
		if err := e.call(t.Context()); err == nil || requests.Load() != 3 || time.Since(began) < 125*time.Millisecond {
			t.Errorf("%d requests, after %v: %v", requests.Load(), time.Since(began), err)
		}
	})
}

func TestADialThatIsRefusedIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport := forGoogle(&http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}})
		c := Caller{HTTPClient: &http.Client{Transport: transport}, MaxAttempts: 2}
		began := time.Now()
		if _, err := c.Call(t.Context(), get); err == nil || time.Since(began) < 125*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}
