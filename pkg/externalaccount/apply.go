package externalaccount

import (
	"context"
	"errors"
	"net/http"
)

// Apply sets the headers that authenticate a request to Google: Authorization,
// and x-goog-user-project if there is a quota project, unless that is set
// already. The token is [Credentials.CachedToken]'s; fails as that does.
func (c *Credentials) Apply(ctx context.Context, header http.Header) error {
	token, err := c.CachedToken(ctx)
	if err != nil {
		return err
	}
	header.Set("Authorization", "Bearer "+token.Value.Reveal())
	if project := c.QuotaProject(); project != "" && header.Get(userProjectHeader) == "" {
		header.Set(userProjectHeader, project)
	}
	return nil
}

const userProjectHeader = "X-Goog-User-Project"

// Transport authenticates the requests of an http.Client as [Credentials.Apply]
// does; base makes them, nil means http.DefaultTransport. Use the client for
// Google's APIs only: whoever is called gets the token. A request over plain http
// is refused, unless the credentials' Options.AllowAnyEndpoint, and one that
// follows a redirect to another host gets no token.
func (c *Credentials) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{c, base}
}

type transport struct {
	credentials *Credentials
	base        http.RoundTripper
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if redirectedAway(r) {
		return t.base.RoundTrip(r)
	}
	authenticated, err := t.authenticate(r)
	if err != nil {
		if r.Body != nil {
			r.Body.Close() // as a RoundTripper has to
		}
		return nil, err
	}
	return t.base.RoundTrip(authenticated)
}

// authenticate returns a copy of r with the headers.
func (t *transport) authenticate(r *http.Request) (*http.Request, error) {
	if r.URL.Scheme != "https" && !t.credentials.options.AllowAnyEndpoint {
		return nil, errors.New("authenticating a request: its URL is not https, so anyone on the way could read the token")
	}
	r = r.Clone(r.Context())
	if r.Header == nil {
		r.Header = http.Header{}
	}
	return r, t.credentials.Apply(r.Context(), r.Header)
}

// redirectedAway reports whether r follows a redirect to another host than was
// asked first.
func redirectedAway(r *http.Request) bool {
	first := r
	for first.Response != nil && first.Response.Request != nil {
		first = first.Response.Request
	}
	return first.URL.Host != r.URL.Host
}
