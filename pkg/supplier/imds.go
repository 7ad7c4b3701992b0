package supplier

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
)

// IMDS asks the instance metadata service of EC2, version 2: a session token
// first, then what is wanted with it. Nothing is kept between calls, so
// credentials cost three requests and a region two.
//
// It makes no call at all on Lambda, which has no metadata service, nor when
// AWS_EC2_METADATA_DISABLED is "true". Both are read at every call.
type IMDS struct {
	// TokenURL, CredentialsURL and RegionURL are a credential file's
	// imdsv2_session_token_url, url and region_url. Zero means AWS's own at
	// http://169.254.169.254 (for TokenURL: on the host that is going to be
	// asked). Their hosts are 169.254.169.254 and [fd00:ec2::254], over http.
	TokenURL, CredentialsURL, RegionURL string
	// AllowAnyEndpoint lets those URLs be https and name any host. For tests:
	// a credential file could otherwise have this process fetch from anywhere.
	AllowAnyEndpoint bool
	// AllowV1 asks without a session token if there is none to be had.
	// Version 1 answers whoever can make this host send a GET request.
	AllowV1 bool
	// Getenv looks up a variable; nil means os.Getenv.
	Getenv func(string) string
	// HTTPClient makes the calls; redirects are never followed. Nil, or one
	// without a Transport, means a direct connection, never a proxy.
	HTTPClient *http.Client
	// Now is the clock that expiries are compared with; nil means time.Now.
	Now func() time.Time
}

var _ AwsSecurityCredentialsSupplier = IMDS{}

const (
	sourceIMDS = "imds"

	imdsOrigin          = "http://169.254.169.254"
	imdsTokenPath       = "/latest/api/token"
	imdsCredentialsPath = "/latest/meta-data/iam/security-credentials/"
	imdsRegionPath      = "/latest/meta-data/placement/region"

	// imdsProbe bounds the first request. Where there is no metadata service
	// packets vanish, so this is what finding out costs.
	imdsProbe = time.Second
	// imdsTokenTTL is in seconds; a token is used for one call only.
	imdsTokenTTL = "300"
)

// AwsSecurityCredentials fails with an *Error.
func (m IMDS) AwsSecurityCredentials(ctx context.Context, _ SupplierContext) (AwsSecurityCredentials, error) {
	s, roles, err := m.open(ctx, "url", m.CredentialsURL, imdsOrigin+imdsCredentialsPath)
	if err != nil {
		return AwsSecurityCredentials{}, err
	}
	role, err := s.role(ctx, roles)
	if err != nil {
		return AwsSecurityCredentials{}, err
	}
	a, err := s.get(ctx, roles.JoinPath(role))
	if err != nil {
		return AwsSecurityCredentials{}, err
	}
	if a.status != http.StatusOK {
		return AwsSecurityCredentials{}, s.refusal(a, s.token)
	}
	creds, reason := parseDocument(a.body).credentials(now(m.Now), s.token)
	if reason != "" {
		return AwsSecurityCredentials{}, imdsError("role %s: %s", role, reason)
	}
	return creds, nil
}

// AwsRegion fails with an *Error. A RegionURL that ends in availability-zone,
// as gcloud writes it, is asked only where there is no placement/region beside
// it: a zone's name does not always begin with its region's and one letter.
func (m IMDS) AwsRegion(ctx context.Context, _ SupplierContext) (string, error) {
	s, u, err := m.open(ctx, "region_url", m.RegionURL, imdsOrigin+imdsRegionPath)
	if err != nil {
		return "", err
	}
	asked := u
	if strings.HasSuffix(u.Path, "/availability-zone") {
		asked = u.JoinPath("../region")
	}
	a, err := s.get(ctx, asked)
	if err == nil && a.status == http.StatusNotFound && asked != u {
		a, err = s.get(ctx, u)
	}
	if err != nil {
		return "", err
	}
	if a.status != http.StatusOK {
		return "", s.refusal(a, s.token)
	}
	zone := strings.TrimSpace(string(a.body))
	region := regionOfZone(zone)
	if region == "" {
		return "", imdsError("%s answered with %s", a.from, notARegion(zone))
	}
	return region, nil
}

// metadataSession is a run of requests with one session token, which is empty
// for version 1.
type metadataSession struct {
	endpoint
	token secret.Text
}

// open checks the URL that is to be asked, whose name in a credential file is
// name, and begins a session with its host, unless there is none to ask.
func (m IMDS) open(ctx context.Context, name, given, otherwise string) (metadataSession, *url.URL, error) {
	switch {
	case onLambda(m.Getenv):
		return metadataSession{}, nil, imdsError("not asked: Lambda has no instance metadata; a function's credentials are in its environment")
	case strings.EqualFold(getenv(m.Getenv, "AWS_EC2_METADATA_DISABLED"), "true"):
		return metadataSession{}, nil, imdsError("not asked: AWS_EC2_METADATA_DISABLED is true")
	}
	u, err := m.url(name, given, otherwise)
	if err != nil {
		return metadataSession{}, nil, err
	}
	at, err := m.url("imdsv2_session_token_url", m.TokenURL, u.Scheme+"://"+u.Host+imdsTokenPath)
	if err != nil {
		return metadataSession{}, nil, err
	}
	s := metadataSession{endpoint: endpoint{
		source: sourceIMDS,
		client: confined(m.HTTPClient, nil),
		silent: "is this an EC2 instance? in a container on one, the instance's metadata hop limit must be 2",
	}}
	s.token, err = s.newToken(ctx, at, m.AllowV1)
	return s, u, err
}

