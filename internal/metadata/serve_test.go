package metadata

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func TestOnlyTheLoopbackInterfaceIsListenedOn(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "localhost:0", "127.0.0.2:0", "[::ffff:127.0.0.1]:0"} {
		l, err := Listen(t.Context(), address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
			t.Errorf("%s listens on %s", address, ip)
		}
		_ = l.Close()
	}
	for _, address := range []string{
		"", "127.0.0.1", ":2774", "0.0.0.0:2774", "[::]:2774", "10.0.0.1:2774", "169.254.169.254:80", "[fe80::1%eth0]:2774",
		"metadata.google.internal:80", "localhost.attacker.example:2774", "127.0.0.1:http", "127.0.0.1:-1", "127.0.0.1:65536", "[::1]", "::1:2774",
	} {
		l, err := Listen(t.Context(), address)
		if err == nil {
			_ = l.Close()
		}
		if before := CheckAddress(address); err == nil || before == nil || before.Error() != err.Error() {
			t.Errorf("%q: listening: %v, checking: %v", address, err, before)
		}
	}
}

func TestAnAddressInUseIsNoBadAddress(t *testing.T) {
	t.Parallel()
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := l.Addr().String()
	if _, err := Listen(t.Context(), address); err == nil || CheckAddress(address) != nil {
		t.Errorf("listening: %v, checking: %v", err, CheckAddress(address))
	}
}

// pipes is a listener whose connections are in memory, so that Serve runs in a
// synctest bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2774} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// serving runs Serve over w's reports secret until the test ends.
func serving(t *testing.T, w *world) (p *pipes, stop func() error) {
	p = newPipes()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, p, w.serve(t, reportsSecret)) }()
	return p, func() error { cancel(); return <-served }
}

const tokenRequest = "GET " + accounts + "default/token HTTP/1.1\r\nHost: localhost\r\nMetadata-Flavor: Google\r\n\r\n"

func ask(c net.Conn) (status int, err error) {
	if _, err := io.WriteString(c, tokenRequest); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

func TestAConnectionIsKeptForTheNextRequestAndNotForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, stop := serving(t, newWorld())
		c := p.dial()
		for range 3 {
			if status, err := ask(c); status != 200 || err != nil {
				t.Fatalf("got %d, %v", status, err)
			}
			time.Sleep(time.Minute)
		}
		began := time.Now()
		if _, err := c.Read(make([]byte, 1)); err != io.EOF || time.Since(began) != time.Minute {
			t.Errorf("an idle connection ended with %v after %v more", err, time.Since(began))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAClientThatDribblesIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, stop := serving(t, newWorld())
		c := p.dial()
		began := time.Now()
		var dribbling sync.WaitGroup
		dribbling.Go(func() {
			for i := 0; ; i++ {
				if _, err := io.WriteString(c, tokenRequest[i%len(tokenRequest):i%len(tokenRequest)+1]); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		_, _ = io.Copy(io.Discard, c)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it was served for %v", took)
		}
		_ = c.Close()
		dribbling.Wait()
		_ = stop()
	})
}

func TestAClientThatSendsNoBodyOrReadsNoAnswerIsCutOff(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"no body":   strings.Replace(tokenRequest, "\r\n", "\r\nContent-Length: 1\r\n", 1),
		"no answer": tokenRequest,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, stop := serving(t, newWorld())
				c := p.dial()
				if _, err := io.WriteString(c, request); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Second)
				_ = c.SetReadDeadline(time.Now().Add(time.Second))
				if n, err := io.Copy(io.Discard, c); n > 0 || err != nil {
					t.Errorf("after 10 s there were %d bytes and %v", n, err)
				}
				_ = stop()
			})
		})
	}
}

func TestAHeaderOfAnySizeIsNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, stop := serving(t, newWorld())
		c := p.dial()
		go func() {
			_, _ = io.WriteString(c, strings.Replace(tokenRequest, "\r\n", "\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n", 1))
		}()
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("got %v, %v", response, err)
		}
		_ = c.Close()
		_ = stop()
	})
}

func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, stop := serving(t, newWorld())
		open := make([]net.Conn, maxConnections)
		for i := range open {
			open[i] = p.dial()
		}
		one := p.dial()
		if _, err := ask(one); err == nil {
			t.Errorf("the one beyond the limit was served")
		}
		if status, err := ask(open[0]); status != 200 {
			t.Errorf("one within the limit got %d, %v", status, err)
		}
		_ = open[0].Close()
		synctest.Wait()
		if status, err := ask(p.dial()); status != 200 {
			t.Errorf("one after another had gone got %d, %v", status, err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestIdleConnectionsShutNobodyOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, stop := serving(t, newWorld())
		for i := range 2 * maxConnections {
			c := p.dial() // and is left open
			if status, err := ask(c); status != 200 {
				t.Fatalf("connection %d got %d, %v", i, status, err)
			}
			synctest.Wait()
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestServeEndsWithItsContextAndFinishesItsAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		takes  time.Duration
		ends   time.Duration
		status int
	}{
		{"an answer that takes half a second", 500 * time.Millisecond, time.Second, 200},
		{"an answer that takes too long", 10 * time.Second, 1100 * time.Millisecond, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.cloud.Fault(fakecloud.Fault{Latency: c.takes})
				p, stop := serving(t, w)
				got := make(chan int)
				go func() {
					status, _ := ask(p.dial())
					got <- status
				}()
				synctest.Wait()
				began := time.Now()
				if err := stop(); err != nil || time.Since(began) > c.ends {
					t.Errorf("Serve ended with %v after %v", err, time.Since(began))
				}
				if status := <-got; status != c.status {
					t.Errorf("the client got %d, want %d", status, c.status)
				}
			})
		})
	}
}

func TestServeTellsWhenItsListenerFails(t *testing.T) {
	t.Parallel()
	p := newPipes()
	_ = p.Close()
	if err := Serve(t.Context(), p, http.NotFoundHandler()); err == nil {
		t.Error("no error")
	}
}
