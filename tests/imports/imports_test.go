// Package imports_test checks who imports whom: that the functions link nothing
// that is slow to start, and that the packages stand in the order that the
// README's architecture section draws.
package imports_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/wifmint/wifmint"

// slow is what no function links, and why. A cold start pays for every package's
// initialization, and for the pages of its code and tables.
var slow = map[string]string{
	"github.com/aws/aws-sdk-go-v2/config":           "costs several milliseconds; Lambda's credentials are in the environment, see pkg/supplier",
	"github.com/aws/aws-sdk-go-v2/service/sts":      "costs 0.4 MiB of binary and 0.7 MiB of memory; pkg/supplier makes the one call that is needed",
	"github.com/aws/aws-sdk-go-v2/service/sso":      "comes with config",
	"github.com/aws/aws-sdk-go-v2/service/ssooidc":  "comes with config",
	"github.com/aws/aws-sdk-go-v2/service/signin":   "comes with config",
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds": "comes with config; Lambda has no instance metadata",
	"github.com/aws/aws-sdk-go-v2/internal/v4a":     "comes with clients that sign for several regions at once",
	"net/http/httptest":                             "is for tests",
	"testing":                                       "is for tests",
	module + "/pkg/fakecloud":                       "is for tests",
	module + "/pkg/internal/adaptertest":            "is for tests",
	module + "/internal/bootstraptest":              "is for tests",
	module + "/internal/hostilejson":                "is for tests",
	"text/template":                                 "keeps every exported method of every type in the binary",
	"html/template":                                 "keeps every exported method of every type in the binary",
	"net/rpc":                                       "comes with aws-lambda-go when the tag lambda.norpc is missing",
}

func TestNoFunctionLinksWhatIsSlowToStart(t *testing.T) {
	t.Parallel()
	packages := load(t)
	functions := 0
	for path := range packages {
		if !strings.HasPrefix(path, module+"/functions/") && !strings.HasPrefix(path, module+"/layers/") {
			continue
		}
		functions++
		for found, why := range slow {
			if chain := packages.chain(path, found); chain != nil {
				t.Errorf("%s, which %s, is linked: %s", found, why, strings.Join(chain, " -> "))
			}
		}
	}
	if functions == 0 {
		t.Error("there are no functions")
	}
}

// What has internal/netlog linked calls it: it has one function.
func TestEveryProgramHidesWhatTheNetworkLogs(t *testing.T) {
	t.Parallel()
	packages := load(t)
	for _, program := range []string{"functions/minter", "functions/rotator", "layers/metadata", "cmd/wifmint"} {
		if packages.chain(module+"/"+program, module+"/internal/netlog") == nil {
			t.Errorf("%s does not call netlog.Hide: net/http would log what servers send after an answer", program)
		}
	}
}

// storeys are the folders of the module, from the ground. Nobody imports from
// above their own.
var storeys = [][]string{{"pkg"}, {"internal"}, {"cmd", "functions", "layers", "examples"}, {"tests"}}

// seeds is what the tests of every storey import, and nobody else. It stands on none.
const seeds = module + "/internal/hostilejson"

func TestNothingImportsAStoreyAbove(t *testing.T) {
	t.Parallel()
	packages := load(t)
	for path, p := range packages {
		own, inside := storey(path)
		if !inside {
			continue
		}
		if own < 0 {
			t.Errorf("%s stands in no storey: add its folder to storeys", path)
			continue
		}
		for imported, inTest := range p.all() {
			other, inside := storey(imported)
			switch {
			case imported == seeds && inTest:
			case imported == seeds:
				t.Errorf("%s imports %s, which is for tests", path, imported)
			case path == seeds && inside:
				t.Errorf("%s imports %s: it is to import nothing of the module", path, imported)
			case other > own:
				t.Errorf("%s imports %s, which is a storey above", path, imported)
			}
		}
	}
}

// storey is -1 for a package of the module that is in none of the storeys.
func storey(path string) (n int, inside bool) {
	folder, inside := strings.CutPrefix(path, module+"/")
	folder, _, _ = strings.Cut(folder, "/")
	return slices.IndexFunc(storeys, func(s []string) bool { return slices.Contains(s, folder) }), inside
}

// flow is the library in the order in which data goes through it: each package
// knows its own stage and those before it. The first stage is what all stand on;
// externalaccount is last since it composes the others.
var flow = [][]string{
	{"secret", "jsondoc", "internal/googleapi", "internal/awsquery", "internal/flight", "internal/bearer", "internal/wary"},
	{"supplier"}, {"subjecttoken"}, {"googlests"}, {"impersonate", "tokeninfo"}, {"tokenstore"}, {"tokensource"},
	{"externalaccount"},
	{"oauth2adapter"},
}

