package wary_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wifmint/wifmint/pkg/internal/wary"
)

const planted = "planted-in-an-answer"

// answering is a network on which everybody answers a request with that text, and
// hangs up.
func answering(text string) *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() { // ends with the connection, which the test closes or reads to its end
			defer server.Close()
			if _, err := http.ReadRequest(bufio.NewReader(server)); err == nil {
				_, _ = io.WriteString(server, text)
			}
		}()
		return client, nil
	}}
}

// get asks whoever answers, and reads the answer.
func get(ctx context.Context, t *wary.Transport) (read []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://example.com/", nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: t}).Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// What of HTTP/2 is quoted, tests/hostile has.
func TestNoErrorQuotesWhatAnswered(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no HTTP":                      planted + "\r\n",
		"a version that is none":       "HTTP/" + planted + " 200 OK\r\n\r\n",
		"a status that is none":        "HTTP/1.1 " + planted + "\r\n\r\n",
		"a header that is none":        "HTTP/1.1 200 OK\r\n" + planted + "\r\n\r\n",
		"a length that is none":        "HTTP/1.1 200 OK\r\nContent-Length: " + planted + "\r\n\r\n",
		"an encoding that nobody has":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + planted + "\r\n\r\n",
		"a trailer that is none":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + planted + "\r\n\r\n",
		"a trailer that may not be":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n" + planted,
		"a chunk whose length is none": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + planted + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := get(t.Context(), &wary.Transport{Base: answering(text)})
			if err == nil {
				t.Fatal("no error")
			}
			for ; err != nil; err = errors.Unwrap(err) {
				if printed := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(printed, planted) {
					t.Error(printed)
				}
			}
		})
	}
}

// An http.Client would quote it.
func TestALocationThatIsNoURLIsLeftOut(t *testing.T) {
	t.Parallel()
	if _, err := get(t.Context(), &wary.Transport{Base: answering("HTTP/1.1 302 Found\r\nLocation: https://%zz/" + planted + "\r\n\r\n")}); err != nil {
		t.Error(err)
	}
}

// A proxy is sent a password, and says what it likes. It may say an HTTP status.
func TestNoErrorQuotesAProxy(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"407 " + planted:                    "the proxy refused the connection, or does not speak HTTP",
		planted:                             "the proxy refused the connection, or does not speak HTTP",
		"407 Proxy Authentication Required": "Proxy Authentication Required",
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0") // of connections that a net.Dialer makes
		if err != nil {
			t.Fatal(err)
		}
		go func() { // ends with the listener, and each connection with its answer
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					_, _ = io.WriteString(c, "HTTP/1.1 "+said+"\r\n\r\n")
				}
				c.Close()
			}
		}()
		base := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: listener.Addr().String()})}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.invalid/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&wary.Transport{Base: base}).RoundTrip(r); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %q", said, err, want)
		}
		listener.Close()
	}
}

// net/http takes the kept connection, finds it dead and dials anew by itself: what
// that fails with is not what somebody answered.
func TestWhyAnotherDialFailsIsTold(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	var first *mortal
	base := answering("HTTP/1.1 204 No Content\r\n\r\n")
	base.DisableKeepAlives = false
	dial := base.DialContext
	base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if first != nil {
			return nil, refused
		}
		c, err := dial(ctx, network, address)
		first = &mortal{Conn: c, closed: make(chan struct{})}
		return first, err
	}
	transport := &wary.Transport{Base: base}
	if _, err := get(t.Context(), transport); err != nil {
		t.Fatal(err)
	}
	first.dead.Store(true)
	if _, err := get(t.Context(), transport); !errors.Is(err, refused) {
		t.Error(err)
	}
}

// mortal is a connection that may die without a word.
type mortal struct {
	net.Conn
	dead   atomic.Bool
	closed chan struct{}
}

func (m *mortal) Write(p []byte) (int, error) {
	if m.dead.Load() {
		return 0, net.ErrClosed
	}
	return m.Conn.Write(p)
}

func (m *mortal) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	if err != nil { // the other end has hung up, which nobody is told
		<-m.closed
	}
	return n, err
}

func (m *mortal) Close() error {
	defer close(m.closed)
	return m.Conn.Close()
}

func TestErrorsThatQuoteNothingAreKept(t *testing.T) {
	t.Parallel()
	gaveUp := errors.New("no longer wanted")
	noRoute := errors.New("no route")
	for name, tc := range map[string]struct {
		base http.RoundTripper
		end  error
		want error
	}{
		"nobody answers":          {base: answering(""), want: io.EOF},
		"half a body":             {base: answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), want: io.ErrUnexpectedEOF},
		"the caller gave up":      {base: answering(planted), end: gaveUp, want: gaveUp},
		"there is no connection":  {base: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, noRoute }}, want: noRoute},
		"the base has no network": {base: roundTripper(func(*http.Request) (*http.Response, error) { return nil, noRoute }), want: noRoute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if tc.end != nil {
				cancel(tc.end)
			}
			if _, err := get(ctx, &wary.Transport{Base: tc.base}); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestABodyHasAnEnd(t *testing.T) {
	t.Parallel()
	const most = 10
	for size := range 3 * most {
		full := strings.Repeat("x", size)
		for framing, text := range map[string]string{
			"announced": fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, full),
			"chunked":   "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", size) + "0\r\n\r\n",
			"closed":    "\r\n" + full,
		} {
			got, err := get(t.Context(), &wary.Transport{Base: answering("HTTP/1.1 200 OK\r\n" + text), MaxBody: most})
			if size <= most && (err != nil || string(got) != full) {
				t.Errorf("of %d bytes, %s, came %q, %v", size, framing, got, err)
			}
			if size > most && (err == nil || len(got) > most || !strings.Contains(err.Error(), "more than "+strconv.Itoa(most))) {
				t.Errorf("of %d bytes, %s, came %q, %v", size, framing, got, err)
			}
			if got, err := get(t.Context(), &wary.Transport{Base: answering("HTTP/1.1 200 OK\r\n" + text)}); err != nil || string(got) != full {
				t.Errorf("without a limit, of %d bytes, %s, came %q, %v", size, framing, got, err)
			}
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
