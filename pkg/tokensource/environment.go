package tokensource

import (
	"context"
	"errors"
	"os"
	"sync/atomic"

	"github.com/wifmint/wifmint/pkg/internal/flight"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// processReader is every Source's that has none: a process has one environment,
// and one pool of connections to Secrets Manager will do.
var processReader environmentReader

// environmentReader reads Secrets Manager as the environment says. Its client is
// made at the first read, and remembered once that succeeds: outside Lambda the
// region may come from the machine, which may fail to tell it at first.
type environmentReader struct {
	getenv func(string) string // nil means os.Getenv

	store   atomic.Pointer[tokenstore.Store]
	opening flight.Flight[*tokenstore.Store]
}

func (r *environmentReader) ReadStage(ctx context.Context, secretID, stage string) (tokenstore.Current, error) {
	store := r.store.Load()
	if store == nil {
		var err error
		if store, err = r.opening.Do(ctx, r.open); err != nil {
			return tokenstore.Current{SecretID: secretID}, notSent(secretID, err)
		}
	}
	return store.ReadStage(ctx, secretID, stage)
}

func (r *environmentReader) open(ctx context.Context) (*tokenstore.Store, error) {
	getenv := r.getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	aws := supplier.Default(getenv)
	region, err := supplier.Region(ctx, aws, supplier.SupplierContext{})
	if err != nil {
		return nil, err
	}
	endpoint, err := tokenstore.EndpointFromEnvironment(getenv)
	if err != nil {
		return nil, err
	}
	store := &tokenstore.Store{Client: tokenstore.NewClient(tokenstore.Options{
		Region: region, Credentials: supplier.SDK(aws), BaseEndpoint: endpoint,
	})}
	r.store.Store(store)
	return store, nil
}

// notSent is about a call that could not be made.
func notSent(secretID string, err error) *tokenstore.Error {
	e := &tokenstore.Error{Op: "GetSecretValue", SecretID: secretID, Code: "NotSent", Message: err.Error(), Err: err}
	if chain, ok := errors.AsType[*supplier.ChainError](err); ok {
		e.Retryable = chain.Retryable()
	}
	return e
}
