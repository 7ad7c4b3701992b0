package impersonate_test

import (
	"strings"
	"testing"
)

// BenchmarkAccessToken is all that one of a run's ten thousand calls costs but
// for the network. Eight of its allocations are the canned server's.
func BenchmarkAccessToken(b *testing.B) {
	c := atNow(answering(200, `{"accessToken":"ya29.c.`+strings.Repeat("x", 1000)+`","expireTime":"2026-01-02T03:04:05Z"}`))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.AccessToken(b.Context(), bearer, accessTokenRequest); err != nil {
			b.Fatal(err)
		}
	}
}
