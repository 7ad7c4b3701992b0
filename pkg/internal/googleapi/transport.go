package googleapi

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxHeader is what an answer's headers may have, in bytes. Google sends 2 KiB;
	// net/http would take 10 MiB.
	maxHeader = 64 << 10
	// sessions is how many hosts' TLS sessions are kept. A function calls three
	// hosts, a program that knows several regions or universes some more.
	sessions = 16
)

func (c *Caller) transport() http.RoundTripper {
	switch {
	case c.HTTPClient == nil:
		return sharedTransport()
	case c.HTTPClient.Transport == nil:
		return http.DefaultTransport
	}
	return c.HTTPClient.Transport
}

// sharedTransport is made of http.DefaultTransport. Whoever replaced that by
// something else, an instrumented one say, gets it as it is.
var sharedTransport = sync.OnceValue(func() http.RoundTripper {
	standard, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	return forGoogle(standard)
})

// transport is a shared one, of which is told whether it had kept a connection.
type transport struct{ *http.Transport }

// roundTrip sends a request, and tells whether over a connection that the shared
// transport had kept. Of another it is not asked: that costs a mint some allocations.
func (c *Caller) roundTrip(r *http.Request) (_ *http.Response, kept bool, _ error) {
	t, ours := c.transport().(*transport)
	if !ours {
		resp, err := c.transport().RoundTrip(r)
		return resp, false, err
	}
	var reused atomic.Bool
	resp, err := t.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { reused.Store(false) }, // again, if the one that was kept is dead
		GotConn: func(got httptrace.GotConnInfo) { reused.Store(got.Reused) },
	})))
	return resp, reused.Load(), err
}

// forGoogle is a transport like the standard one (its proxies, its HTTP/2, its
// keep-alive) with less patience: 30 s to connect and 10 s for TLS would let one
// dead address use up an attempt.
func forGoogle(standard *http.Transport) *transport {
	t := &transport{Transport: standard.Clone()}
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 5 * time.Second
	// The standard two would have the rotator's 16 callers shake hands anew for
	// most calls wherever HTTP/2 is not to be had, as behind some proxies.
	t.MaxIdleConnsPerHost = 100
	if t.MaxResponseHeaderBytes == 0 {
		t.MaxResponseHeaderBytes = maxHeader
	}
	t.HTTP2 = &http.HTTP2Config{
		// HTTP/2 sends all requests over one connection, and an attempt that times
		// out leaves it in use. If its peer is gone without a word (a NAT that forgot
		// it, a function that was frozen), every attempt would go the same way, so it
		// is asked for a sign of life and given up well within an attempt. Google may
		// close connections that are asked more often than twice a minute (why its own
		// Go client does not); that costs one that idles, or waits long for an answer.
		SendPingTimeout: 3 * time.Second, PingTimeout: 2 * time.Second,
		// More is never read; net/http would buffer 4 MiB of each answer.
		MaxReceiveBufferPerStream: MaxBody,
	}
	// A function that ticks every 5 minutes dials at each tick. A session that is
	// resumed spares both sides the certificates; Go resumes none whose certificates
	// have expired since, or whose root is no longer trusted.
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{}
	}
	if t.TLSClientConfig.ClientSessionCache == nil {
		t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
	}
	return t
}
