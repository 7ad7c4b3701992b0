package main

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// serveAPI is an Extensions API whose answers a test chooses, unlike lambdaapi's,
// which keeps the rules. Errors that are reported to it come out of the channel.
func serveAPI(t *testing.T, next http.HandlerFunc) (host string, reports chan string) {
	t.Helper()
	reports = make(chan string, 2)
	report := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		reports <- r.URL.Path + " " + r.Header.Get("Lambda-Extension-Identifier") + " " + r.Header.Get("Lambda-Extension-Function-Error-Type") + " " + string(body)
		w.WriteHeader(http.StatusAccepted)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Lambda-Extension-Identifier", "id")
	})
	mux.HandleFunc("GET /2020-01-01/extension/event/next", next)
	mux.HandleFunc("POST /2020-01-01/extension/init/error", report)
	mux.HandleFunc("POST /2020-01-01/extension/exit/error", report)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), reports
}

// Lambda starts the function when the extension has registered.
func TestItListensBeforeItRegisters(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	dialled := make(chan error, 1)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		dialled <- err
		w.WriteHeader(http.StatusForbidden)
	}))
	defer api.Close()
	env := map[string]string{"AWS_LAMBDA_RUNTIME_API": api.Listener.Addr().String(), "WIFMINT_SECRETS": "a", "WIFMINT_METADATA_ADDR": address}
	if err := run(t.Context(), func(name string) string { return env[name] }, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "registering the extension: the answer was 403") {
		t.Errorf("got %v", err)
	}
	if err := <-dialled; err != nil {
		t.Error(err)
	}
}

func TestAnEventThatCannotBeHadEndsTheExtensionAndIsReported(t *testing.T) {
	t.Parallel()
	answering := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, test := range map[string]struct {
		next http.HandlerFunc
		want string
	}{
		"Lambda's failure": {answering(http.StatusInternalServerError, "container error"), "waiting for an event: the answer was 500 Internal Server Error: container error"},
		"half an event":    {answering(http.StatusOK, `{"eventType":`), "reading an event: unexpected end of JSON input"},
		"too much":         {answering(http.StatusOK, strings.Repeat(" ", maxAnswer+1)), "waiting for an event: the answer has more than 65536 bytes"},
		"nothing":          {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "waiting for an event: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, reports := serveAPI(t, test.next)
			env := map[string]string{"AWS_LAMBDA_RUNTIME_API": host, "WIFMINT_SECRETS": "a", "WIFMINT_METADATA_ADDR": "127.0.0.1:0"}
			err := run(t.Context(), func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v", err)
			}
			want := `/2020-01-01/extension/exit/error id Extension.ServerError {"errorMessage":"` + test.want + `","errorType":"Extension.ServerError"}`
			if diff := cmp.Diff(want, <-reports); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAServerThatFailsEndsTheExtension(t *testing.T) {
	t.Parallel()
	host, _ := serveAPI(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	x, err := register(t.Context(), host, name)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := serve(t.Context(), x, listener, http.NotFoundHandler()); err == nil || !strings.HasPrefix(err.Error(), "serving metadata: ") {
		t.Errorf("got %v", err)
	}
}