// url checks one of the URLs; name is its name in a credential file.
func (m IMDS) url(name, given, otherwise string) (*url.URL, error) {
	if given == "" {
		given = otherwise
	}
	u, err := url.Parse(given)
	switch {
	case err != nil || u.Host == "":
		return nil, imdsError("%s is not a URL", name)
	case u.User != nil || u.Scheme != "http" && u.Scheme != "https":
		return nil, imdsError("%s must be a plain http URL", name)
	case !m.AllowAnyEndpoint && !ValidMetadataURL(u):
		return nil, imdsError("%s names %s://%s; instance metadata is at http://169.254.169.254 or http://[fd00:ec2::254]", name, u.Scheme, u.Host)
	}
	return u, nil
}

// ValidMetadataURL reports whether u is on EC2's instance metadata service, by
// address: a name could lead anywhere, and what answers is believed to be AWS. Of the
// URLs that https://google.aip.dev/auth/4117 allows, it takes those at which the
// service answers: it speaks http on port 80.
func ValidMetadataURL(u *url.URL) bool {
	addr, err := netip.ParseAddr(u.Hostname())
	known := err == nil && (addr == netip.AddrFrom4([4]byte{169, 254, 169, 254}) ||
		addr == netip.AddrFrom16([16]byte{0xfd, 0x00, 0x0e, 0xc2, 14: 0x02, 15: 0x54}))
	return known && u.User == nil && u.Scheme == "http" && (u.Port() == "" || u.Port() == "80")
}

func (s metadataSession) newToken(ctx context.Context, at *url.URL, v1 bool) (secret.Text, error) {
	a, err := s.ask(ctx, imdsProbe, http.MethodPut, at, http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {imdsTokenTTL}})
	switch {
	case v1 && ctx.Err() == nil && (err != nil || noSuchToken(a.status)):
		return secret.Text{}, nil
	case err != nil:
		return secret.Text{}, err
	case a.status != http.StatusOK:
		return secret.Text{}, s.refusal(a)
	case len(a.body) == 0 || !isVisible(string(a.body)):
		return secret.Text{}, imdsError("%s answered with something that is no session token; something else is listening there", a.from)
	}
	return secret.New(string(a.body)), nil
}

// noSuchToken reports whether a status means that version 2 is not there, as
// AWS's SDKs have it; 400 means that the request was wrong.
func noSuchToken(status int) bool {
	return status == http.StatusForbidden || status == http.StatusNotFound || status == http.StatusMethodNotAllowed
}

// get asks for one item of metadata.
func (s metadataSession) get(ctx context.Context, u *url.URL) (answer, error) {
	if s.token.IsZero() { // then nobody has answered yet, perhaps
		return s.ask(ctx, imdsProbe, http.MethodGet, u, http.Header{})
	}
	return s.ask(ctx, answerTimeout, http.MethodGet, u, http.Header{"X-Aws-Ec2-Metadata-Token": {s.token.Reveal()}})
}

// role returns the name of the instance's role. It becomes part of a path.
func (s metadataSession) role(ctx context.Context, roles *url.URL) (string, error) {
	a, err := s.get(ctx, roles)
	if err == nil && a.status == http.StatusMovedPermanently && !strings.HasSuffix(roles.Path, "/") {
		// Instances of the Xen generations redirect gcloud's URL to the one with a slash.
		a, err = s.get(ctx, roles.JoinPath("/"))
	}
	switch {
	case err != nil:
		return "", err
	case a.status == http.StatusNotFound:
		return "", imdsError("no IAM role is attached to this instance")
	case a.status != http.StatusOK:
		return "", s.refusal(a, s.token)
	}
	// One role a line; there is never more than one, and SDKs take the first.
	role, _, _ := strings.Cut(strings.TrimSpace(string(a.body)), "\n")
	role = strings.TrimSpace(role)
	if !isIAMName(role, 1, 64) {
		return "", imdsError("%s answered with something that is no role name; something else is listening there", a.from)
	}
	return role, nil
}

// isIAMName reports whether s has IAM's alphabet for the names of roles and
// role sessions ([\w+=,.@-]) and is no step in a path.
func isIAMName(s string, least, most int) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("_+=,.@-", rune(c)) {
			return false
		}
	}
	return len(s) >= least && len(s) <= most && s != "." && s != ".."
}

func imdsError(format string, args ...any) *Error {
	return &Error{Source: sourceIMDS, Reason: fmt.Sprintf(format, args...)}
}
