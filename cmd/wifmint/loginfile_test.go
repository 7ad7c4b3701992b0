package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/secret"
)

const plantedLogin = `{"type": "authorized_user", "client_id": "c", "refresh_token": "1//planted-old", "rapt_token": "r"}`

// writeLogin makes the file of a login.
func writeLogin(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "login.json")
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func readLogin(t *testing.T, path string) map[string]any {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(content, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

func TestANewRefreshTokenIsTheOnlyChangeToTheFile(t *testing.T) {
	t.Parallel()
	for _, mode := range []os.FileMode{0o600, 0o640, 0o400} {
		path := writeLogin(t, "\ufeff"+plantedLogin, mode)
		link := path + ".link"
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		file := &loginFile{path: link, content: []byte("\ufeff" + plantedLogin), stderr: io.Discard}
		for _, token := range []string{"1//planted-1", "1//planted-2"} { // Google may do it twice
			file.keep(secret.New(token))
			if got := readLogin(t, path); file.err != nil || got["refresh_token"] != token || got["rapt_token"] != "r" || len(got) != 4 {
				t.Errorf("%v; %v", got, file.err)
			}
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("its permissions are %v, %v, want %v", info.Mode(), err, mode)
		}
		if at, err := os.Readlink(link); err != nil || at != path {
			t.Errorf("the link leads to %q, %v", at, err)
		}
		expectFiles(t, filepath.Dir(path), 2)
	}
}

// expectFiles counts the files of a directory.
func expectFiles(t *testing.T, directory string, n int) {
	t.Helper()
	if entries, err := os.ReadDir(directory); err != nil || len(entries) != n {
		t.Errorf("%v, %v in the directory, want %d files", entries, err, n)
	}
}

const otherLogin = `{"type": "authorized_user", "client_id": "c", "refresh_token": "1//planted-other"}`

func TestANewRefreshTokenOfAFileThatCannotBeReplacedIsKeptBesideIt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		become func(path string) error
		says   string
	}{
		"another login": {func(path string) error { return os.WriteFile(path, []byte(otherLogin), 0o600) }, "it has been changed since it was read"},
		"nothing":       {os.Remove, "no such file or directory"},
		"a directory":   {func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, "it is not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := writeLogin(t, plantedLogin, 0o644)
			if err := tt.become(path); err != nil {
				t.Fatal(err)
			}
			found, _ := os.ReadFile(path)
			file := &loginFile{path: path, content: []byte(plantedLogin), stderr: io.Discard}
			file.keep(secret.New("1//planted-new"))
			if file.err == nil || !strings.Contains(file.err.Error(), tt.says) || strings.Contains(file.err.Error(), "planted") {
				t.Fatal(file.err)
			}
			if content, _ := os.ReadFile(path); !bytes.Equal(content, found) {
				t.Errorf("the file is %s now", content)
			}
			beside, err := filepath.Glob(path + ".new-*")
			if err != nil || len(beside) != 1 || !strings.Contains(file.err.Error(), beside[0]) {
				t.Fatalf("%v, %v beside it, and it says %v", beside, err, file.err)
			}
			if info, err := os.Stat(beside[0]); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info, err)
			}
			if got := readLogin(t, beside[0]); got["refresh_token"] != "1//planted-new" {
				t.Error(got)
			}
		})
	}
}

func TestANewRefreshTokenGoesIntoTheLoginBehindServiceAccounts(t *testing.T) {
	t.Parallel()
	nested := `{"type": "impersonated_service_account", "source_credentials": {"type": "impersonated_service_account", "source_credentials": ` + plantedLogin + `}}`
	got, err := withRefreshToken([]byte(nested), secret.New("1//new"))
	if err != nil || strings.Count(string(got), "refresh_token") != 1 || !strings.Contains(string(got), `"1//new"`) || !strings.Contains(string(got), "rapt_token") {
		t.Errorf("%s, %v", got, err)
	}
}
