package main

import (
	"context"
	"fmt"
	"time"
)

// fleetRounds is how often a fleet is run over.
const fleetRounds = 3

// callLatency is what calls over a network take.
const callLatency = 50 * time.Millisecond

// measureFleet has the rotator and what people write today take turns.
func measureFleet(ctx context.Context, built paths, _ effort) ([]row, error) {
	f := fleet{targets: 200, due: true, latency: callLatency}
	progress("running over %v %d times", f, fleetRounds)
	var ours, together, single fleetRuns
	for round := range fleetRounds {
		for _, turn := range []struct {
			runs   *fleetRuns
			rounds int
			start  program
		}{
			{&ours, fleetRounds, asDeployed(built)},
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
		f.peerRow("time", seconds, ours.seconds, atOnce, together.seconds, together.losses()),
		f.peerRow("time", seconds, ours.seconds, oneByOne, single.seconds, single.losses()),
		f.peerRow("calls to Google", pieces, ours.google, atOnce, together.google, ""),
		f.peerRow("calls to Secrets Manager", pieces, ours.secrets, atOnce, together.secrets, ""),
	}, nil
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
		this: f.keeper().String() + " " + runs.seconds.in(seconds), that: "bound " + bound.in(seconds),
	}
}

func (f fleet) limitRow(what string, bytes sample, most float64) row {
	limit := sample{most}
	return row{
		what: what + " for " + f.String(), budget: 1, ratio: bytes.ratio(limit),
		this: f.keeper().String() + " " + bytes.in(mebibytes), that: "limit " + limit.in(mebibytes),
	}
}

func (f fleet) peerRow(what string, u unit, ours sample, peer string, theirs sample, remark string) row {
	return row{
		what: what + " for " + f.String(), peer: peer, ratio: ours.ratio(theirs),
		this: f.keeper().String() + " " + ours.in(u), that: peer + " " + theirs.in(u) + remark,
	}
}
