package functions_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// handshakes counts how a server's clients connect.
type handshakes struct{ connections, full, resumed atomic.Int64 }

// watch has h count for a server that has not started.
func (h *handshakes) watch(s *httptest.Server) {
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			h.connections.Add(1)
		}
	}
	s.TLS = &tls.Config{VerifyConnection: func(c tls.ConnectionState) error { // which is called on resumption, too
		if c.DidResume {
			h.resumed.Add(1)
		} else {
			h.full.Add(1)
		}
		return nil
	}}
}

func (h *handshakes) String() string {
	return fmt.Sprintf("%d connections, %d full handshakes, %d resumed", h.connections.Load(), h.full.Load(), h.resumed.Load())
}

// site is one of the clouds behind TLS, as the functions see it.
type site struct {
	*httptest.Server
	handshakes
	hangUp atomic.Bool // on the next request, which nobody reads
}

type connectionKey struct{}

func serveSite(w *world, http2 bool) *site {
	s := &site{}
	handler := w.cloud.Handler()
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if (r.ProtoMajor == 2) != http2 {
			w.t.Errorf("the function speaks %s", r.Proto)
		}
		if s.hangUp.CompareAndSwap(true, false) {
			_ = r.Context().Value(connectionKey{}).(*tls.Conn).NetConn().Close()
			panic(http.ErrAbortHandler)
		}
		handler.ServeHTTP(rw, r)
	}))
	s.EnableHTTP2 = http2
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connectionKey{}, c)
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that the test breaks
	s.watch(s.Server)
	s.StartTLS()
	w.t.Cleanup(s.Close)
	return s
}

// A tick costs no handshake while connections live. After that it costs each service
// one, of a session that is resumed, and neither the invocation nor a second version.
func TestConnectionsAndSessionsAreKeptAcrossInvocations(t *testing.T) {
	t.Parallel()
	for function, secret := range map[string]string{"minter": "wifmint/federated", "rotator": "wifmint/reports"} {
		for protocol, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
			t.Run(function+" "+protocol, func(t *testing.T) {
				t.Parallel()
				w := newRotatorWorld(t, map[string]string{"minter": federatedTarget, "rotator": reportsTarget}[function])
				google, aws := serveSite(w, http2), serveSite(w, http2)
				e := w.startWithTLS(function, google, aws)
				mints := func(when string, connections, resumed int) {
					t.Helper()
					w.cloud.PutSecret(secret, "{}") // no token, so that one is due
					before, _ := w.cloud.Secret(secret)
					if report, failed := w.invoke(e, "{}"); failed != nil || outcomes(report) != "minted" {
						t.Errorf("%s: %+v, %v", when, report, failed)
					}
					if after, _ := w.cloud.Secret(secret); len(after.Versions) != len(before.Versions)+1 {
						t.Errorf("%s: %d new versions, want 1", when, len(after.Versions)-len(before.Versions))
					}
					want := fmt.Sprintf("%d connections, 1 full handshakes, %d resumed", connections, resumed)
					for name, site := range map[string]*site{"Google": google, "Secrets Manager": aws} {
						if got := site.String(); got != want {
							t.Errorf("%s: %s sees %s; want %s", when, name, got, want)
						}
					}
				}
				for range 5 {
					mints("within the keep-alive", 1, 0)
				}
				google.CloseClientConnections()
				aws.CloseClientConnections()
				mints("after connections were closed while it was frozen", 2, 1)
				google.hangUp.Store(true)
				aws.hangUp.Store(true)
				mints("over connections of which it does not know that they are closed", 3, 2)
				mints("after all that", 3, 2)
			})
		}
	}
}

// startWithTLS starts a function that is frozen between invocations, and whose clouds
// are at two sites.
func (w *world) startWithTLS(name string, google, aws *site) *lambdaapi.Environment {
	w.t.Helper()
	authority := filepath.Join(w.t.TempDir(), "authority.pem") // of all httptest's servers
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: google.Certificate().Raw}), 0o600); err != nil {
		w.t.Fatal(err)
	}
	f := w.function(name)
	f.Freeze = true
	f.Env["SSL_CERT_FILE"] = authority
	f.Env["WIFMINT_CONFIG"] = strings.ReplaceAll(f.Env["WIFMINT_CONFIG"], w.server.URL, google.URL)
	f.Env["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = fakecloud.EndpointsAt(aws.URL).SecretsManager
	e, err := lambdaapi.Start(w.t.Context(), f)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(e.Close)
	return e
}
