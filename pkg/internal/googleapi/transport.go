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
	return t
})
