// Metadata is the Lambda extension of the layer: it runs beside a function and
// answers as Google's metadata server does, with the tokens of the secrets that
// WIFMINT_SECRETS names. The function sets GCE_METADATA_HOST to its address, and
// every Google SDK finds it.
//
// It listens before it registers, which lets the function start: whatever the
// function asks for in its own initialisation is answered. On INVOKE it does
// nothing. A token is read when it is asked for and kept as long as it is good,
// so that a read ahead would cost every invocation what few of them need, and
// between invocations nothing runs: the process is frozen.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/wifmint/wifmint/internal/metadata"
	"github.com/wifmint/wifmint/internal/netlog"
)

const defaultAddress = "127.0.0.1:2774"

func main() {
	log := lambdacontext.NewLogger()
	netlog.Hide(os.Stderr)
	if err := run(context.Background(), os.Getenv, log); err != nil {
		log.Error("ending the metadata extension", "error", err.Error())
		os.Exit(1)
	}
}

// run returns when Lambda ends the extension. An error was reported to Lambda,
// if that was possible.
func run(ctx context.Context, getenv func(string) string, log *slog.Logger) error {
	listener, handler, configError := prepare(ctx, getenv, log)
	// Lambda calls an extension by its file's name and believes no other.
	x, err := register(ctx, getenv("AWS_LAMBDA_RUNTIME_API"), filepath.Base(os.Args[0]))
	if err != nil {
		return errors.Join(configError, err)
	}
	if configError != nil {
		return errors.Join(configError, x.report(ctx, initError, "Extension.ConfigError", configError))
	}
	if err := serve(ctx, x, listener, handler); err != nil {
		return errors.Join(err, x.report(ctx, exitError, "Extension.ServerError", err))
	}
	return nil
}

// prepare reads the environment and listens.
func prepare(ctx context.Context, getenv func(string) string, log *slog.Logger) (net.Listener, http.Handler, error) {
	secrets := getenv("WIFMINT_SECRETS")
	if secrets == "" {
		return nil, nil, errors.New("WIFMINT_SECRETS is not set: write the names or ARNs of the secrets that hold the tokens, separated by commas, that of the default service account first, such as wifmint/reports,wifmint/api")
	}
	var names []string
	for name := range strings.SplitSeq(secrets, ",") {
		names = append(names, strings.TrimSpace(name))
	}
	handler, err := metadata.NewServer(metadata.Options{Secrets: names, Log: log})
	if err != nil {
		return nil, nil, fmt.Errorf("reading WIFMINT_SECRETS: %w", err)
	}
	listener, err := metadata.Listen(ctx, cmp.Or(getenv("WIFMINT_METADATA_ADDR"), defaultAddress))
	if err != nil {
		return nil, nil, fmt.Errorf("reading WIFMINT_METADATA_ADDR: %w", err)
	}
	if address := listener.Addr().String(); getenv("GCE_METADATA_HOST") != address {
		log.Warn("GCE_METADATA_HOST of the function does not name this server: Google's SDKs will not find it unless it is set", "GCE_METADATA_HOST", address)
	}
	return listener, handler, nil
}

// serve answers metadata requests until Lambda ends the extension, which is no
// error. What keeps either half from going on ends both.
func serve(ctx context.Context, x *extension, listener net.Listener, handler http.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		defer cancel()
		served <- metadata.Serve(ctx, listener, handler)
	}()
	err := x.awaitShutdown(ctx)
	cancel()
	return cmp.Or(<-served, err)
}
