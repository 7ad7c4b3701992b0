// Bench measures wifmint side by side with what it is compared to and prints
// one table, every figure of which is a ratio within one run.
//
//	go -C bench run .          # from the root of the repository
//	go -C bench run . -fleet   # runs over 10,000 service accounts as well
//	go -C bench run . -write   # puts the table into README.md
//	go -C bench run . -check   # fails if a budget is exceeded
//
// It builds the functions it measures with the flags of the Makefile and needs
// nothing but Go; the clouds are fakes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

const readme = "README.md"

func main() {
	var e effort
	flag.IntVar(&e.rounds, "rounds", 200, "cold starts of each function")
	flag.IntVar(&e.repetitions, "repetitions", 7, "repetitions of each mint benchmark, about a second each")
	flag.BoolVar(&e.largestFleet, "fleet", false, "also have the rotator work through 10,000 service accounts, which takes four minutes")
	write := flag.Bool("write", false, "write the table into "+readme)
	check := flag.Bool("check", false, "exit 1 if a budget is exceeded")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	rows, err := measure(ctx, e)
	if err == nil {
		err = report(rows, e, *write, *check)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// effort is how much is measured.
type effort struct {
	rounds, repetitions int
	largestFleet        bool
}

// measure runs everything, one after the other: two measurements at a time
// would measure each other.
func measure(ctx context.Context, e effort) ([]row, error) {
	if _, err := os.Stat("lambdas"); err != nil {
		return nil, errors.New("not in the folder bench: run go -C bench run . from the root of the repository")
	}
	dir, err := os.MkdirTemp("", "wifmint-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the builds: %w", err)
	}
	defer os.RemoveAll(dir)

	progress("building %d functions", len(functions))
	built, err := buildFunctions(ctx, dir)
	if err != nil {
		return nil, err
	}
	progress("starting %d of them %d times each", len(compared), e.rounds)
	starts, err := measureStarts(ctx, built, e.rounds)
	if err != nil {
		return nil, err
	}
	progress("minting")
	mints, err := measureMints(ctx, e.repetitions)
	if err != nil {
		return nil, err
	}
	progress("counting calls")
	calls, err := countCalls(ctx, built[minter])
	if err != nil {
		return nil, err
	}
	fleets, err := measureFleets(ctx, built, e.largestFleet)
	if err != nil {
		return nil, err
	}
	sizes, err := measureSizes(built)
	if err != nil {
		return nil, err
	}
	return concat(starts, mints, calls, fleets, sizes), nil
}

func concat(groups ...[]row) (rows []row) {
	for _, g := range groups {
		rows = append(rows, g...)
	}
	return rows
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
