// Bench measures wifmint side by side with what it is compared to and prints
// tables, every figure of which is a ratio within one run.
//
//	go -C bench run .                     # from the root of the repository
//	go -C bench run . -only starts,layer  # some of it
//	go -C bench run . -fleet              # runs over 10,000 targets as well
//	go -C bench run . -write              # all of it, into docs/performance.md and its plots
//	go -C bench run . -check              # fails if a budget is exceeded
//
// It builds the programs it measures with the flags of the Makefile and needs
// nothing but Go; the clouds are fakes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

func main() {
	var o options
	_ = o.flags().Parse(os.Args[1:]) // which exits instead of failing

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command line's.
type options struct {
	effort
	only         string
	write, check bool
}

// effort is how much is measured.
type effort struct {
	rounds, repetitions int
	largestFleet        bool
}

func (o *options) flags() *flag.FlagSet {
	set := flag.NewFlagSet("bench", flag.ExitOnError)
	set.IntVar(&o.rounds, "rounds", 200, "cold starts of each function, with and without extensions")
	set.IntVar(&o.repetitions, "repetitions", 7, "repetitions of each benchmark, about a second each, and of each load on a server, 5 seconds each")
	set.BoolVar(&o.largestFleet, "fleet", false, "also have the rotator work through 10,000 service accounts, which takes four minutes")
	set.StringVar(&o.only, "only", "", "what to measure, by commas: "+strings.Join(names(measurements[:]), ", ")+" (default all)")
	set.BoolVar(&o.write, "write", false, "measure everything, as with -fleet, and write it into "+document+" and the plots beside it")
	set.BoolVar(&o.check, "check", false, "exit 1 if a budget is exceeded")
	return set
}

func run(ctx context.Context, o options) error {
	if o.write {
		if o.only != "" {
			return errors.New("-write needs all measurements: leave -only out")
		}
		if _, _, err := readAround(document); err != nil { // not in ten minutes
			return err
		}
		o.largestFleet = true
	}
	chosen, err := choose(o.only)
	if err != nil {
		return err
	}
	sections, err := measure(ctx, chosen, o.effort)
	if err != nil {
		return err
	}
	fmt.Print(render(sections))
	if o.write {
		if err := write(document, sections, setting(time.Now())); err != nil {
			return err
		}
	}
	if n := len(exceeded(rowsOf(sections))); o.check && n > 0 {
		return fmt.Errorf("%d budgets are exceeded", n)
	}
	return nil
}

// measurement is a section of the figures.
type measurement struct {
	name, title string
	rows        func(context.Context, paths, effort) ([]row, error)
}

// measurements are in the order of their sections. A new one needs a line here, and
// how it is measured belongs into the document.
var measurements = [...]measurement{
	{"starts", "Cold start", measureStarts},
	{"mints", "Minting", measureMints},
	{"calls", "Calls", countCalls},
	{"fleet", "200 service accounts", measureFleet},
	{"growth", "Growth", measureGrowth},
	{"reads", "Cached reads", measureCachedReads},
	{"metadata", "Metadata server", measureMetadata},
	{"layer", "Metadata layer", measureLayer},
	{"sizes", "Size", measureSizes},
	{"wire", "On the wire", measureWire},
	{"handshakes", "Handshakes", measureHandshakes},
	{"cost", "Dollars a month", measureCost},
}

func names(list []measurement) (names []string) {
	for _, m := range list {
		names = append(names, m.name)
	}
	return names
}

// choose returns the measurements that are named, separated by commas, in their
// own order; no name means all.
func choose(only string) ([]measurement, error) {
	if only == "" {
		return measurements[:], nil
	}
	wanted := strings.Split(only, ",")
	for _, name := range wanted {
		if !slices.Contains(names(measurements[:]), name) {
			return nil, fmt.Errorf("there is no measurement %q: choose of %s", name, strings.Join(names(measurements[:]), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(measurements[:]), func(m measurement) bool { return !slices.Contains(wanted, m.name) }), nil
}

// measure does the measurements one after the other: two at a time would measure
// each other.
func measure(ctx context.Context, chosen []measurement, e effort) ([]section, error) {
	if _, err := os.Stat("lambdas"); err != nil {
		return nil, errors.New("not in the folder bench: run go -C bench run . from the root of the repository")
	}
	dir, err := os.MkdirTemp("", "wifmint-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the builds: %w", err)
	}
	defer os.RemoveAll(dir)

	progress("building %d programs", len(executables))
	built, err := build(ctx, dir)
	if err != nil {
		return nil, err
	}
	var sections []section
	for _, m := range chosen {
		rows, err := m.rows(ctx, built, e)
		if err != nil {
			return nil, err
		}
		sections = append(sections, section{m.title, rows})
	}
	return sections, nil
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
