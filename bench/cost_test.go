package main

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// nominal are runs of the minter as README.md has them.
var nominal = keeping{fresh: invocation{0.2, 1, 2000}, due: invocation{0.2, 2, 2000}, metrics: 5}

func TestABillIsTheOneThatTheREADMEShows(t *testing.T) {
	t.Parallel()
	u := stack{0}.usage(nominal)
	if u.functionRequests != 8640 || u.secretCalls != 8640+2160 {
		t.Errorf("%v runs with %v calls", u.functionRequests, u.secretCalls)
	}
	for name, want := range map[string]string{
		"secrets": "0.40", "calls": "0.05", "Lambda": "0.01", "metrics": "1.50", "alarms": "0.90", "Scheduler": "0.01", "logs": "0.01",
	} {
		if got := fmt.Sprintf("%.2f", u.bill().total(name)); got != want {
			t.Errorf("%s: $%s, want $%s", name, got, want)
		}
	}
}

func TestMetricsAndAlarmsCostWhatTheOperationsPageSays(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		accounts int
		want     float64
	}{
		{0, 1.00 + 1.40},
		{1, 1.00 + 0.30 + 2*1.40},
		{50, 1.00 + 0.30 + 51*1.40},
		{200, 0.30 + 0.70 + 0.40 + 0.30 + 201*4*0.30}, // with a document, in place of the targets' alarms
	} {
		functions := []keeping{{metrics: 1 + 4}}
		if test.accounts > 0 {
			functions = append(functions, keeping{metrics: 1 + 4*test.accounts})
		}
		got := stack{test.accounts}.usage(functions...).bill().total("metrics", "alarms")
		if math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%d service accounts: $%.2f, want $%.2f", test.accounts, got, test.want)
		}
	}
}

func TestAMonthHasARunATickAndAMintingEveryFourth(t *testing.T) {
	t.Parallel()
	u := stack{1}.usage(keeping{fresh: invocation{billed: 1}, due: invocation{billed: 5, calls: 3, logBytes: 10}, cold: 2}, keeping{})
	want := usage{
		functionRequests: 2 * 8640, scheduled: 2 * 8640, functionSeconds: 6480 + 5*2160 + 2*360,
		secrets: 2, secretCalls: 3 * 2160, logBytes: 10 * 2160, alarms: 7 + 4,
	}
	if u != want {
		t.Errorf("got  %+v\nwant %+v", u, want)
	}
}

func TestABillHasTheLargestItemsFirstAndLeavesOutWhatIsNoCent(t *testing.T) {
	t.Parallel()
	b := usage{secrets: 2, metrics: 1, secretCalls: 2000, scheduled: 4000}.bill()
	if got, want := b.String(), "$1.11: secrets 0.80, metrics 0.30, calls 0.01"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := b.total("secrets", "Scheduler"); math.Abs(got-0.804) > 1e-9 {
		t.Errorf("two items are $%v", got)
	}
}

func TestReadingATokenCostsACallAndItsTime(t *testing.T) {
	t.Parallel()
	d := demand{functions: 50, starts: 1000}
	const seconds = 0.1
	time := 50_000 * seconds * 0.25 * priceGBSecond
	for _, test := range []struct {
		name string
		bill
		want float64
	}{
		{"reading, beside what the stack costs", d.reading(usage{secrets: 1}, seconds).bill(), 0.40 + 0.25 + time},
		{"federating", d.federating(seconds).bill(), time},
	} {
		if got := test.total(); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%s: $%v, want $%v", test.name, got, test.want)
		}
	}
}

func TestTheTableTellsTokensADollarOfBothSides(t *testing.T) {
	t.Parallel()
	r := costRow(stack{0}, demand{50, 1000}, bill{{"metrics", 4}, {"secrets", 1}}, bill{{"Lambda", 0.5}})
	want := row{
		what: "dollars a month, 1 federated token read by 50 functions, 1,000 cold starts each", ratio: 10,
		this: "wifmint, 10,000 tokens a dollar, $5.00: metrics 4.00, secrets 1.00",
		that: "each federating for itself, 100,000 tokens a dollar, $0.50: Lambda 0.50",
	}
	if r != want {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
}

func TestTheProcessorsTimeIsLongerAtTheTemplatesMemory(t *testing.T) {
	t.Parallel()
	if got := billed(0.1, 0.01); math.Abs(got-(0.09+0.01*1769/256)) > 1e-9 {
		t.Errorf("got %v", got)
	}
}

func TestAJournalCountsBytesAndEachMetricOnce(t *testing.T) {
	t.Parallel()
	lines := []string{
		`{"level":"INFO","msg":"run"}`,
		"not JSON",
		`{"_aws":{"CloudWatchMetrics":[{"Namespace":"n","Dimensions":[["function","target"]],"Metrics":[{"Name":"Minted","Unit":"Count"},{"Name":"Left"}]},` +
			`{"Namespace":"n","Dimensions":[["function"]],"Metrics":[{"Name":"Left"}]}]},"function":"f","target":"a","Minted":1,"Left":9}`,
		`{"_aws":{"CloudWatchMetrics":[{"Namespace":"n","Dimensions":[["function","target"]],"Metrics":[{"Name":"Minted"}]}]},"function":"f","target":"b","Minted":1}`,
	}
	j := journal{metrics: map[string]bool{}}
	for range 2 {
		for _, line := range lines {
			j.add(line)
		}
	}
	if want := 2 * (len(strings.Join(lines, "")) + len(lines)); j.bytes != want {
		t.Errorf("%d bytes, want %d", j.bytes, want)
	}
	want := map[string]bool{
		"n function=f target=a Minted": true, "n function=f target=a Left": true, "n function=f Left": true, "n function=f target=b Minted": true,
	}
	for name := range want {
		if !j.metrics[name] {
			t.Errorf("%q is missing", name)
		}
	}
	if len(j.metrics) != len(want) {
		t.Errorf("got %v", j.metrics)
	}
}
