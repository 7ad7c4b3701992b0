package fakecloud

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Options of a Cloud; the zero value works.
type Options struct {
	// Now is the cloud's clock; nil means time.Now.
	Now func() time.Time
	// Region is where the account's secrets live; zero means "us-east-1".
	Region string
	// AccountID is the AWS account; zero means "123456789012".
	AccountID string
	// Seed decides everything that is random in a real cloud, such as the six
	// characters at the end of a secret's ARN, and which calls a [Fault] with a
	// Probability strikes. The same seed and the same calls yield the same cloud.
	Seed uint64
}

// Cloud is one fake world: an AWS account and a Google project. Safe for
// concurrent use; it starts no goroutine but in [Cloud.Serve].
type Cloud struct {
	options Options

	calls   callLog
	faults  faultRules
	secrets secretStore

	// The state of the services beside Secrets Manager. Each guards itself, and
	// its zero value is an empty account.
	aws       awsState
	google    googleState
	metadata  metadataState
	workspace workspaceState
	workforce workforceState
}

// New makes a cloud with nothing in it.
func New(o Options) *Cloud {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.AccountID == "" {
		o.AccountID = "123456789012"
	}
	return &Cloud{options: o}
}

// now is the cloud's clock. A service reads Call.Time instead, which has the
// skew of a [Fault] in it.
func (c *Cloud) now() time.Time { return c.options.Now() }

// service is the name of a service in calls, faults and path prefixes.
type service string

const (
	serviceSecretsManager service = "secretsmanager"
	serviceAWSSTS         service = "aws-sts"
	serviceGoogleSTS      service = "google-sts"
	serviceIAM            service = "iamcredentials"
	serviceTokenInfo      service = "tokeninfo"
	serviceOAuth          service = "oauth2"
	serviceContainer      service = "container"
	serviceIMDS           service = "imds"
)

// endpoint is how one service is reached.
//
// identify tells what a request asks for, before anything happens, so that a
// fault can strike one operation on one resource: such as ("GetSecretValue",
// "wifmint/reports"). It must not fail and must not put a secret into either.
//
// serve answers. The request's URL.Path is the service's own ("/v1/token")
// whatever prefix it came under, while Host and RequestURI are what the client
// sent and signed; the body has been read and can be read without error. Its
// clock is call.Time. It sets call.Err (an error code, never a secret) when it
// refuses; the core fills in everything else. It holds no lock when it
// calls the cloud back through RoundTrip.
type endpoint struct {
	identify func(r *http.Request, body []byte) (operation, resource string)
	serve    func(c *Cloud, w http.ResponseWriter, r *http.Request, call *Call)
}

func (s service) endpoint() (e endpoint, known bool) {
	switch s {
	case serviceSecretsManager:
		return endpoint{identifySecretsManager, (*Cloud).serveSecretsManager}, true
	case serviceAWSSTS:
		return endpoint{identifyAWSSTS, (*Cloud).serveAWSSTS}, true
	case serviceGoogleSTS:
		return endpoint{identifySTS, (*Cloud).serveWorkforce}, true
	case serviceIAM:
		return endpoint{identifyIAMCredentials, (*Cloud).serveIAMCredentials}, true
	case serviceTokenInfo:
		return endpoint{identifyTokenInfo, (*Cloud).serveTokenInfo}, true
	case serviceOAuth:
		return endpoint{identifyOAuth, (*Cloud).serveOAuth}, true
	case serviceContainer:
		return endpoint{identifyContainer, (*Cloud).serveContainer}, true
	case serviceIMDS:
		return endpoint{identifyIMDS, (*Cloud).serveIMDS}, true
	}
	return endpoint{}, false
}

// serviceOfHost tells which service answers at a host of the real clouds.
func serviceOfHost(host string) (service, bool) {
	switch host {
	case "169.254.170.2", "169.254.170.23", "fd00:ec2::23":
		return serviceContainer, true
	case "169.254.169.254", "fd00:ec2::254":
		return serviceIMDS, true
	}
	if strings.Contains(host, "..") {
		return "", false // no name has an empty label: what a URL template makes of an empty region
	}
	first, rest, _ := strings.Cut(host, ".")
	for _, domain := range []string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws"} {
		if strings.HasSuffix(host, domain) {
			return serviceOfAWS(strings.TrimSuffix(first, "-fips"))
		}
	}
	return serviceOfGoogle(first, rest)
}

func serviceOfAWS(name string) (service, bool) {
	switch name {
	case "sts":
		return serviceAWSSTS, true
	case "secretsmanager":
		return serviceSecretsManager, true
	}
	return "", false
}

// serviceOfGoogle knows Google's forms of a host, SERVICE.U, X.SERVICE.U,
// SERVICE.X.U, X-SERVICE.U, SERVICE-X.p.U and SERVICE.REGION.rep.U, in any
// universe U.
func serviceOfGoogle(first, rest string) (service, bool) {
	second, _, _ := strings.Cut(rest, ".")
	is := func(name string) bool {
		return first == name || second == name || strings.HasPrefix(first, name+"-") || strings.HasSuffix(first, "-"+name)
	}
	switch {
	case is("sts"):
		return serviceGoogleSTS, true
	case is("iamcredentials"):
		return serviceIAM, true
	case is("oauth2"):
		return serviceTokenInfo, true
	}
	return "", false
}

// RoundTrip serves a request in-process, choosing the service by the
// request's host (sts.REGION.amazonaws.com, secretsmanager.REGION.amazonaws.com,
// sts.googleapis.com and its other forms, iamcredentials.googleapis.com,
// oauth2.googleapis.com, 169.254.170.2, 169.254.169.254), so that a Cloud is an
// http.RoundTripper. A request to localhost or a loopback address finds its
// service by path, as in [Cloud.Handler]; any other host is one that DNS does
// not know.
//
// The caller's goroutine does all the work, without a network, so RoundTrip
// may be used inside a testing/synctest bubble.
func (c *Cloud) RoundTrip(r *http.Request) (*http.Response, error) {
	body := io.ReadCloser(http.NoBody)
	if r.Body != nil {
		body = r.Body
	}
	defer body.Close()
	if r.Context().Err() != nil {
		return nil, context.Cause(r.Context())
	}

	in := asServer(r)
	host := r.URL.Hostname()
	s, known := serviceOfHost(host)
	if s == serviceTokenInfo && r.URL.Path == oauthTokenPath {
		s = serviceOAuth // on the same host
	}
	if !known && isLoopback(host) {
		s, in.URL.Path, known = serviceOfPath(r.URL.Path)
	}
	if !known {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	}
	a, err := c.exchange(s, in, body)
	if err != nil {
		return nil, err
	}
	return a.response(r), nil
}

// asServer is the request as the server would see it.
func asServer(r *http.Request) *http.Request {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Header == nil {
		in.Header = http.Header{}
	}
	if r.ContentLength > 0 {
		in.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	return in
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
