package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBytesAndCallsOnTheWireAreThoseOfEachTokenStored(t *testing.T) {
	t.Parallel()
	ours, theirs := wire{of: rotator}, wire{of: impersonating}
	for range 2 {
		ours.add(visit{
			google: traffic{received: 600, sent: 400}, secrets: traffic{connections: 1, full: 1, received: 2000, sent: 1000},
			made: calls{"BatchGetSecretValue": 1, "exchange": 1, "generateAccessToken": 20, "PutSecretValue": 20},
		})
		theirs.add(visit{google: traffic{received: 4000}, made: calls{"exchange": 20, "generateAccessToken": 20, "PutSecretValue": 20}})
	}
	callsEach := 2.1 // not a constant, whose third would be another float64
	rows := wireRows(fleet{targets: 20}, ours, theirs)
	want := []row{
		{
			what: "bytes on the wire a token, 20 service accounts' tokens", peer: "as written today", ratio: 1,
			this: "rotator 200 bytes (Google 50, Secrets Manager 150), 0.05 handshakes",
			that: "as written today 200 bytes (Google 200, Secrets Manager 0), 0.00 handshakes",
		},
		{what: "calls a token, 20 service accounts' tokens", ratio: callsEach / 3, this: "rotator 2.10", that: "as written today 3.00"},
	}
	for i := range want {
		if rows[i] != want[i] {
			t.Errorf("got  %+v\nwant %+v", rows[i], want[i])
		}
	}
}

func TestAZipHoldsTheFolderCompressed(t *testing.T) {
	t.Parallel()
	empty, full := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(full, "config"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"bootstrap": strings.Repeat("x", 1<<20), "config/wifmint.json": "{}"} {
		if err := os.WriteFile(filepath.Join(full, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	nothing, err := zipSize(empty)
	if err != nil {
		t.Fatal(err)
	}
	something, err := zipSize(full)
	if err != nil {
		t.Fatal(err)
	}
	// A zip file has each name twice.
	if most := 10_000; something < nothing+2*len("bootstrap"+"config/wifmint.json") || something > most {
		t.Errorf("an empty folder has %d bytes, 1 MiB of one letter and a document %d", nothing, something)
	}
}
