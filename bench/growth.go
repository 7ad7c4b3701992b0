package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// sizes are how many targets growth is measured with: each is ten times the last.
var sizes = [...]int{10, 100, 1000, largest}

// largest is the most targets that a config document holds.
const largest = 10_000

// growing are the fleets whose growth is measured.
var growing = [...]struct {
	fleet
	largest bool // with the last of the sizes too, if that was asked for
}{
	{fleet{due: true, latency: callLatency}, true},
	{fleet{due: false, latency: callLatency}, true},
	{fleet{due: true, latency: callLatency, federated: true}, false}, // the minter's; fresh, it does what the rotator does
}

// curve is how what a run takes grows with its targets.
type curve struct {
	what   string // it takes
	of     fleet  // the largest
	unit   unit
	limit  float64 // zero: none
	points []point
}

// point is the median of the runs over a fleet of one size.
type point struct {
	targets int
	value   float64
}

// measureGrowth runs over ever larger fleets. The largest one takes four minutes.
func measureGrowth(ctx context.Context, built paths, e effort) ([]row, error) {
	var rows []row
	for _, g := range growing {
		of := sizes[:]
		if !g.largest || !e.largestFleet {
			of = sizes[:len(sizes)-1]
		}
		var curves growthCurves
		for _, targets := range of {
			f := g.fleet
			f.targets = targets
			runs, err := runRepeatedly(ctx, built, f)
			if err != nil {
				return nil, fmt.Errorf("running over %v: %w", f, err)
			}
			curves.add(f, runs)
			if targets == largest {
				rows = append(rows, largestRows(f, runs)...)
			}
		}
		rows = append(rows, curves.rows()...)
	}
	return rows, nil
}

// runRepeatedly runs over a fleet, but only once where that takes long.
func runRepeatedly(ctx context.Context, built paths, f fleet) (fleetRuns, error) {
	times := fleetRounds
	if f.bound() > 5*time.Second {
		times = 1
	}
	progress("running over %v, for %.1f s", f, float64(times)*f.bound().Seconds())
	var runs fleetRuns
	for range times {
		if err := runs.run(ctx, f, asDeployed(built)); err != nil {
			return runs, err
		}
	}
	return runs, nil
}

// growthCurves are those of one function over the same kind of fleet.
type growthCurves struct{ time, memory, calls curve }

func (g *growthCurves) add(f fleet, runs fleetRuns) {
	g.time.add("time", seconds, fleetTimeout.Seconds(), f, runs.seconds)
	g.calls.add("calls", pieces, 0, f, sample{runs.made.total()})
	if len(runs.peak) > 0 {
		g.memory.add("peak memory", mebibytes, memoryLimit, f, runs.peak)
	}
}

func (c *curve) add(what string, u unit, limit float64, f fleet, measured sample) {
	c.what, c.unit, c.limit, c.of = what, u, limit, f
	c.points = append(c.points, point{f.targets, measured.median()})
}

// last is the zero point of a curve that has none.
func (c *curve) last() (p point) {
	if n := len(c.points); n > 0 {
		p = c.points[n-1]
	}
	return p
}

func (g *growthCurves) rows() []row {
	rows := []row{g.time.row(), g.calls.row()}
	if len(g.memory.points) > 0 {
		rows = append(rows, g.memory.row())
	}
	if g.memory.last().targets == largest {
		rows = append(rows, g.memory.eachRow())
	}
	return rows
}

// growthBudget bounds what ten times as many targets take by ten times as much, and
// a twentieth for the machine's moods. Growth of n log n is a third over linear from
// 1,000 to 10,000, and more before.
const growthBudget = 1.05

// row holds the steepest part of the curve against growth in proportion.
func (c *curve) row() row {
	var steepest float64
	var values []string
	for i, p := range c.points {
		values = append(values, c.unit.of(p.value))
		if i > 0 {
			last := c.points[i-1]
			steepest = max(steepest, p.value/last.value/(float64(p.targets)/float64(last.targets)))
		}
	}
	return row{
		what:  fmt.Sprintf("growth of %s, %s to %s %s", c.what, thousands(c.points[0].targets), thousands(c.last().targets), c.of.kind()),
		ratio: steepest, budget: growthBudget,
		this:  fmt.Sprintf("%v %.2f times for ten times as many (%s%s)", c.of.keeper(), 10*steepest, strings.Join(values, ", "), c.unit.name),
		that:  "linear 10 times",
		curve: c,
	}
}

// memoryLimit is that of the functions in bytes, over whatever number of targets.
const memoryLimit = 128 << 20

// eachRow tells what one more target weighs in memory, against its share if as many
// as a config document holds are to fit.
func (c *curve) eachRow() row {
	first, last := c.points[0], c.last()
	each := sample{(last.value - first.value) / float64(last.targets-first.targets)}
	share := sample{float64(memoryLimit) / largest}
	return row{
		what:  fmt.Sprintf("%s for each further one of %s %s", c.what, thousands(last.targets), c.of.kind()),
		ratio: each.ratio(share), budget: 1,
		this: c.of.keeper().String() + " " + each.in(kibibytes), that: "limit " + share.in(kibibytes),
	}
}

// largestRows hold one run over the largest fleet against what bounds it.
func largestRows(f fleet, runs fleetRuns) []row {
	const responseLimit = 6 << 20 // Lambda's
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
