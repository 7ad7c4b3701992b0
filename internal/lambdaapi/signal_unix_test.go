//go:build unix

package lambdaapi

import (
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNothingIsLeftBehind is not parallel: it looks at the whole process.
func TestNothingIsLeftBehind(t *testing.T) {
	f := withExtensions(t, "count", "usher", "recluse")
	f.Output = func(string) {}
	e := start(t, f)
	invoke(t, e, `{}`)
	e.Kill()
	invoke(t, e, `{}`)
	e.Close()
	for _, name := range []string{"exit in init", "hang in init"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := Start(ctx, function(t, name)); err == nil {
			t.Errorf("%s: no error", name)
		}
		cancel()
	}

	if _, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("there are children: %v", err)
	}
	// net/http's goroutines have closed their connections, but may still be returning.
	eventually(t, "a goroutine was left behind", func() bool {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return !strings.Contains(string(stacks), "net/http") && !strings.Contains(string(stacks), "(*sandbox)")
	})
}

func TestWhatTheFunctionStartedDiesWithIt(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Environment){
		"killed": (*Environment).Kill,
		"closed": (*Environment).Close,
		"exits":  func(e *Environment) { _, _ = e.Invoke(context.Background(), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			f := function(t, "start a child")
			f.Env["ADDRESS"] = listener.Addr().String()
			f.Output = func(line string) { t.Log(line) }
			e := start(t, f)
			child, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer child.Close()
			end(e)
			_ = child.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := io.Copy(io.Discard, child); os.IsTimeout(err) {
				t.Error("the child still runs")
			}
		})
	}
}

func TestCloseDoesNotRelyOnTheFunctionsManners(t *testing.T) {
	t.Parallel()
	e := start(t, function(t, "ignore SIGTERM"))
	e.Close()
	if pid := e.PID(); pid != 0 {
		t.Errorf("process %d still runs", pid)
	}
}

func TestWhatIsFrozenThawsForItsInvocation(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("reads the state of the processes from /proc")
	}
	var out transcript
	f := withExtensions(t, "count", "window")
	f.Freeze, f.Output = true, out.add
	e := start(t, f)
	extension, _, _ := strings.Cut(out.all()[0], " ")
	for range 3 {
		for _, pid := range []string{strconv.Itoa(e.PID()), extension} {
			eventually(t, "process "+pid+" is not stopped", func() bool {
				stat, _ := os.ReadFile("/proc/" + pid + "/stat")
				return strings.Contains(string(stat), ") T ")
			})
		}
		if result := invoke(t, e, `{}`); result.Error != nil {
			t.Fatal(result.Error)
		}
	}
}

func TestFrozenExtensionsThawForTheirEnd(t *testing.T) {
	t.Parallel()
	var out transcript
	f := withExtensions(t, "nothing", "usher")
	f.Freeze, f.Output = true, out.add
	start(t, f).Close()
	if events := out.events(t); len(events) != 1 || events[0].Type != shutdownEvent {
		t.Errorf("the extension was told %+v", events)
	}
}

// eventually waits for the kernel or the scheduler to do what was asked of it.
func eventually(t *testing.T, complaint string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !condition(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal(complaint)
		}
	}
}
