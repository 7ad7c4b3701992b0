package main

import (
	"slices"
	"testing"
)

func TestGrowthMayBeLinearButNoMore(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		values []float64 // for 10, 100, 1,000 and 10,000 targets
		over   bool
	}{
		{"constant", []float64{5, 5, 5, 5}, false},
		{"linear", []float64{1, 10, 100, 1000}, false},
		{"linear and a constant", []float64{0.3 + 1, 0.3 + 10, 0.3 + 100, 0.3 + 1000}, false},
		{"linear, measured with some noise", []float64{1, 10.3, 99, 1030}, false},
		{"n log n", []float64{10 * 1, 100 * 2, 1000 * 3, 10_000 * 4}, true},
		{"n log n and a constant", []float64{100 + 10*1, 100 + 100*2, 100 + 1000*3, 100 + 10_000*4}, true},
		{"quadratic", []float64{1, 100, 10_000, 1_000_000}, true},
		{"quadratic at the end only", []float64{1, 1.1, 2, 200}, true},
		{"a jump in between, made up for later", []float64{1, 20, 100, 1000}, true},
	} {
		var g growthCurves
		for i, value := range test.values {
			f := fleet{targets: sizes[i], due: true}
			g.add(f, fleetRuns{seconds: sample{value}, made: calls{"exchange": int(1e6 * value)}, peak: sample{value}})
		}
		for _, r := range []row{g.time.row(), g.calls.row(), g.memory.row()} {
			if r.exceeded() != test.over {
				t.Errorf("%s: %s is %s", test.name, r.what, r.verdict())
			}
		}
	}
}

func TestTheRowsOfGrowthTellWhatTheyWereFoundFrom(t *testing.T) {
	t.Parallel()
	var g growthCurves
	for i, seconds := range []float64{0.4, 2.4, 22, 209} {
		g.add(fleet{targets: sizes[i], due: true}, fleetRuns{
			seconds: sample{seconds}, made: calls{"PutSecretValue": sizes[i]}, peak: sample{float64(sizes[i]*8<<10 + 10<<20)},
		})
	}
	var got []string
	for _, r := range g.rows() {
		got = append(got, r.what, r.this, r.that)
	}
	want := []string{
		"growth of time, 10 to 10,000 due service accounts", "rotator 9.50 times for ten times as many (0.40, 2.40, 22.00, 209.00 s)", "linear 10 times",
		"growth of calls, 10 to 10,000 due service accounts", "rotator 10.00 times for ten times as many (10, 100, 1,000, 10,000)", "linear 10 times",
		"growth of peak memory, 10 to 10,000 due service accounts", "rotator 4.95 times for ten times as many (10.08, 10.78, 17.81, 88.12 MiB)", "linear 10 times",
		"peak memory for each further one of 10,000 due service accounts", "rotator 8.0 KiB", "limit 13.1 KiB",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q,\nwant %q", got, want)
	}
}

func TestEachTargetHasItsShareOfTheMemory(t *testing.T) {
	t.Parallel()
	const kib = 1 << 10
	for each, over := range map[float64]bool{13 * kib: false, 13.2 * kib: true} {
		c := curve{points: []point{{10, 10 * each}, {largest, largest * each}}}
		if r := c.eachRow(); r.exceeded() != over {
			t.Errorf("%v bytes each: %s is %s", each, r.what, r.verdict())
		}
	}
}

func TestWithoutTheLargestFleetOrAProcToReadTheRestIsShown(t *testing.T) {
	t.Parallel()
	var g growthCurves
	for _, targets := range sizes[:3] {
		g.add(fleet{targets: targets}, fleetRuns{seconds: sample{1}, made: calls{"BatchGetSecretValue": 1}})
	}
	if rows := g.rows(); len(rows) != 2 || rows[0].what != "growth of time, 10 to 1,000 fresh service accounts" {
		t.Errorf("got %v", rows)
	}
}
