package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/wifmint/wifmint/internal/lambdaapi"
)

// starts are the cold starts of one function.
type starts struct {
	seconds  sample // from starting the process to its first request for an event
	resident sample // bytes at that moment
	peak     sample // the most bytes until that moment
}

// warmUps are started before anything counts, so that every executable is in
// the page cache.
const warmUps = 3

// measureStarts starts the functions in turns, so that whatever else the
// machine does meets all of them.
func measureStarts(ctx context.Context, built bootstraps, rounds int) ([]row, error) {
	config, err := filepath.Abs("wifmint.json")
	if err != nil {
		return nil, err
	}
	var measured [len(functions)]starts
	for round := range rounds + warmUps {
		for i := range compared {
			f := compared[(round+i)%len(compared)] // nobody always comes after the same neighbour
			var into *starts
			if round >= warmUps {
				into = &measured[f]
			}
			if err := startOnce(ctx, built[f], config, into); err != nil {
				return nil, fmt.Errorf("starting %v: %w", f, err)
			}
		}
	}
	return startRows(measured), nil
}

// startOnce starts a function, adds what it took to into (unless that is nil)
// and ends it.
func startOnce(ctx context.Context, bootstrap, config string, into *starts) error {
	e, err := lambdaapi.Start(ctx, lambdaapi.Function{Bootstrap: bootstrap, Env: map[string]string{
		"AWS_REGION": region, "AWS_ACCESS_KEY_ID": accessKeyID, "AWS_SECRET_ACCESS_KEY": secretAccessKey, "AWS_SESSION_TOKEN": sessionToken,
		"WIFMINT_CONFIG": config,
	}})
	if err != nil {
		return err
	}
	defer e.Close()
	memory, err := readMemory(e.PID())
	if err != nil || into == nil {
		return err
	}
	into.seconds = append(into.seconds, e.InitDuration().Seconds())
	if memory.resident != 0 {
		into.resident = append(into.resident, memory.resident)
		into.peak = append(into.peak, memory.peak)
	}
	return nil
}

// memory is what a process occupies, in bytes; zero where it cannot be told.
type memory struct{ resident, peak float64 }

// compared are the functions whose starts and sizes are measured.
var compared = [...]function{hello, smOnly, minter, federating}

// comparisons are the pairs of them that get rows. The first is the one that has
// budgets.
var comparisons = [][2]function{{minter, smOnly}, {minter, hello}, {smOnly, hello}, {federating, hello}}

func startRows(measured [len(functions)]starts) []row {
	var rows []row
	for _, m := range []struct {
		what   string
		of     func(starts) sample
		unit   unit
		budget float64
		pairs  [][2]function
	}{
		{"spawn to first /next", func(s starts) sample { return s.seconds }, milliseconds, 1.15, comparisons},
		{"resident memory at first /next", func(s starts) sample { return s.resident }, mebibytes, 1.15, comparisons},
		{"peak memory until first /next", func(s starts) sample { return s.peak }, mebibytes, 0, comparisons[:1]},
	} {
		for i, pair := range m.pairs {
			this, that := m.of(measured[pair[0]]), m.of(measured[pair[1]])
			if len(this) == 0 {
				continue // memory, where there is no /proc
			}
			r := compare(m.what, m.unit, pair, this, that)
			if i == 0 {
				r.budget = m.budget
			}
			rows = append(rows, r)
		}
	}
	return rows
}

func compare(what string, u unit, pair [2]function, this, that sample) row {
	return row{
		what:  what,
		ratio: this.ratio(that),
		this:  pair[0].String() + " " + this.in(u),
		that:  pair[1].String() + " " + that.in(u),
	}
}
