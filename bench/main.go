// Bench measures wifmint side by side with what it is compared to and prints
// one table, every figure of which is a ratio within one run.
//
//	go -C bench run .                     # from the root of the repository
//	go -C bench run . -only starts,layer  # some of it
//	go -C bench run . -fleet              # runs over 10,000 service accounts as well
//	go -C bench run . -write              # puts the table into README.md
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

const readme = "README.md"

func main() {
	var e effort
	flag.IntVar(&e.rounds, "rounds", 200, "cold starts of each function, with and without extensions")
	flag.IntVar(&e.repetitions, "repetitions", 7, "repetitions of each benchmark, about a second each, and of each load on a server, 5 seconds each")
	flag.BoolVar(&e.largestFleet, "fleet", false, "also have the rotator work through 10,000 service accounts, which takes four minutes")
	only := flag.String("only", "", "what to measure, by commas: "+strings.Join(names(measurements[:]), ", ")+" (default all)")
	write := flag.Bool("write", false, "write the table into "+readme)
	check := flag.Bool("check", false, "exit 1 if a budget is exceeded")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, e, *only, *write, *check); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, e effort, only string, write, check bool) error {
	if write && only != "" {
		return errors.New("-write needs all measurements: leave -only out")
	}
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	rows, err := measure(ctx, chosen, e)
	if err != nil {
		return err
	}
	return report(rows, e, write, check)
}

// effort is how much is measured.
type effort struct {
	rounds, repetitions int
	largestFleet        bool
}

// measurement is a group of rows.
type measurement struct {
	name string
	rows func(context.Context, paths, effort) ([]row, error)
}

// measurements are in the order of their rows.
var measurements = [...]measurement{
	{"starts", measureStarts},
	{"mints", measureMints},
	{"calls", countCalls},
	{"fleets", measureFleets},
	{"reads", measureCachedReads},
	{"metadata", measureMetadata},
	{"layer", measureLayer},
	{"sizes", measureSizes},
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

// measure runs the measurements one after the other: two at a time would measure
// each other.
func measure(ctx context.Context, chosen []measurement, e effort) ([]row, error) {
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
	var rows []row
	for _, m := range chosen {
		group, err := m.rows(ctx, built, e)
		if err != nil {
			return nil, err
		}
		rows = append(rows, group...)
	}
	return rows, nil
}

func report(rows []row, e effort, write, check bool) error {
	table := render(rows)
	fmt.Print(table)
	if write {
		if err := writeTable(readme, table, setting(time.Now(), e)); err != nil {
			return err
		}
	}
	if n := exceeded(rows); check && n > 0 {
		return fmt.Errorf("%d budgets are exceeded", n)
	}
	return nil
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