const fakes = "fakecloud"

// forTests are the packages of the library that only tests import.
var forTests = []string{fakes, "internal/adaptertest"}

func TestTheLibraryFlowsOneWay(t *testing.T) {
	t.Parallel()
	packages := load(t)
	for path, p := range packages {
		name, inside := strings.CutPrefix(path, module+"/pkg/")
		if !inside || slices.Contains(forTests, name) {
			continue
		}
		own := stage(name)
		if own < 0 {
			t.Errorf("pkg/%s has no place in the flow: add it", name)
			continue
		}
		for imported, inTest := range p.all() {
			other, inside := strings.CutPrefix(imported, module+"/pkg/")
			switch {
			case !inside || slices.Contains(forTests, other) && inTest:
			case slices.Contains(forTests, other):
				t.Errorf("pkg/%s imports pkg/%s, which is for tests", name, other)
			case stage(other) > own:
				t.Errorf("pkg/%s imports pkg/%s, which comes after it", name, other)
			}
		}
	}
}

// stage is where in the flow a package of pkg stands, or the one that it is a
// part of; -1 if nowhere.
func stage(name string) int {
	return slices.IndexFunc(flow, func(names []string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return name == n || strings.HasPrefix(name, n+"/") })
	})
}

// adapted are libraries that one package alone speaks, so that whoever does not use
// that does not link them either. Without a package it is a module that does, and
// nobody else even downloads them.
var adapted = map[string]string{
	"golang.org/x/oauth2":      module + "/pkg/oauth2adapter",
	"cloud.google.com/go/auth": "",
}

func TestOnlyAdaptersImportWhatTheyAdapt(t *testing.T) {
	t.Parallel()
	packages := load(t)
	for path, p := range packages {
		if !strings.HasPrefix(path, module+"/") {
			continue
		}
		for imported, inTest := range p.all() {
			for library, adapter := range adapted {
				switch {
				case imported != library && !strings.HasPrefix(imported, library+"/"):
				case adapter == "":
					t.Errorf("%s imports %s, which is for a module of its own", path, imported)
				case path != adapter && !inTest:
					t.Errorf("%s imports %s, which is for %s", path, imported, adapter)
				}
			}
		}
	}
}

// What a fake shared with the code that it checks, it could not find wrong.
func TestTheFakesShareNothingWithWhatTheyCheck(t *testing.T) {
	t.Parallel()
	packages := load(t)
	path := module + "/pkg/" + fakes
	p, known := packages[path]
	if !known {
		t.Fatal("there are no fakes")
	}
	for imported := range p.all() {
		if strings.HasPrefix(imported, module+"/") && imported != path {
			t.Errorf("pkg/%s imports %s", fakes, imported)
		}
	}
}

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// all yields what the package imports, and whether only its tests do.
func (p pkg) all() func(yield func(path string, inTest bool) bool) {
	return func(yield func(string, bool) bool) {
		for i, list := range [][]string{p.Imports, p.TestImports, p.XTestImports} {
			for _, path := range list {
				if !yield(path, i > 0) {
					return
				}
			}
		}
	}
}

// graph is the module's packages and all that they link, by import path.
type graph map[string]pkg

// chain is the shortest way by which from links to; nil if it does not.
func (g graph) chain(from, to string) []string {
	chains := [][]string{{from}}
	seen := map[string]bool{from: true}
	for len(chains) > 0 {
		chain := chains[0]
		chains = chains[1:]
		last := chain[len(chain)-1]
		if last == to {
			return chain
		}
		for _, next := range g[last].Imports {
			if !seen[next] {
				seen[next] = true
				chains = append(chains, append(slices.Clip(chain), next))
			}
		}
	}
	return nil
}

func load(t *testing.T) graph {
	t.Helper()
	g, err := list()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

const root = "../.."

// list asks for the packages as they are built for Lambda (see the Makefile).
var list = sync.OnceValues(func() (graph, error) {
	if err := visit(root); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "list", "-deps", "-tags=lambda.norpc", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("%w: %s", err, failed.Stderr)
	}
	if err != nil {
		return nil, fmt.Errorf("listing the packages: %w", err)
	}
	g := make(graph)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			return g, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading what go list wrote: %w", err)
		}
		g[p.ImportPath] = p
	}
})

// visit reads every folder of the module. Go takes a test's result from its
// cache unless something changed that the test itself looked at; what go list
// looks at does not count.
func visit(module string) error {
	return filepath.WalkDir(module, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && path != module && strings.HasPrefix(e.Name(), ".") {
			return fs.SkipDir
		}
		return err
	})
}
