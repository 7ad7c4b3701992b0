package conformance_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// python is Google's library for Python in one process, which python/google_auth.py
// has answer a question a line.
type python struct {
	mu      sync.Mutex
	ask     *json.Encoder
	answers *bufio.Reader
	said    *strings.Builder // on standard error
}

// startPython starts it; it ends with the test.
func startPython(t *testing.T) *python {
	t.Helper()
	// By its text: what another process reads does not count when go test asks
	// whether anything has changed.
	text, err := os.ReadFile("python/google_auth.py")
	if err != nil {
		t.Fatal(err)
	}
	program := exec.Command(venvProgram(t, "google", "python"), "-I", "-c", string(text))
	program.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	p := &python{said: &strings.Builder{}}
	program.Stderr = p.said
	in, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	program.WaitDelay = 10 * time.Second
	t.Cleanup(func() {
		in.Close() // upon which it ends
		_, _ = io.Copy(io.Discard, out)
		if err := program.Wait(); err != nil {
			t.Errorf("python: %v\n%s", err, p.said)
		}
	})
	p.ask, p.answers = json.NewEncoder(in), bufio.NewReader(out)
	return p
}

// question is what python/google_auth.py is asked; its comment tells the fields.
type question struct {
	Do  string            `json:"do"`
	Env map[string]string `json:"env,omitempty"`
	At  int64             `json:"at,omitempty"`
	Net map[string]reply  `json:"net,omitempty"`

	File   string   `json:"file,omitempty"`
	Scopes []string `json:"scopes,omitempty"`

	*toSign
}

// toSign is a request to sign.
type toSign struct {
	Region  string            `json:"region"`
	ID      string            `json:"id"`
	Secret  string            `json:"secret"`
	Token   string            `json:"token,omitempty"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Payload string            `json:"payload,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
}

// reply is what a URL answers.
type reply struct {
	Status int    `json:"status,omitempty"` // 0: 200
	Body   string `json:"body"`
}

// answer asks the library; refused is its error's type and text if it had one.
func (p *python) answer(t *testing.T, q question, into any) (refused string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.ask.Encode(q)
	var line []byte
	if err == nil {
		line, err = p.answers.ReadBytes('\n')
	}
	var told struct {
		Answer json.RawMessage
		Error  string
	}
	if err == nil {
		err = json.Unmarshal(line, &told)
	}
	if err == nil && told.Error == "" && into != nil {
		err = json.Unmarshal(told.Answer, into)
	}
	if err != nil {
		t.Fatalf("asking python: %v\n%.200s\n%s", err, line, p.said)
	}
	return told.Error
}
