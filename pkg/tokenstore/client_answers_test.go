package tokenstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func TestClientReadsTheLongestAnswer(t *testing.T) {
	t.Parallel()
	one := `{"SecretString":"` + strings.Repeat(`\u0001`, MaxSize) + `","ARN":"` + strings.Repeat("a", 2048) + `"}`
	batch := `{"SecretValues":[` + strings.Repeat(one+",", 19) + one + `]}`
	store := newStore(roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, ContentLength: int64(len(batch)), Body: io.NopCloser(strings.NewReader(batch))}, nil
	}))
	out, err := store.Client.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"s"}})
	if err != nil || len(out.SecretValues) != 20 || len(aws.ToString(out.SecretValues[19].SecretString)) != MaxSize {
		t.Errorf("got %v, %v", out, err)
	}
}

func TestClientReadsNoAnswerWithoutEnd(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status    int
		length    int64
		retryable bool
	}{
		"a success":            {200, -1, true},
		"a refusal":            {400, -1, false},
		"an announced success": {200, maxAnswer + 1, true},
		"an announced outage":  {503, 1 << 40, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var tries, read atomic.Int64
				store := newStore(roundTripFunc(func(*http.Request) (*http.Response, error) {
					tries.Add(1)
					return &http.Response{StatusCode: tc.status, Header: http.Header{}, ContentLength: tc.length, Body: endless{&read}}, nil
				}))
				_, err := store.Read(t.Context(), "s")
				wantError(t, err, "InvalidResponse", tc.retryable)
				if !strings.Contains(err.Error(), "the answer is too long") {
					t.Error(err)
				}
				if tries.Load() != maxAttempts || read.Load() > maxAttempts*(maxAnswer+1) {
					t.Errorf("%d bytes were read in %d tries", read.Load(), tries.Load())
				}
			})
		})
	}
}

// endless is a body of white space, which could be the beginning of a JSON object.
type endless struct{ read *atomic.Int64 }

var spaces = strings.Repeat(" ", 64<<10)

func (e endless) Read(p []byte) (int, error) {
	n := copy(p, spaces)
	if e.read.Add(int64(n)) > 20*maxAnswer {
		return n, io.EOF // the test has failed
	}
	return n, nil
}

func (endless) Close() error { return nil }

func TestClientQuotesNothingThatIsNotHTTP(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newMemory(t, false, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, planted+" "+awsSessionToken+"\r\n")
		})
		_, err := n.store().Read(t.Context(), "s")
		wantError(t, err, "Unreachable", true)
		if !strings.Contains(err.Error(), "does not speak HTTP") {
			t.Error(err)
		}
	})
}

// A function thaws with a connection that was closed meanwhile, and writes to it before
// it notices. The SDK would wait for up to 2 s before it tries again.
func TestADeadConnectionCostsNoWait(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.holding(t, "s", w.minted(1))
				var dead atomic.Bool
				handler := w.cloud.Handler()
				n := newMemory(t, http2, func(rw http.ResponseWriter, r *http.Request) {
					if (r.ProtoMajor == 2) != http2 {
						t.Errorf("came by %s", r.Proto)
					}
					if dead.CompareAndSwap(true, false) {
						_ = r.Context().Value(connectionKey{}).(net.Conn).Close()
						panic(http.ErrAbortHandler)
					}
					handler.ServeHTTP(rw, r)
				})
				store := n.store()
				current := read(t, store, "s")
				w.pass(30 * time.Minute)
				began := time.Now()
				for round, call := range []func() error{
					func() error { _, err := store.Read(t.Context(), "s"); return err },
					func() error { _, err := store.Write(t.Context(), current, w.minted(2), w.due); return err },
				} {
					dead.Store(true)
					if err := call(); err != nil {
						t.Error(err)
					}
					if dead.Load() || n.dialled.Load() != int64(round+2) {
						t.Errorf("%d connections", n.dialled.Load())
					}
				}
				if took := time.Since(began); took != 0 {
					t.Errorf("it took %v", took)
				}
				if s, _ := w.cloud.Secret("s"); len(s.Versions) != 2 {
					t.Errorf("%d versions, want 2", len(s.Versions))
				}
			})
		})
	}
}

