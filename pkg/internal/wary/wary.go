// Package wary makes requests of servers that may not be who they should be.
package wary

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
)

// Transport makes requests, and has no error quote what a server wrote, neither its
// own nor an http.Client's. net/http quotes a line that it cannot read, a Location
// that is no URL, and of HTTP/2 the data of a GOAWAY and the name of a header: with a
// token in it, if that is what came, or the key that was sent.
//
// It fails as Base does until somebody has been reached. Of the errors after that it
// keeps those that only tell how the connection ended: net.Errors, io.EOF,
// io.ErrUnexpectedEOF, what ended the request's context, TLS's and, of a proxy, the
// text of an HTTP status.
//
// A Location that is no URL is left out of the answer.
//
// Safe for concurrent use if Base is.
type Transport struct {
	// Base makes the requests; nil means http.DefaultTransport.
	Base http.RoundTripper
	// MaxBody is how many bytes may be read of an answer, decompressed ones. To
	// read on is an [ErrTooLong]. Zero means any number.
	MaxBody int64
}

// ErrTooLong is an answer of more than MaxBody bytes.
var ErrTooLong = errors.New("the answer is too long")

var (
	errUnread = errors.New("the connection broke, or what answered does not speak HTTP")
	errProxy  = errors.New("the proxy refused the connection, or does not speak HTTP")
)

// RoundTrip fails as told above.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	// reached is somebody, connected is who was asked for. GetConn comes again if a
	// connection that was kept is dead.
	var reached, connected atomic.Bool
	ctx := r.Context()
	resp, err := base.RoundTrip(r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:     func(string) { reached.Store(false); connected.Store(false) },
		ConnectDone: func(_, _ string, err error) { reached.Store(reached.Load() || err == nil) },
		GotConn:     func(httptrace.GotConnInfo) { connected.Store(true) },
	})))
	switch {
	case err != nil && connected.Load():
		return nil, unquoted(ctx, err, errUnread)
	case err != nil && reached.Load() && !isStatus(err.Error()):
		return nil, unquoted(ctx, err, errProxy)
	case err != nil || resp == nil || resp.Body == nil:
		return resp, err
	case t.MaxBody > 0 && resp.ContentLength > t.MaxBody:
		resp.Body.Close()
		return nil, t.tooLong()
	}
	if _, err := r.URL.Parse(resp.Header.Get("Location")); err != nil {
		resp.Header.Del("Location")
	}
	resp.Body = &body{ReadCloser: resp.Body, ctx: ctx, transport: t, left: t.MaxBody}
	return resp, nil
}

func (t *Transport) tooLong() error {
	return fmt.Errorf("%w: it has more than %d bytes", ErrTooLong, t.MaxBody)
}

type body struct {
	io.ReadCloser
	ctx       context.Context
	transport *Transport
	left      int64 // of MaxBody; less than 0 when there was more
}

func (b *body) Read(p []byte) (int, error) {
	limited := b.transport.MaxBody > 0
	if limited {
		if b.left < 0 {
			return 0, b.transport.tooLong()
		}
		p = p[:min(int64(len(p)), b.left+1)] // one more, to tell the end from too much
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if limited && b.left < 0 {
		return n - 1, b.transport.tooLong()
	}
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, unquoted(b.ctx, err, errUnread)
}

// unquoted is err, or instead if that may quote what came over the connection.
func unquoted(ctx context.Context, err, instead error) error {
	var network net.Error
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	if errors.As(err, &network) || errors.As(err, &certificate) || errors.As(err, &record) || strings.HasPrefix(err.Error(), "tls: ") ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return instead
}

// isStatus reports whether a text is that of an HTTP status, which is what
// net/http makes its error of when a proxy refuses a connection.
func isStatus(text string) bool {
	for code := http.StatusMultipleChoices; code <= http.StatusNetworkAuthenticationRequired; code++ {
		if known := http.StatusText(code); known != "" && known == text {
			return true
		}
	}
	return false
}
