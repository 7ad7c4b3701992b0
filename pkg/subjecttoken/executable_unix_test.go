//go:build unix

package subjecttoken

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

func init() {
	// floods prints without end, and goes on when nobody listens any more.
	children["floods"] = func() {
		signal.Ignore(syscall.SIGPIPE)
		call()
		for block := []byte(strings.Repeat("x", 64<<10)); ; {
			os.Stdout.Write(block)
		}
	}
	// group tells whether it is in the process group of the one that started it.
	children["group"] = func() {
		code := "other"
		if parent, err := syscall.Getpgid(os.Getppid()); err == nil && parent == syscall.Getpgrp() {
			code = "same"
		}
		fmt.Printf(`{"version":1,"success":false,"code":%q,"message":"group"}`, code)
	}
}

// callers accepts the connections of the programs of a test.
func callers(t *testing.T) (address string, accept func() net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String(), func() net.Conn {
		t.Helper()
		listener.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
}

// wantDead waits for the end of the process that made the connection.
func wantDead(t *testing.T, who string, conn net.Conn) {
	t.Helper()
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%s goes on: %v", who, err)
	}
}

func TestTheCallersEndIsTheProgramsAndThatOfAllItStarted(t *testing.T) {
	t.Parallel()
	for name, processes := range map[string]int{"hangs": 1, "closes": 1, "multiplies": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, accept := callers(t)
			e := program(t, name, "CHILD_CALLS", address)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { _, err := e.SubjectToken(ctx); done <- err }()
			var conns []net.Conn
			for range processes {
				conns = append(conns, accept())
			}
			start := time.Now()
			cancel()
			err := <-done
			if e := wantError(t, err, "executable", "gave up waiting for the program, which was killed"); !e.Retryable || !errors.Is(err, context.Canceled) {
				t.Errorf("%+v", e)
			}
			if took := time.Since(start); took > pipeGrace {
				t.Errorf("took %v, as if a pipe had been waited for", took)
			}
			for _, conn := range conns {
				wantDead(t, "one of the programs", conn)
			}
		})
	}
}

func TestATimeoutKills(t *testing.T) {
	t.Parallel()
	address, accept := callers(t)
	e := program(t, "multiplies", "CHILD_CALLS", address)
	done := make(chan error, 1)
	go func() { _, err := e.run(t.Context(), 3*time.Second, false); done <- err }()
	conns := []net.Conn{accept(), accept()}
	err := <-done
	if e := wantError(t, err, "executable", "did not end within 3s and was killed", "executable.timeout_millis may be up to 120000"); !e.Retryable {
		t.Error("not retryable")
	}
	for _, conn := range conns {
		wantDead(t, "one of the programs", conn)
	}
}

func TestAFloodKills(t *testing.T) {
	t.Parallel()
	address, accept := callers(t)
	e := program(t, "floods", "CHILD_CALLS", address)
	start := time.Now()
	_, err := e.SubjectToken(t.Context())
	if took := time.Since(start); took > defaultRun/2 {
		t.Errorf("took %v, as if it had not been killed", took)
	}
	if e := wantError(t, err, "executable", "printed more than 1048576 bytes and was killed"); e.Retryable {
		t.Error("retryable")
	}
	wantDead(t, "the program", accept())
}

// What a program leaves behind, such as an agent, is its own affair: only its
// hold on the standard output must not hold up the answer.
func TestAGrandchildDoesNotHoldUpTheAnswer(t *testing.T) {
	t.Parallel()
	address, accept := callers(t)
	e := program(t, "leaves", "CHILD_CALLS", address, "CHILD_PRINTS", goodOIDC)
	start := time.Now()
	token, err := e.SubjectToken(t.Context())
	wantToken(t, token, err, planted)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	conn := accept()
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the grandchild has ended: %v", err)
	}
}

func TestAProgramAtATerminalStaysInItsGroup(t *testing.T) {
	t.Parallel()
	device := characterDevice(t)
	pipe, other, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer other.Close()
	for stdin, same := range map[*os.File]bool{device: true, pipe: false} {
		e := program(t, "group")
		terminal(t, e, "")
		e.Stdin, e.OutputFile = stdin, "unused"
		err := e.Revoke(t.Context())
		if failed := wantError(t, err, "executable"); (failed.Code == "same") != same {
			t.Errorf("group of %s: %v", stdin.Name(), err)
		}
	}
}

func TestAProgramAtATerminalIsKilledAlone(t *testing.T) {
	t.Parallel()
	address, accept := callers(t)
	e := program(t, "hangs", "CHILD_CALLS", address)
	terminal(t, e, "")
	e.Stdin = characterDevice(t)
	done := make(chan error, 1)
	go func() { _, err := e.run(t.Context(), 3*time.Second, false); done <- err }()
	conn := accept()
	wantError(t, <-done, "executable", "executable.interactive_timeout_millis may be up to 1800000")
	wantDead(t, "the program", conn)
}

// characterDevice is what a terminal is.
func characterDevice(t *testing.T) *os.File {
	t.Helper()
	device, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { device.Close() })
	return device
}
