//go:build unix

package main

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/wifmint/wifmint/pkg/secret"
)

// Root may use somebody's login, who has to be able to use it afterwards.
func TestANewRefreshTokenLeavesTheFileItsOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := writeLogin(t, plantedLogin, 0o640)
	if err := os.Chown(path, 1234, 5678); err != nil {
		t.Fatal(err)
	}
	file := &loginFile{path: path, content: []byte(plantedLogin), stderr: io.Discard}
	file.keep(secret.New("1//planted-new"))
	info, err := os.Stat(path)
	if err != nil || file.err != nil {
		t.Fatal(err, file.err)
	}
	if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 1234 || owner.Gid != 5678 || info.Mode().Perm() != 0o640 {
		t.Errorf("it belongs to %d:%d with %v", owner.Uid, owner.Gid, info.Mode())
	}
	expectFiles(t, filepath.Dir(path), 1)
}
