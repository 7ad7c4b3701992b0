package main

import (
	"slices"
	"strings"
	"testing"
)

func TestHandshakesAreWithinTheirBudgetsIfConnectionsAreKeptAndSessionsResumed(t *testing.T) {
	t.Parallel()
	const during = "TLS handshakes in 20 mintings of a federated token"
	const after = during + ", connections closed before each"
	once := traffic{connections: 1, full: 1}
	for _, test := range []struct {
		name string
		handshakes
		over []string
	}{
		{"one with each, and all resumed", handshakes{google: once, secrets: once, thawed: traffic{resumed: 40}}, nil},
		{"one more", handshakes{google: once, secrets: once.plus(once), thawed: traffic{resumed: 40}}, []string{during}},
		{"one not resumed", handshakes{google: once, secrets: once, thawed: traffic{full: 1, resumed: 39}}, []string{after}},
		{"a failed invocation", handshakes{google: once, secrets: once, thawed: traffic{resumed: 38}, failed: 1}, []string{after}},
		{"none resumed", handshakes{google: once, secrets: once, thawed: traffic{full: 40}}, []string{after}},
	} {
		theirs := &handshakes{of: federating, google: once, secrets: once, thawed: traffic{full: 40}}
		rows := handshakeRows(fleet{targets: 1, federated: true}, &test.handshakes, theirs)
		if got := exceededRows(rows); !slices.Equal(got, test.over) {
			t.Errorf("%s: over are %q, want %q", test.name, got, test.over)
		}
	}
}

func TestInvocationsThatFailedAfterAThawAreTold(t *testing.T) {
	t.Parallel()
	ours := &handshakes{of: minter, thawed: traffic{resumed: 40}}
	theirs := &handshakes{of: federating, thawed: traffic{full: 36}, failed: 2}
	for _, r := range handshakeRows(fleet{targets: 1, federated: true}, ours, theirs) {
		if strings.HasPrefix(r.what, "full TLS handshakes") {
			if r.that != "as written today 36, resumed 0, invocations failed 2" || r.ratio != 0 {
				t.Errorf("got %+v", r)
			}
			return
		}
	}
	t.Error("no row")
}
