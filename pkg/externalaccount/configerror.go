package externalaccount

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/wifmint/wifmint/pkg/jsondoc"
)

// ConfigError is a credential file, or options, of which no credentials can be
// made: what Google's libraries call a DefaultCredentialsError. Nothing was sent.
type ConfigError struct {
	// Path is the file's; empty if it was not read from one.
	Path string
	// Err is a jsondoc.Problems for what is wrong with the content, an
	// *fs.PathError if the file cannot be read, and else an error without a type
	// that says what to change.
	Err error
}

func (e *ConfigError) Error() string {
	if e.Path == "" {
		return e.Err.Error()
	}
	separator, err := ": ", e.Err
	switch cause := err.(type) {
	case *fs.PathError:
		err = cause.Err // without the path a second time
	case jsondoc.Problems:
		separator = ":\n" // and each on a line
	}
	return "reading the credential file " + e.Path + separator + err.Error()
}

func (e *ConfigError) Unwrap() error { return e.Err }

func configErrorf(format string, args ...any) *ConfigError {
	return &ConfigError{Err: fmt.Errorf(format, args...)}
}

// inFile adds the path to a *ConfigError.
func inFile(path string, err error) error {
	if e, ok := errors.AsType[*ConfigError](err); ok {
		return &ConfigError{path, e.Err}
	}
	return err
}
