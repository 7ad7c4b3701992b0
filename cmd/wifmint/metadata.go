package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/wifmint/wifmint/internal/metadata"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// regionTimeout bounds the looking for a region and for credentials, which may ask
// the machine.
const regionTimeout = 10 * time.Second

type metadataCommand struct {
	Listen  string   `default:"127.0.0.1:2774" placeholder:"HOST:PORT" help:"A loopback address; port 0 is any free one. The default is ${default}."`
	Secret  []string `required:"" placeholder:"ID" help:"A secret's name or ARN; may be repeated. The first one's account is the default service account."`
	Verbose bool     `help:"Log every request."`
}

func (c *metadataCommand) Run(w *world) error {
	if err := cmp.Or(metadata.CheckAddress(c.Listen), metadata.CheckSecrets(c.Secret)); err != nil {
		return usageError{err}
	}
	reader, err := openStore(w)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(w.stderr, &slog.HandlerOptions{Level: c.level()}))
	server, err := metadata.NewServer(metadata.Options{Secrets: c.Secret, Reader: reader, Log: log})
	if err != nil {
		return err
	}
	// From here on SDKs find the server, so what it needs has been found.
	listener, err := metadata.Listen(w.ctx, c.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	address := listener.Addr()
	fmt.Fprintf(w.stderr, "listening on %s\n", address)
	fmt.Fprintf(w.stderr, "Google's SDKs find it by: export GCE_METADATA_HOST=%s GCE_METADATA_IP=%s\n", address, address)
	return metadata.Serve(w.ctx, listener, server)
}

func (c *metadataCommand) level() slog.Level {
	if c.Verbose {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// openStore makes a reader of the secrets that whoever is at the terminal may
// read. It fails without a region or credentials; those are asked for again at
// every read.
func openStore(w *world) (*tokenstore.Store, error) {
	endpoint, err := secretsEndpoint(w)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(w.ctx, regionTimeout)
	defer cancel()
	aws := ownAWS(ctx, supplier.Default(w.getenv))
	region, err := supplier.Region(ctx, aws, supplier.SupplierContext{})
	if err != nil {
		return nil, fmt.Errorf("finding the region of the secrets: %w; set AWS_REGION", err)
	}
	if _, err := supplier.Credentials(ctx, aws, supplier.SupplierContext{}); err != nil {
		return nil, fmt.Errorf("finding the AWS credentials that read the secrets: %w", err)
	}
	return &tokenstore.Store{Client: tokenstore.NewClient(tokenstore.Options{
		Region: region, Credentials: supplier.SDK(aws), BaseEndpoint: endpoint,
	})}, nil
}

// secretsEndpoint fails with a usageError.
func secretsEndpoint(w *world) (string, error) {
	endpoint, err := tokenstore.EndpointFromEnvironment(w.getenv)
	if err != nil {
		return "", usageError{fmt.Errorf("finding Secrets Manager: %w", err)}
	}
	return endpoint, nil
}
