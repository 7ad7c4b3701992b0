package subjecttoken

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFileIsReadAnewForEveryToken(t *testing.T) {
	t.Parallel()
	// As Kubernetes does it: the path is a link into a directory that is a link.
	root := t.TempDir()
	for version, token := range map[string]string{"v1": "first", "v2": "second"} {
		if err := os.Mkdir(filepath.Join(root, version), 0o700); err != nil {
			t.Fatal(err)
		}
		rewrite(t, filepath.Join(root, version, "token"), token+"\n")
	}
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	link("v1", "data")
	link(filepath.Join("data", "token"), "token")
	source := File{Path: filepath.Join(root, "token")}
	token, err := source.SubjectToken(t.Context())
	wantToken(t, token, err, "first")

	link("v2", "data.new")
	if err := os.Rename(filepath.Join(root, "data.new"), filepath.Join(root, "data")); err != nil {
		t.Fatal(err)
	}
	token, err = source.SubjectToken(t.Context())
	wantToken(t, token, err, "second")
}

func TestFileWithAJSONField(t *testing.T) {
	t.Parallel()
	source := File{write(t, "token.json", `{"id_token":"`+planted+`"}`), Format{"json", "id_token"}}
	token, err := source.SubjectToken(t.Context())
	wantToken(t, token, err, planted)
}

func TestAFileThatIsNoTokenIsATypedError(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	empty := write(t, "empty", "")
	for name, tc := range map[string]struct {
		source File
		says   []string
		is     error
	}{
		"no path":            {File{}, []string{"credential_source.file is empty"}, nil},
		"no file":            {File{Path: missing}, []string{"reading credential_source.file", missing}, fs.ErrNotExist},
		"a directory":        {File{Path: t.TempDir()}, []string{"not a regular file"}, nil},
		"a device":           {File{Path: os.DevNull}, []string{os.DevNull, "not a regular file"}, nil},
		"an empty file":      {File{Path: empty}, []string{"credential_source.file, which is " + empty + ", is empty"}, nil},
		"a file without end": {File{Path: write(t, "large", strings.Repeat("x", maxContent+1))}, []string{"longer than 1048576 bytes"}, nil},
		"another field":      {File{write(t, "x", `{"token":"`+planted+`"}`), Format{"json", "access_token"}}, []string{`has no field "access_token"`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := tc.source.SubjectToken(t.Context())
			e := wantError(t, err, "file", tc.says...)
			if !token.IsZero() || e.Retryable || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("a token: %v, retryable: %v, %v", !token.IsZero(), e.Retryable, err)
			}
		})
	}
}

func TestTheLongestFileIsRead(t *testing.T) {
	t.Parallel()
	token, err := File{Path: write(t, "token", strings.Repeat("x", maxContent))}.SubjectToken(t.Context())
	if err != nil || len(token.Reveal()) != maxContent {
		t.Errorf("got %d bytes, %v", len(token.Reveal()), err)
	}
}
