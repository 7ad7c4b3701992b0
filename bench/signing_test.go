package main

import (
	"testing"
	"time"
)

// Else the two would not be measured at the same work.
func TestBothSignersMakeTheSameSignature(t *testing.T) {
	sdk, hand := sdkSigner(), handSigner()
	for _, at := range []time.Time{time.Unix(1e9, 0), time.Unix(1e9+10, 0), time.Unix(1e9+86400, 0)} {
		want, err := sdk(t.Context(), at)
		if got := hand(at); err != nil || got != want || len(got) < 200 {
			t.Errorf("at %s: by hand %q, by the SDK %q, %v", at, got, want, err)
		}
	}
}
