package sdks_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sdk is one of Google's SDKs.
type sdk struct {
	name string
	// program does with the SDK what it reads, line by line.
	program func(*testing.T) program
	// hasIDTokens tells whether the SDK does.
	hasIDTokens bool
	// isEarly tells whether the SDK renews a token minutes before it expires.
	isEarly bool
}

var sdks = []sdk{
	{"Python google-auth", pythonSDK, true, true},
	{"Node google-auth-library", nodeSDK, true, true},
	{"Go cloud.google.com/go/auth", goSDK("auth"), true, true},
	{"Go cloud.google.com/go/compute/metadata", goSDK("metadata"), true, true},
	{"Go golang.org/x/oauth2", goSDK("oauth2"), false, false},
}

// program is how one is run.
type program struct {
	path string
	args []string
	dir  string
}

func pythonSDK(t *testing.T) program {
	code, err := os.ReadFile("python/sdk.py")
	if err != nil {
		t.Fatal(err)
	}
	return python(t, string(code))
}

// python is code that imports what is in examples/python and what that needs.
func python(t *testing.T, code string) program {
	installed(t, root+"/.ci/python/sdks.txt", root+"/.venv/sdks/list.txt")
	interpreter, err := filepath.Abs(root + "/.venv/sdks/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	return program{interpreter, []string{"-B", "-c", code}, root + "/examples/python"}
}

func nodeSDK(t *testing.T) program {
	code, err := os.ReadFile("node/sdk.mjs")
	if err != nil {
		t.Fatal(err)
	}
	return node(t, string(code))
}

// node is code that imports what is in examples/node and what that needs.
func node(t *testing.T, code string) program {
	installed(t, root+"/examples/node/package-lock.json", root+"/examples/node/node_modules/package-lock.json")
	return program{"node", []string{"--input-type=module", "--eval", code}, root + "/examples/node"}
}

func goSDK(library string) func(*testing.T) program {
	return func(t *testing.T) program {
		path, err := build(t.Context(), "go", ".")
		if err != nil {
			missing(t, err)
		}
		return program{path: path, args: []string{library}}
	}
}

// installed skips the test unless what the lock file lists is installed, which
// leaves a copy of it.
func installed(t *testing.T, lock, left string) {
	t.Helper()
	want, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(left); err != nil || !bytes.Equal(got, want) {
		missing(t, fmt.Errorf("what %s lists is not installed", strings.TrimPrefix(lock, root+"/")))
	}
}

func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("WIFMINT_REQUIRE") == "all" {
		t.Fatalf("%v; run make sdks", err)
	}
	t.Skipf("%v; run make sdks", err)
}

// command is the program in an environment where credentials are to be found at
// the metadata server, and nothing is of this process's but the PATH.
func (w *world) command(p program, env ...string) *exec.Cmd {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	w.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, p.path, p.args...)
	cmd.Dir, cmd.WaitDelay = p.dir, time.Second
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + w.t.TempDir(),
		"GCE_METADATA_HOST=" + w.metadata,
		"GCE_METADATA_IP=" + w.metadata, // which is where Python looks whether it is there
		// The certificate to trust, to Go, Python and Node.
		"SSL_CERT_FILE=" + w.google.CAs, "REQUESTS_CA_BUNDLE=" + w.google.CAs, "NODE_EXTRA_CA_CERTS=" + w.google.CAs,
		// No way out of this machine: nobody listens there. google-auth for Python
		// asks in the background where the service account may be used.
		"HTTPS_PROXY=http://127.0.0.1:9", "NO_PROXY=127.0.0.1",
	}, env...)
	return cmd
}

// process is an SDK's program that runs.
type process struct {
	t       *testing.T
	stdin   io.Writer
	replies *bufio.Scanner
}

func (w *world) start(s sdk) *process {
	w.t.Helper()
	cmd := w.command(s.program(w.t))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
		if w.t.Failed() {
			w.t.Logf("standard error of %s:\n%s", s.name, &stderr)
		}
	})
	return &process{w.t, stdin, bufio.NewScanner(stdout)}
}

// ask writes a line and reads the reply: of a get the name of the one object that
// was listed, of a call the caller whom the service saw.
func (p *process) ask(verb string, arguments ...string) (value, problem string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.stdin, strings.Join(append([]string{verb}, arguments...), " ")); err != nil {
		p.t.Fatal(err)
	}
	if !p.replies.Scan() {
		p.t.Fatalf("no reply to %s: the program has ended", verb)
	}
	var reply struct{ Value, Error string }
	if err := json.Unmarshal(p.replies.Bytes(), &reply); err != nil {
		p.t.Fatal(err)
	}
	return reply.Value, reply.Error
}
