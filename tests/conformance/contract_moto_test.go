package conformance_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// venvProgram is the path of a program in the virtual environment that
// .ci/venv makes. Where that is not there, or is not what its list has now, the
// test skips; under WIFMINT_REQUIRE=all it fails.
func venvProgram(t *testing.T, venv, program string) string {
	t.Helper()
	// Both are read here, so that a result that go test keeps is not taken for that
	// of other versions.
	listed, err := os.ReadFile("../../.ci/python/" + venv + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	installed, err := os.ReadFile("../../.venv/" + venv + "/list.txt")
	if err == nil && !bytes.Equal(installed, listed) {
		err = fmt.Errorf("the virtual environment %q is not what .ci/python/%s.txt lists", venv, venv)
	}
	if err != nil {
		why := err.Error() + `; "make conformance" installs it`
		if os.Getenv("WIFMINT_REQUIRE") == "all" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	path, err := filepath.Abs(filepath.Join("../../.venv", venv, "bin", program))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// startMoto runs a moto server of this test's own on a free port, and returns
// its URL. It ends with the test.
func startMoto(t *testing.T) (base string) {
	t.Helper()
	server := exec.CommandContext(t.Context(), venvProgram(t, "sam", "moto_server"), "-H", "127.0.0.1", "-p", "0")
	// Nothing of the caller's AWS account: moto would take settings of it.
	server.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "PYTHONUNBUFFERED=1"}
	server.WaitDelay = 10 * time.Second
	log, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	var said []string
	for base == "" && lines.Scan() { // until it says where, or until it ends
		said = append(said, lines.Text())
		base = regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(lines.Text())
	}
	drained := make(chan struct{})
	go func() { // or its log would fill the pipe and stop it
		defer close(drained)
		_, _ = io.Copy(io.Discard, log)
	}()
	t.Cleanup(func() {
		_ = server.Process.Kill()
		<-drained
		_ = server.Wait() // killed, which is no news
	})
	if base == "" {
		t.Fatalf("moto did not say where it listens:\n%s", strings.Join(said, "\n"))
	}
	return base
}

// askMoto posts to moto's own API, such as /moto-api/reset.
func askMoto(t *testing.T, base, path, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		t.Fatalf("%s: %s", path, answer.Status)
	}
}
