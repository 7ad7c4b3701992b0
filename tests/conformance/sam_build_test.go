package conformance_test

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// goArchitectures are the architectures that the template knows, as Lambda and as
// Go call them.
var goArchitectures = map[string]string{"x86_64": "amd64", "arm64": "arm64"}

// builds are what "sam build" made of this checkout, by architecture.
var builds struct {
	sync.Mutex
	dir string
}

func removeBuilds() { _ = os.RemoveAll(builds.dir) }

// sam is the SAM CLI in a checkout, without its questions, its telemetry and its
// look for a newer version.
func sam(t *testing.T, checkout string, args ...string) tool {
	t.Helper()
	home := t.TempDir()
	settings := fmt.Sprintf(`{"telemetryEnabled": false, "lastVersionCheck": %d}`, time.Now().Unix())
	if err := os.WriteFile(filepath.Join(home, "metadata.json"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	return tool{
		path: venvProgram(t, "sam", "sam"), args: args, dir: checkout,
		env: map[string]string{"__SAM_CLI_APP_DIR": home, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": region},
	}
}

// samBuild returns the folder of what "sam build" makes of this checkout, once for
// each architecture.
func samBuild(t *testing.T, architecture string) string {
	t.Helper()
	needSAM(t)
	builds.Lock()
	defer builds.Unlock()
	if builds.dir == "" {
		dir, err := os.MkdirTemp("", "wifmint-conformance-")
		if err != nil {
			t.Fatal(err)
		}
		builds.dir = dir
	}
	dir := filepath.Join(builds.dir, architecture)
	if _, err := os.Stat(filepath.Join(dir, "template.yaml")); err != nil {
		visitSources(t)
		samBuildIn(t, root, architecture, dir)
	}
	return dir
}

func samBuildIn(t *testing.T, checkout, architecture, dir string) {
	t.Helper()
	sam(t, checkout, "build", "--parameter-overrides", "Architecture="+architecture, "--build-dir", dir).mustOutput(t)
}

func needSAM(t *testing.T) {
	t.Helper()
	venvProgram(t, "sam", "sam")
	for _, tool := range []string{"go", "make", "git"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, err.Error())
		}
	}
}

func TestSAMFindsNothingWrongWithTheTemplate(t *testing.T) {
	t.Parallel()
	sam(t, root, "validate", "--lint").mustOutput(t)
}

func TestSAMBuildsStaticBootstrapsForEachArchitecture(t *testing.T) {
	t.Parallel()
	for architecture, goArchitecture := range goArchitectures {
		for _, function := range []string{"Minter", "Rotator"} {
			bootstrap := filepath.Join(samBuild(t, architecture), function, "bootstrap")
			if !static(bootstrap) {
				t.Errorf("the %s for %s needs a loader", function, architecture)
			}
			info, err := buildinfo.ReadFile(bootstrap)
			if err != nil {
				t.Fatal(err)
			}
			settings := map[string]string{}
			for _, s := range info.Settings {
				settings[s.Key] = s.Value
			}
			if settings["GOARCH"] != goArchitecture || settings["GOOS"] != "linux" || settings["CGO_ENABLED"] != "0" {
				t.Errorf("the %s for %s was built as %v", function, architecture, settings)
			}
		}
	}
}

// A deployment that changes nothing uploads nothing, and one that changes
// anything that a function is made of uploads it.
func TestSAMBuildsTheSameBytesAgainUntilALibraryIsEdited(t *testing.T) {
	t.Parallel()
	needSAM(t)
	checkout, again := copyOfTheSource(t), t.TempDir()
	for architecture := range goArchitectures {
		samBuildIn(t, checkout, architecture, again)
		for _, function := range []string{"Minter", "Rotator"} {
			if out, err := exec.CommandContext(t.Context(), "diff", "-r", filepath.Join(samBuild(t, architecture), function), filepath.Join(again, function)).CombinedOutput(); err != nil {
				t.Errorf("two builds of the %s for %s: %v\n%s", function, architecture, err, out)
			}
		}
	}

	before := map[string]string{}
	for _, function := range []string{"Minter", "Rotator"} {
		before[function] = content(t, filepath.Join(samBuild(t, architecture()), function, "bootstrap"))
	}
	edited := filepath.Join(checkout, "pkg/tokenstore/store.go")
	if err := os.WriteFile(edited, []byte(content(t, edited)+"\nfunc init() { println(\"edited\") }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	samBuildIn(t, checkout, architecture(), again)
	for function, bootstrap := range before {
		if content(t, filepath.Join(again, function, "bootstrap")) == bootstrap {
			t.Errorf("the %s was not built anew", function)
		}
	}
}

// copyOfTheSource is a copy, in another folder, of what is or would be committed.
func copyOfTheSource(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	names, err := list.Output()
	if err != nil {
		missing(t, "this is no git checkout: "+err.Error())
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join(root, name))
		if err != nil || !info.Mode().IsRegular() {
			continue // deleted, or a link that no function needs
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(content(t, filepath.Join(root, name))), info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
