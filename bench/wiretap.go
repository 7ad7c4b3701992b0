package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

// tap is an HTTPS server that counts its traffic and can hang up on everybody.
type tap struct {
	url    string
	server *http.Server
	served chan struct{} // closed when Serve has returned

	mu    sync.Mutex
	count traffic
	open  map[net.Conn]struct{}
}

// traffic is what has gone over a server's connections.
type traffic struct {
	connections int
	// full and resumed are TLS handshakes. A resumed one has no certificate and
	// nothing signed.
	full, resumed int
	// received and sent are bytes of TCP's payload: requests and answers, their TLS
	// records, and the handshakes.
	received, sent int
}

func (t traffic) handshakes() int { return t.full + t.resumed }

func (t traffic) bytes() int { return t.received + t.sent }

func (t traffic) minus(u traffic) traffic {
	return traffic{t.connections - u.connections, t.full - u.full, t.resumed - u.resumed, t.received - u.received, t.sent - u.sent}
}

func (t traffic) plus(u traffic) traffic { return t.minus(traffic{}.minus(u)) }

// newTap serves on a free port of 127.0.0.1 until close, by HTTP/2 too if asked to.
func newTap(handler http.Handler, certificate tls.Certificate, http2 bool) (*tap, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for a fake cloud: %w", err)
	}
	t := &tap{
		url:    "https://" + listener.Addr().String(),
		served: make(chan struct{}),
		open:   map[net.Conn]struct{}{},
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(http2)
	t.server = &http.Server{
		Handler:   handler,
		Protocols: &protocols,
		ConnState: t.note,
		ErrorLog:  log.New(io.Discard, "", 0), // clients that are gone
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, VerifyConnection: t.shaken},
	}
	go func() {
		defer close(t.served)
		_ = t.server.ServeTLS(tappedListener{listener, t}, "", "") // always http.ErrServerClosed, by close
	}()
	return t, nil
}

func (t *tap) close() {
	_ = t.server.Close()
	<-t.served
}

// traffic is all there has been so far.
func (t *tap) traffic() traffic {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}

// hangUp closes every connection, as servers do with those that idle.
func (t *tap) hangUp() {
	t.mu.Lock()
	all := make([]net.Conn, 0, len(t.open))
	for conn := range t.open {
		all = append(all, conn)
	}
	t.mu.Unlock()
	for _, conn := range all {
		_ = conn.Close()
	}
}

func (t *tap) add(more traffic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count = t.count.plus(more)
}

// shaken is called at the end of every handshake, a resumed one's too.
func (t *tap) shaken(state tls.ConnectionState) error {
	if state.DidResume {
		t.add(traffic{resumed: 1})
	} else {
		t.add(traffic{full: 1})
	}
	return nil
}

func (t *tap) note(conn net.Conn, state http.ConnState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch state {
	case http.StateNew:
		t.open[conn] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(t.open, conn)
	}
}

type tappedListener struct {
	net.Listener
	tap *tap
}

func (l tappedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.tap.add(traffic{connections: 1})
	return tappedConn{conn, l.tap}, nil
}

type tappedConn struct {
	net.Conn
	tap *tap
}

func (c tappedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.tap.add(traffic{received: n})
	return n, err
}

// Write counts first: when it returns, the client may have the answer and be asked
// what it took.
func (c tappedConn) Write(p []byte) (int, error) {
	c.tap.add(traffic{sent: len(p)})
	return c.Conn.Write(p)
}
