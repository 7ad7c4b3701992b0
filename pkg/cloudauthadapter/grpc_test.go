package cloudauthadapter_test

import (
	"context"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/grpctransport"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/wifmint/wifmint/pkg/cloudauthadapter"
	"github.com/wifmint/wifmint/pkg/internal/adaptertest"
	"github.com/wifmint/wifmint/pkg/tokensource"
)

var _ credentials.PerRPCCredentials = tokensource.PerRPC{}

// rpcServer serves gRPC over TLS in-process, to whoever brings the token.
type rpcServer struct {
	listener *bufconn.Listener
	trusted  *x509.CertPool
}

func serveRPC(t *testing.T, token string) rpcServer {
	t.Helper()
	issuer := httptest.NewTLSServer(nil) // for its certificate, which is example.com's
	t.Cleanup(issuer.Close)
	s := rpcServer{bufconn.Listen(1 << 16), x509.NewCertPool()}
	s.trusted.AddCert(issuer.Certificate())

	server := grpc.NewServer(
		grpc.Creds(credentials.NewServerTLSFromCert(&issuer.TLS.Certificates[0])),
		grpc.UnaryInterceptor(func(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if got := metadata.ValueFromIncomingContext(ctx, "authorization"); len(got) != 1 || got[0] != "Bearer "+token {
				return nil, status.Error(codes.Unauthenticated, "not the token")
			}
			return next(ctx, in)
		}))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	go func() {
		if err := server.Serve(s.listener); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(server.Stop)
	return s
}

const rpcTarget = "passthrough:///example.com"

func (s rpcServer) dialer() grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return s.listener.DialContext(ctx) })
}

func (s rpcServer) tls() grpc.DialOption {
	return grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(s.trusted, "example.com"))
}

// call makes a call by a connection to the server.
func (s rpcServer) call(t *testing.T, options ...grpc.DialOption) error {
	t.Helper()
	connection, err := grpc.NewClient(rpcTarget, append(options, s.dialer())...)
	if err != nil {
		return err
	}
	defer connection.Close()
	return checkHealth(t, connection)
}

func checkHealth(t *testing.T, connection grpc.ClientConnInterface) error {
	_, err := grpc_health_v1.NewHealthClient(connection).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	return err
}

func TestASourceAuthenticatesGRPCCalls(t *testing.T) {
	t.Parallel()
	w := adaptertest.NewWorld()
	stored := w.Holds(t, "token", "")
	server := serveRPC(t, stored.Value.Reveal())
	perRPC := grpc.WithPerRPCCredentials(tokensource.PerRPC{Source: w.Source()})

	if err := server.call(t, server.tls(), perRPC); err != nil {
		t.Error(err)
	}
	if err := server.call(t, server.tls()); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without the token: %v", err)
	}
	if err := server.call(t, grpc.WithTransportCredentials(insecure.NewCredentials()), perRPC); err == nil || !strings.Contains(err.Error(), "transport level security") {
		t.Errorf("without TLS: %v", err)
	}
}

func TestAFailedSourceFailsTheGRPCCall(t *testing.T) {
	t.Parallel()
	w := adaptertest.NewWorld()
	server := serveRPC(t, "")
	err := server.call(t, server.tls(), grpc.WithPerRPCCredentials(tokensource.PerRPC{Source: w.Source()}))
	if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), adaptertest.Secret) {
		t.Errorf("%v, want what the source said", err)
	}
	w.KeepsSecrets(t, err)
}

func TestGooglesTransportAuthenticatesGRPCCalls(t *testing.T) {
	t.Parallel()
	w := adaptertest.NewWorld()
	stored := w.Holds(t, "token", "")
	server := serveRPC(t, stored.Value.Reveal())
	provider := cloudauthadapter.FromSource(w.Source())
	for name, adapted := range map[string]*auth.Credentials{
		"our credentials": provider.Credentials(),
		"the provider":    auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: provider}),
	} {
		universe, err := adapted.UniverseDomain(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pool, err := grpctransport.Dial(t.Context(), true, &grpctransport.Options{
			Credentials: adapted, Endpoint: rpcTarget, UniverseDomain: universe, DisableTelemetry: true,
			GRPCDialOpts: []grpc.DialOption{server.dialer(), server.tls()},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := checkHealth(t, pool); err != nil {
			t.Errorf("with %s: %v", name, err)
		}
		pool.Close()
	}
}
