package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/wifmint/wifmint/pkg/secret"
)

// loginFile is the credential file of somebody's login. Google may put another
// refresh token in place of the one in it whenever that is used, and the file is
// worth nothing then unless it has the new one.
type loginFile struct {
	path    string
	content []byte    // as it was read
	stderr  io.Writer // where to say that the file is another now
	err     error     // why it is not, and where the new token is
}

// keep is an Options.OnRefreshToken.
func (f *loginFile) keep(token secret.Text) {
	content, err := withRefreshToken(withoutMark(f.content), token)
	if err == nil {
		err = f.write(content)
	}
	if err != nil {
		f.err = fmt.Errorf("keeping the refresh token that Google has put in place of the one in %s: %w", f.path, err)
		return
	}
	f.content, f.err = content, nil
	fmt.Fprintf(f.stderr, "wifmint: Google has put another refresh token in place of the one in %s, and the file has it now\n", f.path)
}

// write replaces the file or, if that cannot be, leaves what would have been in
// it elsewhere and fails with an error that says where.
func (f *loginFile) write(content []byte) error {
	path, err := filepath.EvalSymlinks(f.path) // so that a link stays one
	if err != nil {
		path = f.path
	}
	beside, err := writeBeside(path, content)
	if err != nil {
		return fmt.Errorf("there is nowhere to write it: %w; log in again", err)
	}
	if err := f.replace(path, beside); err != nil {
		return fmt.Errorf("the file cannot be replaced: %w; what it should be now is %s, so use that", err, beside)
	}
	return nil
}

// withRefreshToken is a credential file with another refresh token in its login,
// wherever that is, and otherwise as it was.
func withRefreshToken(content []byte, token secret.Text) ([]byte, error) {
	var fields map[string]json.RawMessage
	err := json.Unmarshal(content, &fields)
	if err != nil {
		return nil, err
	}
	if source, impersonates := fields["source_credentials"]; impersonates {
		fields["source_credentials"], err = withRefreshToken(source, token)
	} else {
		fields["refresh_token"], err = json.Marshal(token.Reveal())
	}
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(fields, "", "  ")
}

// writeBeside writes a new file that nobody else may read: where it can take
// the place of path in one step, or else where there is room for it.
func writeBeside(path string, content []byte) (name string, err error) {
	pattern := filepath.Base(path) + ".new-*"
	f, err := os.CreateTemp(filepath.Dir(path), pattern)
	if err != nil {
		f, err = os.CreateTemp("", pattern)
	}
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// replace puts the file beside in the place of the one at path, unless that is
// not what was read: then somebody has logged in anew, maybe.
func (f *loginFile) replace(path, beside string) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return cause(err)
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	}
	switch content, err := readFile(path); {
	case err != nil:
		return err
	case !bytes.Equal(content, f.content):
		return errors.New("it has been changed since it was read")
	}
	if err := giveTo(beside, info); err != nil {
		return fmt.Errorf("it belongs to somebody else, to whom the new one cannot be given: %w", cause(err))
	}
	_ = os.Chmod(beside, info.Mode().Perm()) // else it is its owner's alone, as a login should be
	return cause(os.Rename(beside, path))
}

// cause is what went wrong without the names of the files.
func cause(err error) error {
	if below := errors.Unwrap(err); below != nil {
		return below
	}
	return err
}
