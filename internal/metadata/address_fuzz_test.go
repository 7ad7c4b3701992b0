package metadata

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

// Whoever can connect gets the tokens: an address that is taken is this machine's own.
func FuzzAddress(f *testing.F) {
	for _, address := range []string{
		"127.0.0.1:2774", "localhost:0", "[::1]:65535", "127.255.255.254:1", "[::ffff:127.0.0.1]:1", "0.0.0.0:1", "[::]:1", ":1", "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:http",
		"[::1%lo]:1", "127.1:1", "0x7f000001:1", "2130706433:1", "0177.0.0.1:1", "localhost.evil.example:1", "LOCALHOST:1", "127.0.0.1:1:1", "[127.0.0.1]:1", "169.254.169.254:80", "192.0.2.1:1", "127.0.0.1\x00:1", "\xff:1", strings.Repeat("1", 50_000) + ":1",
	} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if CheckAddress(address) != nil {
			return
		}
		host, _, err := net.SplitHostPort(address)
		ip, ipErr := netip.ParseAddr(host)
		if err != nil || host != "localhost" && (ipErr != nil || !ip.IsLoopback() && !ip.Unmap().IsLoopback()) {
			t.Errorf("%q is taken", address)
		}
	})
}
