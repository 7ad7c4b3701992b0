package reliability_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/lambdaapi"
)

// bootstraps are built once for all tests.
var bootstraps struct {
	sync.Mutex
	dir   string
	paths map[string]string
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wifmint-reliability-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bootstraps.dir, bootstraps.paths = dir, map[string]string{}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func bootstrap(t *testing.T, function string) string {
	t.Helper()
	const root = "../.."
	bootstraps.Lock()
	defer bootstraps.Unlock()
	if bootstraps.paths[function] != "" {
		return bootstraps.paths[function]
	}
	// Go takes a test's result from its cache unless something changed that the
	// test itself looked at, and what go build looked at does not count.
	for _, name := range []string{"go.mod", "go.sum", "functions", "internal", "pkg"} {
		err := filepath.WalkDir(filepath.Join(root, name), func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil {
			t.Fatal(err)
		}
	}
	path, err := lambdaapi.Build(t.Context(), root, "./functions/"+function, filepath.Join(bootstraps.dir, function))
	if err != nil {
		t.Fatal(err)
	}
	bootstraps.paths[function] = path
	return path
}

// start starts the real bootstrap of a function in the cloud.
func (s *served) start(t *testing.T, function string) *lambdaapi.Environment {
	t.Helper()
	e, err := lambdaapi.Start(t.Context(), lambdaapi.Function{
		Name: "wifmint-" + function, Bootstrap: bootstrap(t, function), Env: s.env, Timeout: 20 * time.Second, Output: s.collect,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}
