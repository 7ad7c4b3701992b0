package metadata

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// admit refuses requests that no SDK on this machine makes.
func admit(r *http.Request) error {
	switch {
	case len(r.Header["X-Forwarded-For"]) > 0:
		// Some server was talked into fetching this for somebody else. Google's
		// refuses it as well.
		return &refusal{http.StatusForbidden, "a request with X-Forwarded-For is refused: ask directly"}
	case !ownHost(r.Host):
		// A web page whose name was made to resolve to this machine (DNS rebinding)
		// may set any header, but not the Host.
		return &refusal{http.StatusForbidden, "the Host header is not this server's: set GCE_METADATA_HOST to the address it listens on, such as 127.0.0.1:2774"}
	case r.Header.Get("Sec-Fetch-Site") == "same-origin":
		// A web page that came from this very port, when something else listened
		// there, may set the header below. This one only the browser sets.
		return &refusal{http.StatusForbidden, "a web page is refused"}
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return &refusal{http.StatusMethodNotAllowed, "metadata is only read: use GET"}
	case r.Header.Get("Metadata-Flavor") != "Google" && (r.URL.Path != "/" || r.URL.RawQuery != ""):
		// The bare root tells only that this is a metadata server, as Google's does
		// to whoever asks.
		return &refusal{http.StatusForbidden, "the header Metadata-Flavor: Google is missing"}
	}
	return nil
}

// ownHost reports whether a Host header is what SDKs send when GCE_METADATA_HOST
// and GCE_METADATA_IP name this server, which is the same: localhost or a loopback
// address, with a port or without. Google's own names are refused. SDKs ask for
// them only when those variables are unset, and then of whomever the network's DNS
// says.
func ownHost(host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil { // there is no port
		name, port, err = net.SplitHostPort(host + ":80")
	}
	if err != nil {
		return false
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false
	}
	ip, err := netip.ParseAddr(name)
	return strings.EqualFold(name, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// query is what a request may say besides its path.
type query struct {
	recursive bool
	alt       string   // "", "json" or "text"
	scopes    []string // of token
	audience  string   // of identity
}

func parseQuery(raw string) (query, error) {
	if raw == "" {
		return query{}, nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return query{}, badRequest("the query is malformed")
	}
	if yes, _ := strconv.ParseBool(values.Get("wait_for_change")); yes {
		// Answered at once, whoever waits in a loop would ask without a pause. The Go
		// client pauses for 5 seconds after an error that is no 5xx.
		return query{}, badRequest("wait_for_change is not served: ask again when the token is about to expire")
	}
	q := query{alt: values.Get("alt"), audience: values.Get("audience")}
	if q.alt != "" && q.alt != "json" && q.alt != "text" {
		return query{}, badRequest("alt is json or text")
	}
	q.recursive, _ = strconv.ParseBool(values.Get("recursive"))
	// SDKs send a list with commas; a scope has neither comma nor space.
	q.scopes = strings.FieldsFunc(values.Get("scopes"), func(r rune) bool { return r == ',' || r == ' ' })
	return q, nil
}
