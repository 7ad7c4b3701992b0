package supplier

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/wifmint/wifmint/pkg/secret"
)

// Container asks the credential endpoint of ECS, of EKS Pod Identity, or of a
// Lambda that was restored from a SnapStart snapshot. It follows the rules of
// AWS's SDKs (AWS SDKs and Tools Reference Guide, "Container credential
// provider"), with variables read at every call:
//
//   - AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is a path on http://169.254.170.2 and
//     wins over AWS_CONTAINER_CREDENTIALS_FULL_URI.
//   - A full URI is https, or http to loopback, 169.254.170.2, 169.254.170.23 or
//     fd00:ec2::23; a host name must resolve to nothing but those.
//   - The Authorization header is what AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
//     contains, read at every call since EKS replaces it, else
//     AWS_CONTAINER_AUTHORIZATION_TOKEN.
//
// The region is the environment's, as for [Environment].
type Container struct {
	// Getenv looks up a variable; nil means os.Getenv.
	Getenv func(string) string
	// HTTPClient makes the call; redirects are never followed. Nil, or one
	// without a Transport, means a direct connection: the endpoint is on this
	// host, and a proxy would be handed its token.
	HTTPClient *http.Client
	// Now is the clock that expiries are compared with; nil means time.Now.
	Now func() time.Time

	// lookupHost is for tests; nil means the resolver of package net.
	lookupHost func(ctx context.Context, host string) ([]netip.Addr, error)
}

var _ AwsSecurityCredentialsSupplier = Container{}

const (
	sourceContainer = "container"

	relativeURIVariable = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	fullURIVariable     = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	tokenVariable       = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
	tokenFileVariable   = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"

	ecsOrigin = "http://169.254.170.2"
)

// AwsSecurityCredentials fails with an *Error.
func (c Container) AwsSecurityCredentials(ctx context.Context, _ SupplierContext) (AwsSecurityCredentials, error) {
	uri, err := c.uri(ctx)
	if err != nil {
		return AwsSecurityCredentials{}, err
	}
	token, err := c.authorization()
	if err != nil {
		return AwsSecurityCredentials{}, err
	}
	header := http.Header{"Accept": {"application/json"}}
	if !token.IsZero() {
		header.Set("Authorization", token.Reveal())
	}
	e := endpoint{
		source: sourceContainer,
		client: confined(c.HTTPClient, nil),
		silent: "does this task or pod have a role?",
	}
	a, err := e.ask(ctx, answerTimeout, http.MethodGet, uri, header)
	if err != nil {
		return AwsSecurityCredentials{}, err
	}
	if a.status != http.StatusOK {
		return AwsSecurityCredentials{}, e.refusal(a, token)
	}
	creds, reason := parseDocument(a.body).credentials(now(c.Now), token)
	if reason != "" {
		return AwsSecurityCredentials{}, containerError("%s: %s", uri.Host, reason)
	}
	return creds, nil
}

// AwsRegion fails with an *Error: there is no other place to ask.
func (c Container) AwsRegion(context.Context, SupplierContext) (string, error) {
	return regionFromEnvironment(c.Getenv, sourceContainer)
}

// configured reports whether this process was told of a container endpoint.
func (c Container) configured() bool {
	return getenv(c.Getenv, relativeURIVariable) != "" || getenv(c.Getenv, fullURIVariable) != ""
}

func (c Container) uri(ctx context.Context) (*url.URL, error) {
	if path := getenv(c.Getenv, relativeURIVariable); path != "" {
		u, err := url.Parse(ecsOrigin + path)
		// Without the slash "@evil.example/" would make a user name of the address.
		if err != nil || !strings.HasPrefix(path, "/") {
			return nil, containerError("%s is not a path that begins with a slash", relativeURIVariable)
		}
		return u, nil
	}
	full := getenv(c.Getenv, fullURIVariable)
	if full == "" {
		return nil, containerError("neither %s nor %s is set", relativeURIVariable, fullURIVariable)
	}
	u, err := url.Parse(full)
	switch {
	case err != nil || u.Hostname() == "":
		return nil, containerError("%s is not a URL", fullURIVariable)
	case u.User != nil:
		return nil, containerError("%s holds a user name or password; the token goes into %s", fullURIVariable, tokenVariable)
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http":
		return u, c.checkHost(ctx, u.Hostname())
	}
	return nil, containerError("%s begins with %q; it must be http or https", fullURIVariable, u.Scheme+":")
}

// checkHost keeps the token from going over a network in the clear.
func (c Container) checkHost(ctx context.Context, host string) error {
	addrs, err := c.lookup(ctx, host)
	if err != nil {
		return &Error{Source: sourceContainer, Reason: "looking up the host of " + fullURIVariable, Retryable: mayPass(err), Err: err}
	}
	elsewhere := func(a netip.Addr) bool { return !isContainerAddr(a.Unmap()) }
	if len(addrs) == 0 || slices.ContainsFunc(addrs, elsewhere) {
		return containerError("%s is http to %q, which is neither loopback nor one of AWS's container endpoints; use https", fullURIVariable, host)
	}
	return nil
}

func (c Container) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if c.lookupHost != nil {
		return c.lookupHost(ctx, host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// isContainerAddr knows ECS's endpoint and EKS Pod Identity's two.
func isContainerAddr(a netip.Addr) bool {
	return a.IsLoopback() ||
		a == netip.AddrFrom4([4]byte{169, 254, 170, 2}) ||
		a == netip.AddrFrom4([4]byte{169, 254, 170, 23}) ||
		a == netip.AddrFrom16([16]byte{0xfd, 0x00, 0x0e, 0xc2, 15: 0x23})
}

func (c Container) authorization() (secret.Text, error) {
	token, source := getenv(c.Getenv, tokenVariable), tokenVariable
	if path := getenv(c.Getenv, tokenFileVariable); path != "" {
		var err error
		if token, err = readTokenFile(path); err != nil {
			return secret.Text{}, &Error{Source: sourceContainer, Reason: "reading " + tokenFileVariable, Err: err}
		}
		source = "the file of " + tokenFileVariable
		if token == "" {
			return secret.Text{}, containerError("%s is empty", source)
		}
	}
	if strings.ContainsFunc(token, unicode.IsControl) {
		return secret.Text{}, containerError("%s holds a line break or another control character, which a header cannot", source)
	}
	return secret.New(token), nil
}

func readTokenFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxAnswer))
	return string(b), err
}

func containerError(format string, args ...any) *Error {
	return &Error{Source: sourceContainer, Reason: fmt.Sprintf(format, args...)}
}

func now(clock func() time.Time) time.Time {
	if clock == nil {
		return time.Now()
	}
	return clock()
}
