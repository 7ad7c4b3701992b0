package metadata

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// maxConnections is half of the files that a Lambda function may have open.
	// What comes on top is closed at once; SDKs try again.
	maxConnections = 512
	// maxIdle is how many of them are kept for a next request. The others end with
	// their answer, so that none that idles shuts out one that asks.
	maxIdle = maxConnections / 2
	// maxHeaderBytes is ample for SDKs, whose longest request has a list of scopes.
	maxHeaderBytes = 16 << 10
	// requestTimeout bounds the sending of a request, and that of its answer.
	requestTimeout = 5 * time.Second
	idleTimeout    = 2 * time.Minute
	// graceTime is for the answers under way when Serve ends.
	graceTime = time.Second
)

// CheckAddress fails on an address that [Listen] refuses, whatever the machine is
// doing.
func CheckAddress(address string) error {
	_, err := parseAddress(address)
	return err
}

// Listen listens on HOST:PORT, where HOST is a loopback address or localhost,
// which means 127.0.0.1, and PORT 0 means any free one: whoever can connect gets
// the tokens. The containers of an ECS task and of a pod share their loopback
// interface.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	to, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", to.String())
	if err != nil {
		return nil, fmt.Errorf("listening for metadata requests: %w", err)
	}
	return listener, nil
}

func parseAddress(address string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(address)
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, ipErr := netip.ParseAddr(host)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || ipErr != nil || portErr != nil || !ip.Unmap().IsLoopback() {
		return netip.AddrPort{}, fmt.Errorf("listening on %q: not HOST:PORT with a loopback address, such as 127.0.0.1:2774", address)
	}
	return netip.AddrPortFrom(ip, uint16(number)), nil
}

// Serve serves handler on l, which it closes, until ctx ends, and then returns
// nil. Answers under way have a second more. How many connections there are, how
// long they last and how much a request may send is bounded.
func Serve(ctx context.Context, l net.Listener, handler http.Handler) error {
	var open atomic.Int64
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if open.Load() > maxIdle {
				w.Header().Set("Connection", "close")
			}
			handler.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: requestTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout + requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState: func(c net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				if open.Add(1) > maxConnections {
					_ = c.Close()
				}
			case http.StateClosed:
				open.Add(-1)
			}
		},
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		_ = server.Close()
		return fmt.Errorf("serving metadata: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close()
	}
	<-served
	return nil
}
