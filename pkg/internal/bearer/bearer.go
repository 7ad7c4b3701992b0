// Package bearer sends requests with a token that whoever gets it may use: over
// https only, and to no other host than the one that was asked first.
package bearer

import (
	"context"
	"errors"
	"net/http"
)

// Transport authenticates the requests of an http.Client. Safe for concurrent
// use if Base and Apply are.
type Transport struct {
	// Base makes the requests; nil means http.DefaultTransport.
	Base http.RoundTripper
	// Apply sets the headers that hold the token. Required.
	Apply func(context.Context, http.Header) error
	// AllowHTTP lets the token go over the network in the clear.
	AllowHTTP bool
}

// RoundTrip makes a request with what Apply adds, and without it one that follows
// a redirect away from its host, or back from there: who redirected chose the URL.
// It fails as Apply does, and where the URL is not https.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	if wasElsewhere(r) {
		return base.RoundTrip(r)
	}
	authenticated, err := t.authenticate(r)
	if err != nil {
		if r.Body != nil {
			r.Body.Close() // as a RoundTripper has to
		}
		return nil, err
	}
	return base.RoundTrip(authenticated)
}

// authenticate returns a copy of r with the headers.
func (t *Transport) authenticate(r *http.Request) (*http.Request, error) {
	if r.URL.Scheme != "https" && !t.AllowHTTP {
		return nil, errors.New("authenticating a request: its URL is not https, so anyone on the way could read the token")
	}
	r = r.Clone(r.Context())
	if r.Header == nil {
		r.Header = http.Header{}
	}
	return r, t.Apply(r.Context(), r.Header)
}

// wasElsewhere reports whether one of the requests that redirected to r went to
// another host than r does, or may have: not every Base fills in a Response's Request.
func wasElsewhere(r *http.Request) bool {
	for before := r; before.Response != nil; {
		before = before.Response.Request
		if before == nil || before.URL.Host != r.URL.Host {
			return true
		}
	}
	return false
}
