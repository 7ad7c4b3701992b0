package googleapi

import (
	"net"
	"net/http"
	"sync"
	"time"
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

// sharedTransport is http.DefaultTransport (its proxies, its HTTP/2, its
// keep-alive) with less patience: its 30 s to connect and 10 s for TLS would
// let one dead address use up an attempt. Whoever replaced DefaultTransport by
// something else, an instrumented one say, gets that.
var sharedTransport = sync.OnceValue(func() http.RoundTripper {
	standard, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := standard.Clone()
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 5 * time.Second
	// The standard two would have the rotator's 16 callers shake hands anew for
	// most calls wherever HTTP/2 is not to be had, as behind some proxies.
	t.MaxIdleConnsPerHost = 100
	// HTTP/2 sends all requests over one connection, and an attempt that times
	// out leaves it in use. If its peer is gone without a word (a NAT that forgot
	// it, a function that was frozen), every attempt would go the same way, so it
	// is asked for a sign of life and given up well within an attempt. Google may
	// close connections that are asked more often than twice a minute (why its own
	// Go client does not); that costs one that idles, or waits long for an answer.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 3 * time.Second, PingTimeout: 2 * time.Second}
	return t
})
