// Package bootstraptest builds the programs that tests run as Lambda does: each
// once for all tests of a package.
package bootstraptest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/wifmint/wifmint/internal/lambdaapi"
)

// root is this checkout, seen from a package two folders below, where its tests run.
const root = "../.."

var built struct {
	sync.Mutex
	dir   string
	paths map[string]string // by package
}

// Run runs the tests of a package and takes away what they have built. TestMain
// calls it.
func Run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "wifmint-bootstraps-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built.dir, built.paths = dir, map[string]string{}
	return m.Run()
}

// Build returns the bootstrap of a program of this checkout, such as
// "./functions/minter".
func Build(t testing.TB, pkg string) string {
	t.Helper()
	Visit(t, "go.mod", "go.sum", "internal", "pkg", pkg)
	built.Lock()
	defer built.Unlock()
	if built.paths[pkg] == "" {
		path, err := lambdaapi.Build(t.Context(), root, pkg, filepath.Join(built.dir, pkg))
		if err != nil {
			t.Fatal(err)
		}
		built.paths[pkg] = path
	}
	return built.paths[pkg]
}

// Visit looks at files and folders of this checkout. Go takes a test's result from
// its cache unless something changed that the test itself looked at, and what the
// go command looked at that it started does not count. A folder changes with its
// files.
func Visit(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(root, name), func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil {
			t.Fatal(err)
		}
	}
}
