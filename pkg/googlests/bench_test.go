package googlests_test

import (
	"strings"
	"testing"
)

// BenchmarkExchange is all that an exchange costs but for signing and the
// network, with a subject token as long as Lambda's are. Eight of its
// allocations are the canned server's.
func BenchmarkExchange(b *testing.B) {
	c := client(answering(200, goodAnswer))
	req := request()
	req.SubjectToken = subjectToken(strings.Repeat(subjectText, 11))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Exchange(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}
