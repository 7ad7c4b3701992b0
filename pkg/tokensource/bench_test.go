package tokensource_test

import (
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// BenchmarkCachedRead is what a token in memory costs callers in parallel, beside
// what x/oauth2's cache of one token costs them.
func BenchmarkCachedRead(b *testing.B) {
	w := newWorld()
	w.holds(w.minted(1))
	source := w.source()
	b.Run("tokensource", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := source.Token(b.Context()); err != nil {
					b.Error(err)
				}
			}
		})
	})
	peer := oauth2.ReuseTokenSource(&oauth2.Token{AccessToken: "t", Expiry: time.Now().Add(time.Hour)}, nil)
	b.Run("oauth2.ReuseTokenSource", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := peer.Token(); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// AllocsPerRun refuses to run beside other tests.
func TestATokenInMemoryIsReturnedWithoutAnAllocation(t *testing.T) {
	w := newWorld()
	w.holds(w.minted(1))
	source := w.source()
	ctx := t.Context()
	if _, err := source.Token(ctx); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() { _, _ = source.Token(ctx) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := w.reads(); n != 1 {
		t.Errorf("%d reads", n)
	}
}
