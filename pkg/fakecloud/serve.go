package fakecloud

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// Endpoints are the URLs of the services when [Cloud.Handler] is served at a base.
type Endpoints struct {
	// SecretsManager is for AWS_ENDPOINT_URL_SECRETS_MANAGER.
	SecretsManager string
	// AWSSTS is where GetCallerIdentity and AssumeRole are sent, such as for
	// regional_cred_verification_url, to which a query is added.
	AWSSTS string
	// TokenURL is Google STS's token endpoint.
	TokenURL string
	// OAuthTokenURL, RevokeURL and IntrospectURL are where Google STS refreshes,
	// revokes and describes tokens.
	OAuthTokenURL, RevokeURL, IntrospectURL string
	// IAMCredentials stands for https://iamcredentials.googleapis.com: the path
	// /v1/projects/-/serviceAccounts/… is added.
	IAMCredentials string
	// TokenInfo is the whole URL of tokeninfo.
	TokenInfo string
	// Container is for AWS_CONTAINER_CREDENTIALS_FULL_URI.
	Container string
	// IMDS stands for http://169.254.169.254: the path /latest/… is added.
	IMDS string
}

// EndpointsAt tells the endpoints of a cloud whose Handler is served at base,
// such as "http://127.0.0.1:8080".
func EndpointsAt(base string) Endpoints {
	base = strings.TrimSuffix(base, "/")
	return Endpoints{
		SecretsManager: base + "/secretsmanager",
		AWSSTS:         base + "/aws-sts",
		TokenURL:       base + "/google-sts/v1/token",
		OAuthTokenURL:  base + "/google-sts/v1/oauthtoken",
		RevokeURL:      base + "/google-sts/v1/revoke",
		IntrospectURL:  base + "/google-sts/v1/introspect",
		IAMCredentials: base + "/iamcredentials",
		TokenInfo:      base + "/tokeninfo",
		Container:      base + "/container/credentials",
		IMDS:           base + "/imds",
	}
}

// serviceOfPath finds the service by the first part of a path, and its own
// path below it.
func serviceOfPath(path string) (s service, below string, known bool) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	s = service(name)
	_, known = s.endpoint()
	if s == serviceTokenInfo {
		return s, path, known // Google's path is /tokeninfo itself
	}
	return s, "/" + rest, known
}

// Handler serves every service under path prefixes, for processes that can
// only be given URLs: [EndpointsAt] tells them. Bodies are read to the end
// before anything happens.
func (c *Cloud) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, below, known := serviceOfPath(r.URL.Path)
		if !known {
			http.Error(w, "no service of the fake cloud has the path "+strconv.Quote(r.URL.Path), http.StatusNotFound)
			return
		}
		in := r.Clone(r.Context())
		in.URL.Path, in.URL.RawPath = below, ""
		a, err := c.exchange(s, in, r.Body)
		switch {
		case errors.Is(err, errReset):
			reset(w)
		case err != nil:
			panic(http.ErrAbortHandler) // the client is gone
		default:
			a.send(w)
		}
	})
}

// send writes the answer to a network client. net/http breaks the connection
// off after less than the promised body.
func (a *answer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	w.WriteHeader(a.status())
	_, _ = w.Write(a.arriving())
}

// reset closes the connection in a way that the peer's kernel reports as
// ECONNRESET: closing with SO_LINGER 0 sends RST instead of FIN.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2: the stream is reset
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// Server is a Cloud that listens on loopback.
type Server struct {
	// URL is such as "http://127.0.0.1:41234".
	URL string

	server *http.Server
	served chan struct{} // closed when Serve has returned
}

// Serve serves [Cloud.Handler] on a free port of 127.0.0.1 until Close.
func (c *Cloud) Serve() (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the fake cloud: %w", err)
	}
	s := &Server{
		URL:    "http://" + listener.Addr().String(),
		server: &http.Server{Handler: c.Handler()},
		served: make(chan struct{}),
	}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // always http.ErrServerClosed, by Close
	}()
	return s, nil
}

// Endpoints are the services' URLs.
func (s *Server) Endpoints() Endpoints { return EndpointsAt(s.URL) }

// Close stops listening and breaks what is under way. It may be called again.
func (s *Server) Close() error {
	err := s.server.Close()
	<-s.served
	return err
}
