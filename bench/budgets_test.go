package main

import (
	"slices"
	"testing"
)

// exceededRows are what a table would call "over".
func exceededRows(rows []row) (what []string) {
	for _, r := range rows {
		if r.exceeded() {
			what = append(what, r.what)
		}
	}
	return what
}

func TestCachedReadsMayTakeHalfOfReuseTokenSourcesTimeInACrowdAndNoAllocation(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name                      string
		alone, crowd, allocations float64 // of tokensource; those of the others take 100 ns
		over                      []string
	}{
		{"half", 100e-9, 50e-9, 0, nil},
		{"one caller alone has no budget", 200e-9, 50e-9, 0, nil},
		{"slower among others", 20e-9, 51e-9, 0, []string{"cached read, a caller a processor", "cached read, 8 callers a processor"}},
		{"an allocation", 20e-9, 20e-9, 1, []string{"cached read, allocations"}},
	} {
		other := &reader{}
		source := &reader{}
		for i, crowd := range crowds {
			took := test.alone
			if crowd.perProcessor > 0 {
				took = test.crowd
			}
			source.costs[i].add(took, test.allocations)
			other.costs[i].add(100e-9, 0)
		}
		if got := exceededRows(cachedReadRows(source, other, &reader{costs: other.costs}, &reader{costs: other.costs})); !slices.Equal(got, test.over) {
			t.Errorf("%s: over are %q, want %q", test.name, got, test.over)
		}
	}
}

func TestTheMetadataServersP99MayBeAMillisecond(t *testing.T) {
	t.Parallel()
	for p99, over := range map[float64][]string{0.001: nil, 0.0011: {"metadata server at 2,000 requests a second, p99"}} {
		ours := &answers{server: cli, seconds: [len(shown)]sample{{0.0001}, {p99}, {0.1}, {0.2}}}
		theirs := &answers{server: fixed, seconds: [len(shown)]sample{{0.0001}, {0.0001}, {0.0001}, {0.0001}}}
		if got := exceededRows(metadataRows(ours, theirs)); !slices.Equal(got, over) {
			t.Errorf("%v s: over are %q, want %q", p99, got, over)
		}
	}
}

func TestTheLayersBudgetIsAboutWhatItAddsToAStart(t *testing.T) {
	t.Parallel()
	alone := sample{2, 4, 3}
	for _, test := range []struct {
		name        string
		idle, layer sample
		over        []string
	}{
		{"1.3 times what nothing adds", sample{4, 6, 5}, sample{4.6, 6.6, 5.6}, nil},
		{"1.35 times, of a start that is 1.14 times as long", sample{4, 6, 5}, sample{4.7, 6.7, 5.7}, []string{"what an extension adds to a start"}},
	} {
		if got := exceededRows(layerRows(alone, test.idle, test.layer)); !slices.Equal(got, test.over) {
			t.Errorf("%s: over are %q, want %q", test.name, got, test.over)
		}
	}
}
