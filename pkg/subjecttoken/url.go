package subjecttoken

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/internal/wary"
	"github.com/wifmint/wifmint/pkg/secret"
)

// URL gets the token from a local server with a GET, anew for every token.
// Azure's instance metadata is one such server.
//
// Any host may be named, and plain http be used, as with Google's libraries:
// Azure's metadata has nothing else. Over any network but this host's own use
// https: whoever listens in can exchange the token. A credential file from
// elsewhere decides what is called from here, so look at its url before using it.
//
// Redirects are never followed, and cookies never kept.
type URL struct {
	// URL is absolute, http or https, without a user name or password; required.
	URL string
	// Headers are sent along.
	Headers map[string]secret.Text
	Format  Format
	// HTTPClient makes the call. Nil, or one without a Transport, means a new
	// connection for every call, through the proxy of the environment if there is
	// one, but never to a link-local address such as 169.254.169.254: a proxy
	// would answer with its own host's identity.
	HTTPClient *http.Client
}

var _ Source = URL{}

// urlAttempts is how often the server is asked at most. Azure's throttles.
const urlAttempts = 3

// SubjectToken fails with an *Error. Connection errors and the statuses 408,
// 429, 500, 502, 503 and 504 are tried again, three attempts in all, each
// within 10 s.
func (s URL) SubjectToken(ctx context.Context) (secret.Text, error) {
	u, err := s.parse()
	if err != nil {
		return secret.Text{}, err
	}
	if flaw := s.Format.flaw(); flaw != "" {
		return secret.Text{}, urlError(flaw)
	}
	caller := googleapi.Caller{HTTPClient: withTransport(s.HTTPClient), MaxAttempts: urlAttempts}
	answer, err := caller.Call(ctx, func(ctx context.Context) (googleapi.Request, error) { return s.request(ctx, u) })
	if err != nil {
		err = unanswered(sourceURL, "calling credential_source.url at "+u.Host, err)
		if e, ok := err.(*Error); ok {
			e.Reason += urlHint(e)
		}
		return secret.Text{}, err
	}
	token, flaw := s.Format.token(answer.Body)
	if flaw != "" {
		e := urlError("the answer of credential_source.url at " + u.Host + " " + flaw)
		e.HTTPStatus = answer.Status
		return secret.Text{}, e
	}
	return token, nil
}

// parse checks everything that is sent. Only the host is ever shown of a URL:
// its path and query may name a client or hold a key.
func (s URL) parse() (*url.URL, error) {
	u, err := url.Parse(s.URL)
	switch {
	case s.URL == "":
		return nil, urlError("credential_source.url is empty; write where the token is to be had")
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, urlError("credential_source.url is not http://HOST/… or https://HOST/…")
	case u.User != nil:
		return nil, urlError("credential_source.url has a user name or password in it; write it as an Authorization header into credential_source.headers")
	}
	for name, value := range s.Headers {
		if !isToken(name) {
			return nil, urlError(fmt.Sprintf("credential_source.headers has the name %q, which no header can have", googleapi.Quote(name)))
		}
		if strings.ContainsFunc(value.Reveal(), unicode.IsControl) {
			return nil, urlError("credential_source.headers has a line break or another control character in " + name)
		}
	}
	return u, nil
}

func (s URL) request(ctx context.Context, u *url.URL) (googleapi.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return googleapi.Request{}, urlError("credential_source.url cannot be called")
	}
	req := googleapi.Request{Request: r}
	for name, value := range s.Headers {
		r.Header.Set(name, value.Reveal())
		req.Secrets = append(req.Secrets, value)
	}
	if host := r.Header.Get("Host"); host != "" { // which net/http sends from elsewhere
		r.Host = host
	}
	return req, nil
}

// urlHint says what to do about a call that failed.
func urlHint(e *Error) string {
	answered := fmt.Sprintf(", which answered %d", e.HTTPStatus)
	switch status := e.HTTPStatus; {
	case status == 0 && (e.Code == googleapi.CodeUnreachable || e.Code == googleapi.CodeTimeout):
		return ", which has to be reachable from here; check credential_source.url"
	case status == 0:
		return ""
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return answered + "; check credential_source.headers, by which it knows who asks"
	case e.Retryable || status >= 500:
		return answered
	}
	return answered + "; check credential_source.url and credential_source.headers"
}

func urlError(reason string) *Error { return &Error{Source: sourceURL, Reason: reason} }

// isToken reports whether s can name a header (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// withTransport returns c, with no error that quotes an answer: there may be a
// token in it that looks like none of Google's. If c brings no transport it gets
// one that dials anew for every request: there is nothing to keep between tokens
// an hour apart, and a frozen Lambda thaws with dead connections.
func withTransport(c *http.Client) *http.Client {
	const patience = 5 * time.Second
	var own http.Client
	if c != nil {
		own = *c
	}
	if own.Transport == nil {
		own.Transport = &http.Transport{
			Proxy:               unlessLinkLocal(http.ProxyFromEnvironment),
			DialContext:         (&net.Dialer{Timeout: patience}).DialContext,
			TLSHandshakeTimeout: patience,
			DisableKeepAlives:   true,
		}
	}
	own.Transport = &wary.Transport{Base: own.Transport}
	return &own
}

// unlessLinkLocal is proxy, but none for a link-local address.
func unlessLinkLocal(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		if addr, err := netip.ParseAddr(r.URL.Hostname()); err == nil && addr.IsLinkLocalUnicast() {
			return nil, nil
		}
		return proxy(r)
	}
}
