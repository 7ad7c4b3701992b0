package main

import (
	"context"
	"fmt"
	"time"
)

// fleetRounds is how often the small fleet is run over.
const fleetRounds = 3

// measureFleets runs over a small fleet and, if asked to, over the largest that
// a config document holds.
func measureFleets(ctx context.Context, built paths, e effort) ([]row, error) {
	const latency = 50 * time.Millisecond
	rows, err := measureSmallFleet(ctx, built, fleet{accounts: 200, due: true, latency: latency})
	if err != nil || !e.largestFleet {
		return rows, err
	}
	for _, f := range []fleet{
		{accounts: 10_000, due: true, latency: latency},
		{accounts: 10_000, latency: latency},
	} {
		progress("running over %v, for %.0f s", f, f.bound().Seconds())
		var runs fleetRuns
		if err := runs.run(ctx, f, theRotator(built[rotator])); err != nil {
			return nil, fmt.Errorf("running over %v: %w", f, err)
		}
		rows = append(rows, largestRows(f, runs)...)
	}
	return rows, nil
}

// measureSmallFleet has the rotator and what people write today take turns.
func measureSmallFleet(ctx context.Context, built paths, f fleet) ([]row, error) {
	progress("running over %v %d times", f, fleetRounds)
	var ours, together, single fleetRuns
	for round := range fleetRounds {
		for _, turn := range []struct {
			runs   *fleetRuns
			rounds int
			start  program
		}{
			{&ours, fleetRounds, theRotator(built[rotator])},
			{&together, fleetRounds, asWrittenToday(built[impersonating], workers)},
			{&single, 1, asWrittenToday(built[impersonating], 1)}, // which takes half a minute
		} {
			if round >= turn.rounds {
				continue
			}
			if err := turn.runs.run(ctx, f, turn.start); err != nil {
				return nil, fmt.Errorf("running over %v: %w", f, err)
			}
		}
	}
	atOnce := fmt.Sprintf("%v, %d at once", impersonating, workers)
	oneByOne := impersonating.String() + ", one by one"
	return []row{
		f.callsRow(ours),
		f.timeRow(ours, fleetTimeBudget),
		f.rivalRow("time", ours.seconds.in(seconds), atOnce, together.seconds.in(seconds)+together.losses(), ours.seconds.ratio(together.seconds)),
		f.rivalRow("time", ours.seconds.in(seconds), oneByOne, single.seconds.in(seconds)+single.losses(), ours.seconds.ratio(single.seconds)),
		f.rivalRow("calls to Google", ours.google.in(pieces), atOnce, together.google.in(pieces), ours.google.ratio(together.google)),
		f.rivalRow("calls to Secrets Manager", ours.secrets.in(pieces), atOnce, together.secrets.in(pieces), ours.secrets.ratio(together.secrets)),
	}, nil
}

// largestRows are about one run of the rotator.
func largestRows(f fleet, runs fleetRuns) []row {
	const (
		memoryLimit   = 128 << 20
		responseLimit = 6 << 20 // Lambda's
	)
	budget := fleetTimeBudget
	if !f.due {
		budget = 0
	}
	rows := []row{f.callsRow(runs), f.timeRow(runs, budget), f.limitRow("response", runs.response, responseLimit)}
	if len(runs.peak) > 0 {
		rows = append(rows, f.limitRow("peak memory", runs.peak, memoryLimit))
	}
	return rows
}

// fleetTimeBudget bounds the time of a run by what bounds it anyway.
const fleetTimeBudget = 1.25

func (f fleet) callsRow(runs fleetRuns) row {
	return callsRow("calls for "+f.String(), runs.made, f.needed())
}

func (f fleet) timeRow(runs fleetRuns, budget float64) row {
	bound := sample{f.bound().Seconds()}
	return row{
		what: "time for " + f.String(), budget: budget, ratio: runs.seconds.ratio(bound),
		this: rotator.String() + " " + runs.seconds.in(seconds), that: "bound " + bound.in(seconds),
	}
}

func (f fleet) limitRow(what string, bytes sample, most float64) row {
	limit := sample{most}
	return row{
		what: what + " for " + f.String(), budget: 1, ratio: bytes.ratio(limit),
		this: rotator.String() + " " + bytes.in(mebibytes), that: "limit " + limit.in(mebibytes),
	}
}

func (f fleet) rivalRow(what, ours, rival, theirs string, ratio float64) row {
	return row{what: what + " for " + f.String(), ratio: ratio, this: rotator.String() + " " + ours, that: rival + " " + theirs}
}
