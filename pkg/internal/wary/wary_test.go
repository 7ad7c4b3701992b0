package wary_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
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
		"a redirect to no URL":         "HTTP/1.1 302 Found\r\nLocation: https://%zz/" + planted + "\r\n\r\n",
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
