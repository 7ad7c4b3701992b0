package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
)

// cost is what something takes, measured repeatedly.
type cost struct{ seconds, allocations sample }

// mints are the costs of one library.
type mints struct {
	library
	making cost // credentials alone
	first  cost // credentials and a token
	next   cost // a token of credentials that were made before
}

// measureMints runs the benchmarks in turns.
func measureMints(ctx context.Context, _ paths, e effort) ([]row, error) {
	progress("minting")
	client := &http.Client{Transport: newCanned(mintedLife)}
	ours, err := wifmint(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("preparing wifmint: %w", err)
	}
	all := []*mints{{library: ours}, {library: googleOAuth2(ctx, client)}, {library: googleCloudAuth(ctx, client)}}
	var signing signings
	for range e.repetitions {
		for _, m := range all {
			if err := m.measure(ctx); err != nil {
				return nil, fmt.Errorf("minting with %s: %w", m.name, err)
			}
		}
		if err := signing.measure(ctx); err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
	}
	return append(mintRows(all[0], all[1:]), signing.rows(all[0], all[1:])...), nil
}

// measure adds one repetition.
func (m *mints) measure(ctx context.Context) error {
	kept, err := m.credentials()
	if err != nil {
		return err
	}
	if err := m.first.benchmark(ctx, func() error {
		made, err := m.credentials()
		if err != nil {
			return err
		}
		return made()
	}); err != nil {
		return err
	}
	if !m.keepsTokens {
		return m.next.benchmark(ctx, kept)
	}
	// What is left of the first token when the credentials are there is what
	// the next one would take.
	if err := m.making.benchmark(ctx, func() error {
		_, err := m.credentials()
		return err
	}); err != nil {
		return err
	}
	last := len(m.first.seconds) - 1
	m.next.add(m.first.seconds[last]-m.making.seconds[last], m.first.allocations[last]-m.making.allocations[last])
	return nil
}

func (c *cost) add(seconds, allocations float64) {
	c.seconds = append(c.seconds, seconds)
	c.allocations = append(c.allocations, allocations)
}

// benchmark runs do for about a second and adds what it takes.
func (c *cost) benchmark(ctx context.Context, do func() error) error {
	return c.run(ctx, func(b *testing.B) error {
		for b.Loop() {
			if err := do(); err != nil {
				return err
			}
		}
		return nil
	})
}

// parallel is benchmark for so many callers at once for each processor. The time
// of one is all that it took, by the number of those made.
func (c *cost) parallel(ctx context.Context, callers int, do func() error) error {
	return c.run(ctx, func(b *testing.B) error {
		var once sync.Once
		var failed error
		b.SetParallelism(callers)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := do(); err != nil {
					once.Do(func() { failed = err })
				}
			}
		})
		return failed
	})
}

func (c *cost) run(ctx context.Context, loop func(*testing.B) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var failed error
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		if failed = loop(b); failed != nil {
			b.FailNow()
		}
	})
	if failed != nil {
		return failed
	}
	c.add(result.T.Seconds()/float64(result.N), float64(result.AllocsPerOp()))
	return nil
}

// mintBudget bounds the time and the allocations of a mint by those of
// Google's libraries. The minter keeps its credentials.
const mintBudget = 0.5

func mintRows(ours *mints, others []*mints) []row {
	var rows []row
	for _, m := range []struct {
		what   string
		of     func(*mints) cost
		budget float64
	}{
		{"minting", func(m *mints) cost { return m.next }, mintBudget},
		{"making credentials and minting", func(m *mints) cost { return m.first }, 0},
	} {
		for _, theirs := range others {
			this, that := m.of(ours), m.of(theirs)
			peer := theirs.name
			if m.budget == 0 {
				peer = "" // what the minter does not do for each token is not drawn
			}
			rows = append(rows, row{
				what: m.what + ", time", peer: peer, budget: m.budget, ratio: this.seconds.ratio(that.seconds),
				this: ours.name + " " + this.seconds.in(microseconds),
				that: theirs.name + " " + that.seconds.in(microseconds),
			}, row{
				what: m.what + ", allocations", peer: peer, budget: m.budget, ratio: this.allocations.ratio(that.allocations),
				this: ours.name + " " + this.allocations.in(pieces),
				that: theirs.name + " " + that.allocations.in(pieces),
			})
		}
	}
	return rows
}
