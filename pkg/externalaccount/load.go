package externalaccount

import (
	"io"
	"os"

	"github.com/wifmint/wifmint/pkg/jsondoc"
)

// LoadFile reads the credential file at a path with [ParseFile]. It fails with a
// *[ConfigError] that has the path.
func LoadFile(path string, o FileOptions) (*File, error) { return load(path, o, ParseFile) }

func load[F any](path string, o FileOptions, parse func([]byte, FileOptions) (F, error)) (F, error) {
	var none F
	data, err := read(path)
	if err != nil {
		return none, &ConfigError{path, err}
	}
	f, err := parse(data, o)
	return f, inFile(path, err)
}

// read reads as much of a file as it takes to refuse it.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, jsondoc.MaxSize+1))
}
