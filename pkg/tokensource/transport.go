package tokensource

import (
	"context"
	"net/http"

	"github.com/wifmint/wifmint/pkg/internal/bearer"
)

// Client is an http.Client that authenticates as [Source.Transport] does. It has
// no Timeout: bound requests by their contexts.
func (s *Source) Client() *http.Client { return &http.Client{Transport: s.Transport(nil)} }

// Transport authenticates the requests of an http.Client with the token; base
// makes them, nil means http.DefaultTransport. Use the client for Google's APIs, or
// an ID token's audience, only: whoever is called gets the token. A request over
// plain http is refused, and one that follows a redirect to another host gets no
// token. It fails with an *[Error] when there is none.
func (s *Source) Transport(base http.RoundTripper) http.RoundTripper {
	return &bearer.Transport{Base: base, Apply: func(ctx context.Context, header http.Header) error {
		authorization, err := s.authorization(ctx)
		if err == nil {
			header.Set("Authorization", authorization)
		}
		return err
	}}
}

func (s *Source) authorization(ctx context.Context) (string, error) {
	token, err := s.Token(ctx)
	if err != nil {
		return "", err
	}
	return "Bearer " + token.Value.Reveal(), nil
}

// PerRPC authenticates gRPC calls: it implements
// google.golang.org/grpc/credentials.PerRPCCredentials, which this package does not
// import, for
//
//	grpc.WithPerRPCCredentials(tokensource.PerRPC{Source: source})
type PerRPC struct {
	// Source is required.
	Source *Source
}

// GetRequestMetadata returns the header of a call. It fails with an *[Error].
func (p PerRPC) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	authorization, err := p.Source.authorization(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": authorization}, nil
}

// RequireTransportSecurity is true: gRPC then refuses a connection without TLS.
func (PerRPC) RequireTransportSecurity() bool { return true }
