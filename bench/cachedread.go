package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"cloud.google.com/go/auth"
	"golang.org/x/oauth2"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// crowds are how many call at once.
var crowds = [...]struct {
	name         string
	perProcessor int // zero is one caller in all
}{
	{"one caller", 0},
	{"a caller a processor", 1},
	{"8 callers a processor", 8},
}

// reader hands out a token that it has in memory.
type reader struct {
	name  string
	read  func() error
	costs [len(crowds)]cost
}

// measureCachedReads runs the benchmarks in turns.
func measureCachedReads(ctx context.Context, _ paths, e effort) ([]row, error) {
	minting, err := newMintingReader(ctx)
	if err != nil {
		return nil, fmt.Errorf("preparing externalaccount: %w", err)
	}
	source, reuse, provider := newSourceReader(ctx), newReuseReader(), newCloudAuthReader(ctx)
	all := []*reader{source, reuse, provider, minting}
	for i, crowd := range crowds {
		progress("reading tokens in memory, %s", crowd.name)
		err := inTurns(e.repetitions, len(all), func(_, j int) error {
			if err := all[j].measure(ctx, i); err != nil {
				return fmt.Errorf("reading with %s: %w", all[j].name, err)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return cachedReadRows(source, reuse, provider, minting), nil
}

// measure adds one repetition for a crowd. The first read, which may bring the
// token into memory, does not count.
func (r *reader) measure(ctx context.Context, crowd int) error {
	if err := r.read(); err != nil {
		return err
	}
	if n := crowds[crowd].perProcessor; n > 0 {
		return r.costs[crowd].parallel(ctx, n, r.read)
	}
	return r.costs[crowd].benchmark(ctx, r.read)
}

func newSourceReader(ctx context.Context) *reader {
	source := &tokensource.Source{Secret: secretOf(0), Reader: held{storedToken(email(0), time.Now())}}
	return &reader{name: "tokensource", read: func() error {
		_, err := source.Token(ctx)
		return err
	}}
}

// held is a secret that is read at once.
type held struct{ token tokenstore.Token }

func (h held) ReadStage(_ context.Context, id, _ string) (tokenstore.Current, error) {
	return tokenstore.Current{SecretID: id, ARN: id, VersionID: "1", Token: h.token}, nil
}

func newReuseReader() *reader {
	source := oauth2.ReuseTokenSource(nil, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "ya29.canned", Expiry: time.Now().Add(time.Hour)}))
	return &reader{name: "x/oauth2 ReuseTokenSource", read: func() error {
		_, err := source.Token()
		return err
	}}
}

func newCloudAuthReader(ctx context.Context) *reader {
	provider := auth.NewCachedTokenProvider(staticProvider{&auth.Token{Value: "ya29.canned", Expiry: time.Now().Add(time.Hour)}}, nil)
	return &reader{name: "cloud auth CachedTokenProvider", read: func() error {
		_, err := provider.Token(ctx)
		return err
	}}
}

type staticProvider struct{ token *auth.Token }

func (p staticProvider) Token(context.Context) (*auth.Token, error) { return p.token, nil }

func newMintingReader(ctx context.Context) (*reader, error) {
	file, err := credentialFile()
	if err != nil {
		return nil, err
	}
	credentials := externalaccount.New(file, externalaccount.Options{
		Supplier: wifmintSupplier{}, HTTPClient: &http.Client{Transport: newCanned(time.Hour)}, Scopes: []string{scope},
	})
	return &reader{name: "externalaccount CachedToken", read: func() error {
		_, err := credentials.CachedToken(ctx)
		return err
	}}, nil
}

// cachedReadBudget bounds the time of a read among other callers by that of
// x/oauth2, whose source locks them out.
const cachedReadBudget = 0.5

func cachedReadRows(source, reuse, provider, minting *reader) []row {
	rows := []row{source.allocationsRow()}
	for _, pair := range [][2]*reader{{source, reuse}, {source, provider}, {minting, reuse}} {
		for i, crowd := range crowds {
			this, that := pair[0].costs[i].seconds, pair[1].costs[i].seconds
			r := row{
				what: "cached read, " + crowd.name, ratio: this.ratio(that),
				this: pair[0].name + " " + this.in(nanoseconds),
				that: pair[1].name + " " + that.in(nanoseconds),
			}
			if pair[0] == source {
				r.peer = pair[1].name
			}
			if pair == [2]*reader{source, reuse} && crowd.perProcessor > 0 {
				r.budget = cachedReadBudget
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// allocationsRow has a budget that is kept by none at all.
func (r *reader) allocationsRow() row {
	var most float64
	for _, c := range r.costs {
		most = max(most, slices.Max(c.allocations))
	}
	return row{
		what: "cached read, allocations", budget: 1, ratio: 1 + most, // which is 1, for none to none
		this: r.name + " " + sample{most}.in(pieces), that: "needed 0",
	}
}
