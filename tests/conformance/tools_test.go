package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/bootstraptest"
)

// TestMain runs the tests and takes away what they share.
func TestMain(m *testing.M) {
	code := bootstraptest.Run(m)
	removeBuilds()
	removeImages()
	os.Exit(code)
}

// missing skips the test for want of something, or fails it where everything has
// to be there.
func missing(t *testing.T, why string) {
	t.Helper()
	why += `; "make conformance" installs what these tests need`
	if os.Getenv("WIFMINT_REQUIRE") == "all" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// venvProgram is the path of a program in the virtual environment that
// .ci/venv makes. Where that is not there, or is not what its list has now, the
// test skips; under WIFMINT_REQUIRE=all it fails.
func venvProgram(t *testing.T, venv, program string) string {
	t.Helper()
	// Both are read here, so that a result that go test keeps is not taken for that
	// of other versions.
	listed, err := os.ReadFile(root + "/.ci/python/" + venv + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	installed, err := os.ReadFile(root + "/.venv/" + venv + "/list.txt")
	if err == nil && !bytes.Equal(installed, listed) {
		err = fmt.Errorf("the virtual environment %q is not what .ci/python/%s.txt lists", venv, venv)
	}
	if err != nil {
		missing(t, err.Error())
	}
	path, err := filepath.Abs(filepath.Join(root, ".venv", venv, "bin", program))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// tool is somebody else's program. Of the caller's environment it sees what finds
// Go and Docker, and nothing of an AWS account.
type tool struct {
	path  string
	args  []string
	dir   string
	env   map[string]string
	stdin string
}

// command is the program as a process that ends with ctx, and with it all that it
// started: SAM removes its containers when it is interrupted.
func (p tool) command(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.path, p.args...)
	cmd.Dir = p.dir
	cmd.Env = []string{"PYTHONUNBUFFERED=1", "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull}
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); name == "PATH" || name == "HOME" || strings.HasPrefix(name, "GO") || strings.HasPrefix(name, "DOCKER_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		cmd.Env = append(cmd.Env, name+"="+p.env[name])
	}
	cmd.Stdin = strings.NewReader(p.stdin)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second // then it is killed
	return cmd
}

// output runs the program to its end.
func (p tool) output(t *testing.T) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute) // a build may begin with the standard library
	defer cancel()
	var out, complaints bytes.Buffer
	cmd := p.command(ctx)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err = cmd.Run()
	if ctx.Err() != nil {
		err = errors.Join(err, ctx.Err())
	}
	return out.String(), complaints.String(), err
}

func (p tool) mustOutput(t *testing.T) string {
	t.Helper()
	stdout, stderr, err := p.output(t)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s\n%s", filepath.Base(p.path), strings.Join(p.args, " "), err, stdout, stderr)
	}
	return stdout
}

// said is what a server prints. moto's and SAM's tell where they listen in the
// same words.
type said struct {
	log  bytes.Buffer
	told bool
	url  chan string // there is room for one
}

var listening = regexp.MustCompile(`Running on (http://\S+)\s`)

func (s *said) Write(p []byte) (int, error) {
	s.log.Write(p)
	if s.told {
		return len(p), nil
	}
	if found := listening.FindSubmatch(s.log.Bytes()); found != nil {
		s.told = true
		s.url <- string(found[1])
	}
	return len(p), nil
}

// serve starts the program, and returns the URL where it listens. It ends with the
// test.
func (p tool) serve(t *testing.T) (url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	out := &said{url: make(chan string, 1)}
	cmd := p.command(ctx)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // interrupted, which is no news
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(p.path), out.log.String())
		}
	})
	select {
	case url = <-out.url:
	case <-ended:
		t.Fatalf("%s ended instead of listening", p.path)
	case <-time.After(time.Minute):
		t.Fatalf("%s does not listen", p.path)
	}
	return url
}

// visitSources looks at what SAM builds the functions from.
func visitSources(t *testing.T) {
	t.Helper()
	bootstraptest.Visit(t, "go.mod", "go.sum", "Makefile", "samconfig.toml", "deploy", "events", "functions", "internal", "pkg")
}
