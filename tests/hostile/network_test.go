package hostile_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// network is the internet in memory: the fake cloud, and one host where somebody
// else answers. What is sent anywhere else is recorded. What is hostile passes net/http's
// real transport and parser, over pipes, so that time is a bubble's.
type network struct {
	cloud *fakecloud.Cloud
	// taken is the hostile host; "" for none. answer is what it does with a
	// connection once it has read the request; or, if it is not nil, stream is what
	// it does with one of HTTP/2.
	taken  string
	answer func(conn net.Conn, request *seen)
	stream func(*peer)

	transport, http2 *http.Transport
	servers          sync.WaitGroup
	// received are the bytes that somebody took of what the hostile host wrote.
	received atomic.Int64

	mu     sync.Mutex
	seen   []*seen
	strays []string
}

// seen is a request as it came over the wire to the hostile host.
type seen struct {
	*http.Request
	body string
}

func newNetwork(t *testing.T, cloud *fakecloud.Cloud) *network {
	n := &network{cloud: cloud}
	n.transport = http.DefaultTransport.(*http.Transport).Clone()
	n.transport.Proxy = nil
	n.transport.MaxResponseHeaderBytes = 64 << 10 // as in the programs' own transports
	n.transport.DialContext = n.dial
	n.transport.DialTLSContext = n.dial // which leaves TLS out: whoever is hostile here has a certificate
	n.http2 = n.transport.Clone()
	n.transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	n.http2.Protocols = new(http.Protocols)
	n.http2.Protocols.SetUnencryptedHTTP2(true)
	n.http2.HTTP2 = &http.HTTP2Config{SendPingTimeout: 3 * time.Second, PingTimeout: 2 * time.Second, MaxReceiveBufferPerStream: 1 << 20}
	t.Cleanup(func() {
		n.transport.CloseIdleConnections()
		n.http2.CloseIdleConnections()
		n.servers.Wait()
	})
	return n
}

// origins are where something may be sent.
var origins = []string{
	"https://sts.googleapis.com", "https://iamcredentials.googleapis.com", "https://oauth2.googleapis.com",
	"https://sts." + region + ".amazonaws.com", "https://secretsmanager." + region + ".amazonaws.com",
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	switch origin := r.URL.Scheme + "://" + r.URL.Host; {
	case r.URL.Hostname() == n.taken && n.stream != nil:
		n.note(&seen{Request: r})
		plain := r.Clone(r.Context())
		plain.URL.Scheme = "http"
		return n.http2.RoundTrip(plain)
	case r.URL.Hostname() == n.taken:
		return n.transport.RoundTrip(r)
	case slices.Contains(origins, origin):
		return n.cloud.RoundTrip(r)
	default:
		n.mu.Lock()
		defer n.mu.Unlock()
		n.strays = append(n.strays, origin)
		return nil, errors.New("no such host")
	}
}

func (n *network) dial(_ context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	n.servers.Go(func() {
		defer server.Close()
		if conn := (counted{server, &n.received}); n.stream != nil {
			n.serveHTTP2(conn)
		} else {
			n.serve(conn)
		}
	})
	return client, nil
}

// serve answers one request; a hostile host has no second one on a connection.
func (n *network) serve(conn net.Conn) {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	request := &seen{r, string(body)}
	n.note(request)
	n.answer(conn, request)
}

func (n *network) note(s *seen) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = append(n.seen, s)
}

// requests are those that came to the hostile host; by HTTP/2, those that were to.
func (n *network) requests() []*seen {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen
}

// strayed is where something was sent that should not have been.
func (n *network) strayed() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.strays, ", ")
}

type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.n.Add(int64(n))
	return n, err
}
