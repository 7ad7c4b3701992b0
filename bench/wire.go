package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

var octets = unit{" bytes", 1, 0}

// wireRounds is how often each is counted.
const wireRounds = 20

// measureWire counts what a token costs on the wire, from a function's second
// invocation on: the bytes of TCP's payload to and from Google and Secrets Manager,
// with HTTP's headers, TLS's records, and the handshakes of who does not keep the
// connections. A token of the fakes' has 200 to 300 characters.
func measureWire(ctx context.Context, built paths, _ effort) ([]row, error) {
	if !tappable() {
		return nil, nil
	}
	progress("counting bytes on the wire")
	rows, err := exchangeRows(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range []fleet{
		{targets: 1, due: true, federated: true},
		{targets: 1, due: true},
		{targets: batchSize, due: true},
	} {
		ours, err := countWire(ctx, f, func() (*deployment, error) { return deploy(ctx, built, f, nil) })
		if err != nil {
			return nil, fmt.Errorf("counting bytes: %w", err)
		}
		theirs, err := countWire(ctx, f, func() (*deployment, error) { return deployPeer(ctx, built, f, false) })
		if err != nil {
			return nil, fmt.Errorf("counting bytes: %w", err)
		}
		rows = append(rows, wireRows(f, ours, theirs)...)
	}
	return rows, nil
}

// exchangeRows compare the libraries, which all exchange the same proof.
func exchangeRows(ctx context.Context) ([]row, error) {
	w, err := newTapped(newCloud())
	if err != nil {
		return nil, err
	}
	defer w.close()
	// Tokens that x/oauth2 does not keep.
	w.cloud.AddProvider(fakecloud.Provider{Audience: audience, AWSAccount: "123456789012", TokenLifetime: mintedLife})
	ours, err := wifmint(ctx, w.client())
	if err != nil {
		return nil, err
	}
	all := []library{ours, googleOAuth2(ctx, w.client()), googleCloudAuth(ctx, w.client())}
	bytes := make([]sample, len(all))
	err = inTurns(1+wireRounds, len(all), func(round, i int) error {
		before := w.google.traffic()
		mint, err := all[i].credentials()
		if err != nil {
			return err
		}
		if err := mint(); err != nil {
			return fmt.Errorf("minting with %s: %w", all[i].name, err)
		}
		if round > 0 { // the first one connects
			bytes[i] = append(bytes[i], float64(w.google.traffic().minus(before).bytes()))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var rows []row
	for i, theirs := range all[1:] {
		rows = append(rows, row{
			what: "bytes on the wire of an exchange", ratio: bytes[0].ratio(bytes[1+i]),
			this: ours.name + " " + bytes[0].in(octets), that: theirs.name + " " + bytes[1+i].in(octets),
		})
	}
	return rows, nil
}

// client connects to the tapped Google, whatever the URL, and keeps the connection.
func (w *tapped) client() *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.authority)
	address := strings.TrimPrefix(w.google.url, "https://")
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2: true,
	}}
}

// wire is what invocations took that minted and stored.
type wire struct {
	of              executable
	google, secrets traffic
	calls           float64
	tokens          int
}

func (w *wire) add(v visit) {
	w.google, w.secrets = w.google.plus(v.google), w.secrets.plus(v.secrets)
	w.calls += v.made.total()
	w.tokens += v.made["PutSecretValue"]
}

func (w wire) each(n int) float64 { return float64(n) / float64(w.tokens) }

func (w wire) bytes() float64 { return w.each(w.google.plus(w.secrets).bytes()) }

func (w wire) callsEach() float64 { return w.calls / float64(w.tokens) }

func (w wire) String() string {
	all := w.google.plus(w.secrets)
	return fmt.Sprintf("%v %s bytes (Google %s, Secrets Manager %s), %.2f handshakes", w.of,
		octets.of(w.bytes()), octets.of(w.each(w.google.bytes())), octets.of(w.each(w.secrets.bytes())), w.each(all.handshakes()))
}

func countWire(ctx context.Context, f fleet, start func() (*deployment, error)) (wire, error) {
	d, err := start()
	if err != nil {
		return wire{}, err
	}
	defer d.close()
	d.cloud.LimitWrites(0) // which would have somebody write again
	w := wire{of: d.of}
	for round := range 1 + wireRounds {
		v, err := d.mint(ctx)
		if err != nil {
			return wire{}, err
		}
		if stored := v.made["PutSecretValue"]; stored != f.targets {
			return wire{}, fmt.Errorf("%v stored %d tokens", d.of, stored)
		}
		if round > 0 { // the first one connects
			w.add(v)
		}
	}
	return w, nil
}

func wireRows(f fleet, ours, theirs wire) []row {
	return []row{
		{
			what: "bytes on the wire a token, " + f.tokens(), peer: theirs.of.String(), ratio: ours.bytes() / theirs.bytes(),
			this: ours.String(), that: theirs.String(),
		},
		{
			what: "calls a token, " + f.tokens(), ratio: ours.callsEach() / theirs.callsEach(),
			this: fmt.Sprintf("%v %.2f", ours.of, ours.callsEach()), that: fmt.Sprintf("%v %.2f", theirs.of, theirs.callsEach()),
		},
	}
}

// tokens names those of a small fleet.
func (f fleet) tokens() string {
	switch {
	case f.federated:
		return "a federated token"
	case f.targets == 1:
		return "a service account's token"
	}
	return fmt.Sprintf("%d service accounts' tokens", f.targets)
}
