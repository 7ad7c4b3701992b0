package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestAListenerCountsTheBytesOfBothWays(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	counted := &tap{}
	served := make(chan error, 1)
	go func() {
		conn, err := tappedListener{listener, counted}.Accept()
		if err != nil {
			served <- err
			return
		}
		defer conn.Close()
		if _, err := io.ReadAll(conn); err != nil {
			served <- err
			return
		}
		_, err = io.WriteString(conn, "an answer")
		served <- err
	}()

	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := io.WriteString(client, "question"); err != nil {
		t.Fatal(err)
	}
	if err := client.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	want := traffic{connections: 1, received: len("question"), sent: len("an answer")}
	if got := counted.traffic(); got != want || got.bytes() != 17 {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestATapTellsResumedHandshakesFromFullOnes(t *testing.T) {
	t.Parallel()
	id, err := theIdentity()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(id.authority)
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "an answer") })
	for _, test := range []struct {
		name     string
		sessions tls.ClientSessionCache
		http2    bool
		want     traffic
	}{
		{"a client that keeps sessions", tls.NewLRUClientSessionCache(1), false, traffic{connections: 2, full: 1, resumed: 1}},
		{"one that does not", nil, false, traffic{connections: 2, full: 2}},
		{"a client that keeps sessions, by HTTP/2", tls.NewLRUClientSessionCache(1), true, traffic{connections: 2, full: 1, resumed: 1}},
		{"one that does not, by HTTP/2", nil, true, traffic{connections: 2, full: 2}},
	} {
		server, err := newTap(answer, id.certificate, test.http2)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, ClientSessionCache: test.sessions}}
			for range 3 { // over one connection
				ask(t, test.name, &http.Client{Transport: transport}, server.url, test.http2)
			}
			server.hangUp()
			transport.CloseIdleConnections()
		}
		got := server.traffic()
		server.close()
		if bytes := got.bytes(); bytes < 6*len("an answer") {
			t.Errorf("%s: %d bytes", test.name, bytes)
		}
		got.received, got.sent = 0, 0
		if got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}

func ask(t *testing.T, name string, client *http.Client, url string, http2 bool) {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if by2 := response.ProtoMajor == 2; by2 != http2 {
		t.Errorf("%s: answered by %s", name, response.Proto)
	}
}

func TestHangingUpClosesWhatAClientWouldHaveKept(t *testing.T) {
	t.Parallel()
	id, err := theIdentity()
	if err != nil {
		t.Fatal(err)
	}
	server, err := newTap(http.NotFoundHandler(), id.certificate, false)
	if err != nil {
		t.Fatal(err)
	}
	defer server.close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(id.authority)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(server.url, "https://"), &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	server.hangUp()
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("instead of the end: %v", err)
	}
}

func TestTrafficIsWhatHasComeSince(t *testing.T) {
	t.Parallel()
	before, after := traffic{1, 1, 0, 100, 200}, traffic{3, 1, 2, 150, 260}
	since := after.minus(before)
	if want := (traffic{2, 0, 2, 50, 60}); since != want || since.handshakes() != 2 || since.bytes() != 110 {
		t.Errorf("got %+v, want %+v", since, want)
	}
	if got := before.plus(since); got != after {
		t.Errorf("got %+v, want %+v", got, after)
	}
}