// Who hangs up on everybody is not asked again at once, but as the SDK sees fit.
func TestOnlyADeadConnectionIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var sent atomic.Int64
				n := newMemory(t, http2, func(http.ResponseWriter, *http.Request) {
					sent.Add(1)
					panic(http.ErrAbortHandler) // by HTTP/2 a stream is reset, and the connection stays
				})
				_, err := n.store().Read(t.Context(), "s")
				wantError(t, err, "Unreachable", true)
				if sent.Load() != maxAttempts {
					t.Errorf("%d requests in %d tries", sent.Load(), maxAttempts)
				}
			})
		})
	}
}

// A kept connection on which somebody answers is not dead, whatever the answer is.
func TestWhatWasAnsweredIsNotRepeatedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		n := newMemory(t, true, func(rw http.ResponseWriter, _ *http.Request) {
			sent.Add(1)
			rw.Header().Set("Content-Length", strconv.Itoa(maxAnswer+1))
			rw.WriteHeader(http.StatusOK)
		})
		_, err := n.store().Read(t.Context(), "s")
		wantError(t, err, "InvalidResponse", true)
		if sent.Load() != maxAttempts {
			t.Errorf("%d requests in %d tries", sent.Load(), maxAttempts)
		}
	})
}

// memory is a network in memory with Secrets Manager at its other end.
type memory struct {
	transport *http.Transport // of a client there
	accepted  chan net.Conn
	dialled   atomic.Int64
}

type connectionKey struct{}

func newMemory(t *testing.T, http2 bool, handler http.HandlerFunc) *memory {
	n := &memory{accepted: make(chan net.Conn), transport: &http.Transport{Protocols: new(http.Protocols)}}
	n.transport.DialContext = n.dial
	n.transport.Protocols.SetHTTP1(!http2)
	n.transport.Protocols.SetUnencryptedHTTP2(http2)
	server := &http.Server{
		Handler: handler, Protocols: n.transport.Protocols, ErrorLog: log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, c)
		},
	}
	served := make(chan error)
	go func() { served <- server.Serve(n) }()
	t.Cleanup(func() {
		close(n.accepted)
		<-served
		_ = server.Close()
	})
	return n
}

func (n *memory) store() *Store {
	return &Store{Client: NewClient(Options{
		Region: "eu-west-1", BaseEndpoint: "http://example.com/secretsmanager",
		Credentials: credentials.NewStaticCredentialsProvider("ASIAIOSFODNN7EXAMPLE", awsSecretKey, awsSessionToken),
		HTTPClient:  &http.Client{Transport: n.transport},
	})}
}

func (n *memory) dial(context.Context, string, string) (net.Conn, error) {
	n.dialled.Add(1)
	client, server := net.Pipe()
	n.accepted <- server
	return client, nil
}

func (n *memory) Accept() (net.Conn, error) {
	if conn, open := <-n.accepted; open {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (*memory) Close() error   { return nil }
func (*memory) Addr() net.Addr { return &net.TCPAddr{} }

func TestTheOwnTransportTakesFewHeadersAndResumesSessions(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if (r.ProtoMajor == 2) != http2 {
					t.Errorf("came by %s", r.Proto)
				}
				w.Header().Set("X-Long", strings.Repeat("x", int(r.ContentLength)))
				w.Header().Set("X-Resumed", fmt.Sprint(r.TLS.DidResume))
			}))
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()

			own := transport()
			if own.TLSClientConfig.MinVersion < tls.VersionTLS12 {
				t.Error("the SDK's least version of TLS got lost")
			}
			own.TLSClientConfig.RootCAs = x509.NewCertPool()
			own.TLSClientConfig.RootCAs.AddCert(server.Certificate())
			post := func(length int) (*http.Response, error) {
				again := own.Clone() // with its sessions, without its connections
				defer again.CloseIdleConnections()
				return (&http.Client{Transport: again}).Post(server.URL, "", strings.NewReader(strings.Repeat("x", length)))
			}
			for _, want := range []string{"false", "true"} {
				resp, err := post(maxAnswerHeader / 2)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if got := resp.Header.Get("X-Resumed"); got != want {
					t.Errorf("resumed: %s, want %s", got, want)
				}
			}
			if resp, err := post(2 * maxAnswerHeader); err == nil {
				resp.Body.Close()
				t.Errorf("headers of %d bytes were taken", 2*maxAnswerHeader)
			}
		})
	}
}
