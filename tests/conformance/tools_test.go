package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain runs the tests and takes away what they share.
func TestMain(m *testing.M) {
	code := m.Run()
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
	cmd.Env = []string{"PYTHONUNBUFFERED=1"}
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

// serve starts the program and waits until its port answers. It ends with the test.
func (p tool) serve(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var log bytes.Buffer
	cmd := p.command(ctx)
	cmd.Stdout, cmd.Stderr = &log, &log
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
			t.Logf("%s said:\n%s", filepath.Base(p.path), log.String())
		}
	})
	deadline := time.After(time.Minute)
	for tick := time.Tick(50 * time.Millisecond); ; {
		if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-tick:
		case <-ended:
			t.Fatalf("%s ended instead of listening on %s", p.path, address)
		case <-deadline:
			t.Fatalf("%s does not listen on %s", p.path, address)
		}
	}
}

// freePort is a port of host that nobody listens on at the moment.
func freePort(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// visitSources reads the folders that the functions are built from. Go takes a
// test's result from its cache unless something changed that the test itself
// looked at, and what go build and sam build looked at does not count.
func visitSources(t *testing.T) {
	t.Helper()
	for _, name := range []string{"go.mod", "go.sum", "Makefile", "samconfig.toml", "deploy", "events", "functions", "internal", "pkg"} {
		err := filepath.WalkDir(filepath.Join(root, name), func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil {
			t.Fatal(err)
		}
	}
}
