package googleapi

import (
	"fmt"
	"net/url"
	"strings"
)

// DefaultUniverse is the domain of Google's public cloud.
const DefaultUniverse = "googleapis.com"

// EndpointError tells why a URL may not be called.
type EndpointError struct {
	// Found is what is wrong with it, such as `the host "example.com"`; never
	// more of the URL than that.
	Found string
	// Want says what to write instead.
	Want string
}

func (e *EndpointError) Error() string { return e.Found + "; want " + e.Want }

// ParseEndpoint parses the URL of a service and checks it with checkEndpoint,
// or, if allowAny, only that it is http or https and has a host. It fails with
// an *[EndpointError], which never shows a password that stands in the URL.
func ParseEndpoint(raw, service, universe string, allowAny bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil { // whose text has the whole URL in it
		return nil, &EndpointError{Found: "a text that does not parse as a URL", Want: endpointForms(service, universe)}
	}
	if !allowAny {
		if err := checkEndpoint(u, service, universe); err != nil {
			return nil, err
		}
		return u, nil
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, &EndpointError{Found: "a URL that is not http://HOST/… or https://HOST/…", Want: "one that is"}
	}
	return u, nil
}

// checkEndpoint tells why a URL may not be called as a service ("sts",
// "iamcredentials") of a universe (zero: "googleapis.com"). Allowed are https
// and Google's host forms: SERVICE.U, X.SERVICE.U, SERVICE.X.U, X-SERVICE.U,
// SERVICE-X.p.U, SERVICE.REGION.rep.U, each with one label for X. It fails with
// an *[EndpointError].
//
// Whoever answers at this URL gets a signed AWS identity, and the URL comes from
// a credential file that may come from anywhere. Hence a list of what is
// allowed, compared label by label, rather than a search for what is not.
//
// The universe comes from the same file, and any domain can be one: whoever writes
// the file chooses the cloud by it. What the check holds is that within it no host
// is chosen, and so that a file whose universe a person knows goes nowhere else.
func checkEndpoint(u *url.URL, service, universe string) error {
	found := ""
	switch {
	case u.Scheme != "https":
		found = fmt.Sprintf("the scheme %q", bounded(printable(u.Scheme), maxCode))
	case u.User != nil:
		found = "a user or a password before the host"
	case u.Host == "":
		found = "a URL without a host"
	case u.Fragment != "":
		found = "a fragment after #"
	case !isGoogleHost(strings.TrimSuffix(u.Host, ":443"), service, universe):
		found = fmt.Sprintf("the host %q", bounded(printable(u.Host), maxURI))
	default:
		return nil
	}
	return &EndpointError{Found: found, Want: endpointForms(service, universe)}
}

// endpointForms lists what checkEndpoint allows.
func endpointForms(service, universe string) string {
	if universe == "" {
		universe = DefaultUniverse
	}
	forms := strings.NewReplacer("SERVICE", service, "U", bounded(printable(universe), maxURI)).Replace(
		"https:// and SERVICE.U, {x}.SERVICE.U, SERVICE.{x}.U, {x}-SERVICE.U, SERVICE-{x}.p.U or SERVICE.{region}.rep.U")
	return forms + ", on no other port than 443 (for a local run against another host set" +
		" WIFMINT_UNSAFE_ENDPOINTS=allow, in Go AllowAnyEndpoint)"
}

// isGoogleHost reports whether host, which may have upper-case letters, is one
// of the forms.
func isGoogleHost(host, service, universe string) bool {
	if universe == "" {
		universe = DefaultUniverse
	}
	// Before lower-casing: of all of Unicode's lower-casings, that of the
	// Kelvin sign is an ASCII letter.
	if !isDomain(host) || !isDomain(universe) {
		return false
	}
	prefix, ok := strings.CutSuffix(strings.ToLower(host), "."+strings.ToLower(universe))
	if !ok {
		return false
	}
	first, rest, _ := strings.Cut(prefix, ".")
	second, third, _ := strings.Cut(rest, ".")
	switch {
	case rest == "": // SERVICE or X-SERVICE
		x, ok := strings.CutSuffix(first, "-"+service)
		return first == service || ok && isLabel(x)
	case third == "": // X.SERVICE, SERVICE.X or SERVICE-X.p
		x, ok := strings.CutPrefix(first, service+"-")
		return second == service || first == service || ok && isLabel(x) && second == "p"
	}
	return first == service && third == "rep" // SERVICE.REGION.rep
}

// isDomain reports whether s is two or more labels.
func isDomain(s string) bool {
	labels := 0
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
		labels++
	}
	return labels >= 2
}

// isLabel reports whether s is one label of a host name, as ASCII letters,
// digits and inner hyphens. Google has no internationalised ones.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' || len(s) >= 4 && strings.EqualFold(s[:4], "xn--") {
		return false
	}
	for _, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if digit := '0' <= c && c <= '9'; !letter && !digit && c != '-' {
			return false
		}
	}
	return true
}
