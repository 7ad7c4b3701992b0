package subjecttoken

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/wifmint/wifmint/pkg/secret"
)

// File reads the token from a file, anew for every token: Kubernetes and its
// like replace the file long before the token in it expires.
type File struct {
	// Path is the file, relative to the working directory; required.
	Path string
	// Format tells how the file holds the token.
	Format Format
}

var _ Source = File{}

// SubjectToken fails with an *Error if the file cannot be read, is longer than
// 1 MiB or holds no token. None of that is retryable: somebody has to write
// the file.
func (f File) SubjectToken(context.Context) (secret.Text, error) {
	if f.Path == "" {
		return secret.Text{}, fileError("credential_source.file is empty; name the file that holds the token", nil)
	}
	if flaw := f.Format.flaw(); flaw != "" {
		return secret.Text{}, fileError(flaw, nil)
	}
	content, err := readFile(f.Path)
	if err != nil {
		return secret.Text{}, fileError("reading credential_source.file", err)
	}
	token, flaw := f.Format.token(content)
	if flaw != "" {
		return secret.Text{}, fileError("credential_source.file, which is "+f.Path+", "+flaw, nil)
	}
	return token, nil
}

func fileError(reason string, err error) *Error {
	return &Error{Source: sourceFile, Reason: reason, Err: err}
}

// readFile reads a whole file of at most maxContent bytes. It fails with an
// *fs.PathError.
func readFile(path string) ([]byte, error) {
	// To open a pipe is to wait for its writer, perhaps for ever.
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		if err == nil {
			err = &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
		}
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxContent+1))
	if err == nil && len(content) > maxContent {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("longer than %d bytes", maxContent)}
	}
	return content, err
}
