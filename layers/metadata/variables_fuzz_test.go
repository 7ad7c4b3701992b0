package main

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/internal/metadata"
)

// Whatever the variables are, it listens for this machine alone, for secrets that have
// names, or says which of the variables to mend.
func FuzzPrepare(f *testing.F) {
	const free = "127.0.0.1:0"
	for _, secrets := range []string{
		"wifmint/reports", "a,b", " a , b ", "", ",", "a,", ",a", "a,,b", "a,a", "a, a", "a,\tb\n", "a\x00", "\xff,b", "\u2028,\u001b[2J", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf,a",
		strings.Repeat("x", 4096), strings.Repeat("a,", 2048), strings.Repeat(",", 4096),
	} {
		f.Add(secrets, free, free)
	}
	for _, address := range []string{"", "localhost:0", "[::1]:0", "0.0.0.0:0", ":0", "192.0.2.1:0", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:0\x00", "\xff:0", "\x1b[2J:0", strings.Repeat("1", 4096) + ":0"} {
		f.Add("a", address, "metadata.google.internal\n\x1b[2J")
	}
	f.Fuzz(func(t *testing.T, secrets, address, host string) {
		if address == "" || metadata.CheckAddress(address) == nil && !strings.HasSuffix(address, ":0") {
			return // a port that another may have
		}
		variables := map[string]string{"WIFMINT_SECRETS": secrets, "WIFMINT_METADATA_ADDR": address, "GCE_METADATA_HOST": host}
		listener, handler, err := prepare(t.Context(), func(name string) string { return variables[name] }, slog.New(slog.NewJSONHandler(io.Discard, nil)))
		if err != nil {
			if listener != nil || handler != nil || !strings.Contains(err.Error(), "WIFMINT_") || strings.ContainsAny(err.Error(), "\x00\x1b\n") {
				t.Errorf("%v, %v and %q", listener, handler, err)
			}
			return
		}
		defer listener.Close()
		if at := listener.Addr().(*net.TCPAddr); !at.IP.IsLoopback() || handler == nil {
			t.Errorf("%q listens on %v with %v", address, at, handler)
		}
		names := map[string]bool{"": true}
		for name := range strings.SplitSeq(secrets, ",") {
			if name = strings.TrimSpace(name); names[name] {
				t.Errorf("%q is served, with %q in it", secrets, name)
			}
			names[name] = true
		}
	})
}
