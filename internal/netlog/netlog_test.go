package netlog_test

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/netlog"
)

// lines gets what is logged, line by line.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// It holds for the text that the net/http of this very Go writes.
func TestASecondAnswerIsNotLogged(t *testing.T) {
	logged := make(lines, 10)
	defer log.SetOutput(log.Writer())
	netlog.Hide(logged)

	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() { // ends with the connection
			defer theirs.Close()
			if _, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
				_, _ = io.WriteString(theirs, "HTTP/1.1 204 No Content\r\n\r\n")
				_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nX: planted\r\n\r\n")
			}
		}()
		return ours, nil
	}}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	select {
	case line := <-logged:
		if strings.Contains(line, "planted") || !strings.Contains(line, "Unsolicited response") || !strings.HasSuffix(line, "\n") {
			t.Errorf("%q", line)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("net/http logged nothing: is netlog still needed?")
	}
}

func TestEverythingElseIsLogged(t *testing.T) {
	logged := make(lines, 1)
	defer log.SetOutput(log.Writer())
	netlog.Hide(logged)
	log.Print("hello")
	if line := <-logged; !strings.HasSuffix(line, "hello\n") {
		t.Errorf("%q", line)
	}
}
