package googleapi

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The peer of an HTTP/2 connection goes away without a word, as when a NAT
// forgets it: what is sent is swallowed, and nothing ever comes back.
func TestAConnectionWithoutAPeerCostsOneAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &pipes{accepted: make(chan net.Conn)}
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor != 2 {
				t.Errorf("came by %s", r.Proto)
			}
			_, _ = io.WriteString(w, "{}")
		}))
		server.Listener.Close()
		server.Listener = network
		server.EnableHTTP2 = true
		server.StartTLS()
		defer server.Close()

		transport := sharedTransport().(*transport).Clone()
		defer transport.CloseIdleConnections()
		transport.DialContext = network.dial
		transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		c := Caller{HTTPClient: &http.Client{Transport: transport}}
		call := func() {
			t.Helper()
			_, err := c.Call(t.Context(), func(ctx context.Context) (Request, error) {
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://example.com/", nil)
				return Request{Request: r}, err
			})
			if err != nil {
				t.Error(err)
			}
		}
		call()
		call()
		if n := network.dialled.Load(); n != 1 {
			t.Fatalf("%d connections for two calls", n)
		}

		network.lost.Store(1)
		start := time.Now()
		call()
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("it took %v, which is most of an attempt's %v", took, c.attemptTimeout())
		}
		if n := network.dialled.Load(); n != 2 {
			t.Errorf("%d connections, want a second", n)
		}
	})
}

// pipes is a network in memory, and the listener at its one end.
type pipes struct {
	accepted chan net.Conn
	closed   sync.Once
	dialled  atomic.Int64
	lost     atomic.Int64 // connections up to this number have no peer any more
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.accepted <- theirs
	return pipe{ours, p, p.dialled.Add(1)}, nil
}

func (p *pipes) Accept() (net.Conn, error) {
	c, open := <-p.accepted
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p *pipes) Close() error {
	p.closed.Do(func() { close(p.accepted) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443} }

type pipe struct {
	net.Conn
	network *pipes
	number  int64
}

func (c pipe) Write(b []byte) (int, error) {
	if c.number <= c.network.lost.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}
