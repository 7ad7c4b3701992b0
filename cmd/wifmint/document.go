package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
)

// document is a file given to a command: a config document, or a credential
// file alone (config is nil then).
type document struct {
	config      *keeper.Config
	credentials *externalaccount.File
}

// readDocument reads a config document or a credential file; which one it is,
// its fields tell. It fails with a usageError.
func readDocument(name string, w *world) (*document, error) {
	data, err := readFile(name)
	if err != nil {
		return nil, usageError{fmt.Errorf("reading %s: %w", name, err)}
	}
	anyEndpoint := keeper.UnsafeEndpoints(w.getenv)
	if isConfig(data) {
		config, err := keeper.ParseConfig(data, keeper.ConfigOptions{AllowAnyEndpoint: anyEndpoint})
		if err != nil {
			return nil, usageError{err}
		}
		return &document{config, config.Credentials}, nil
	}
	file, err := externalaccount.ParseFile(data, externalaccount.FileOptions{AllowAnyEndpoint: anyEndpoint, AllowExecutable: true})
	if err != nil {
		return nil, usageError{err}
	}
	return &document{credentials: file}, nil
}

// readFile reads as much of a file as it takes to refuse it for its size, as the
// functions do.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, errors.Unwrap(err) // without the name a second time
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, keeper.MaxConfigSize+1))
}

// isConfig tells a config document by its fields. What is not even JSON is
// taken for one: its parser says where the syntax breaks.
func isConfig(data []byte) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &fields) != nil {
		return true
	}
	return fields["targets"] != nil || fields["credentials"] != nil || fields["type"] == nil
}
