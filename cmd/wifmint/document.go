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
	credentials externalaccount.AnyFile
	// content is the file's, as it was read.
	content []byte
}

// readDocument reads a config document or a credential file; which one it is,
// its fields tell. It fails with a usageError.
func readDocument(name string, w *world) (*document, error) {
	content, err := readFile(name)
	if err != nil {
		return nil, usageError{fmt.Errorf("reading %s: %w", name, err)}
	}
	anyEndpoint := keeper.UnsafeEndpoints(w.getenv)
	if isConfig(content) {
		config, err := keeper.ParseConfig(content, keeper.ConfigOptions{AllowAnyEndpoint: anyEndpoint})
		if err != nil {
			return nil, usageError{err}
		}
		return &document{config, config.Credentials, content}, nil
	}
	file, err := externalaccount.ParseAny(content, externalaccount.FileOptions{AllowAnyEndpoint: anyEndpoint, AllowExecutable: true})
	if err != nil {
		return nil, usageError{err}
	}
	return &document{credentials: file, content: content}, nil
}

// origin is the credential file that says who one is: where there are
// service accounts on the way, the one that is behind all of them.
func (d *document) origin() externalaccount.AnyFile {
	f := d.credentials
	for {
		impersonating, ok := f.(*externalaccount.ImpersonatedFile)
		if !ok {
			return f
		}
		f = impersonating.Source
	}
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
	if json.Unmarshal(withoutMark(data), &fields) != nil {
		return true
	}
	return fields["targets"] != nil || fields["credentials"] != nil || fields["type"] == nil
}

// withoutMark takes off the byte order mark that Windows' editors write.
func withoutMark(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\ufeff")) }
