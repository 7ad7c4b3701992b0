package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// starts are the cold starts of one function.
type starts struct {
	seconds  sample // from starting the first process to the last one's first request for an event
	resident sample // bytes of the function at that moment
	peak     sample // the most bytes until that moment
}

// warmUps are started before anything counts, so that every executable is in
// the page cache.
const warmUps = 3

// measureStarts starts the functions in turns.
func measureStarts(ctx context.Context, built paths, e effort) ([]row, error) {
	config, err := filepath.Abs("wifmint.json")
	if err != nil {
		return nil, err
	}
	env := environment(fakecloud.Endpoints{})
	env["WIFMINT_CONFIG"] = config
	progress("starting %d functions %d times each", len(compared), e.rounds)
	var measured [len(executables)]starts
	err = inTurns(e.rounds+warmUps, len(compared), func(round, i int) error {
		x := compared[i]
		var into *starts
		if round >= warmUps {
			into = &measured[x]
		}
		if err := startOnce(ctx, lambdaapi.Function{Bootstrap: built[x], Env: env}, into); err != nil {
			return fmt.Errorf("starting %v: %w", x, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return startRows(measured), nil
}

// inTurns does each of so many things in every round, so that whatever else the
// machine does meets all of them.
func inTurns(rounds, things int, do func(round, thing int) error) error {
	for round := range rounds {
		for i := range things {
			if err := do(round, (round+i)%things); err != nil { // nobody always comes after the same neighbour
				return err
			}
		}
	}
	return nil
}

// startOnce starts a function, adds what it took to into (unless that is nil)
// and ends it.
func startOnce(ctx context.Context, f lambdaapi.Function, into *starts) error {
	e, err := lambdaapi.Start(ctx, f)
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
var compared = [...]executable{hello, smOnly, minter, federating}

// comparisons are the pairs of them that get rows. The first is the one that has
// budgets.
var comparisons = [...][2]executable{{minter, smOnly}, {minter, federating}, {minter, hello}}

func startRows(measured [len(executables)]starts) []row {
	var rows []row
	for _, m := range []struct {
		what   string
		of     func(starts) sample
		unit   unit
		budget float64
		pairs  [][2]executable
	}{
		{"cold start, spawn to first /next", func(s starts) sample { return s.seconds }, milliseconds, 1.15, comparisons[:]},
		{"resident memory at first /next", func(s starts) sample { return s.resident }, mebibytes, 1.15, comparisons[:]},
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
			if m.budget != 0 && pair[1] != hello {
				r.peer = pair[1].String()
			}
			rows = append(rows, r)
		}
	}
	return rows
}

func compare(what string, u unit, pair [2]executable, this, that sample) row {
	return row{
		what:  what,
		ratio: this.ratio(that),
		this:  pair[0].String() + " " + this.in(u),
		that:  pair[1].String() + " " + that.in(u),
	}
}
