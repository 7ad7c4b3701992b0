package main

import (
	"strings"
	"testing"
)

func TestTheTableShowsBudgetsFirstAndWhetherTheyAreKept(t *testing.T) {
	t.Parallel()
	rows := []row{
		{what: "free", ratio: 3, this: "3 µs", that: "1 µs"},
		{what: "at the budget", ratio: 0.5, budget: 0.5, this: "1", that: "2"},
		{what: "just over", ratio: 0.501, budget: 0.5, this: "501", that: "1000"},
	}
	want := strings.Join([]string{
		"| ratio | budget |      | of            | this | to that |",
		"| ----- | ------ | ---- | ------------- | ---- | ------- |",
		"| 0.500 | 0.50   | ok   | at the budget | 1    | 2       |",
		"| 0.501 | 0.50   | over | just over     | 501  | 1000    |",
		"| 3.000 |        |      | free          | 3 µs | 1 µs    |",
		"",
	}, "\n")
	if got := renderTable(rows); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTheVerdictNamesWhatIsOverItsBudget(t *testing.T) {
	t.Parallel()
	kept, over := row{what: "kept", ratio: 0.5, budget: 0.5}, row{what: "one", ratio: 0.6, budget: 0.5}
	other := row{what: "other", peer: "oauth2", ratio: 1.1, budget: 1}
	for _, test := range []struct {
		rows []row
		want string
	}{
		{[]row{kept, {what: "free", ratio: 3}}, "Of 1 budgets 1 are kept.\n"},
		{[]row{kept, over}, "Of 2 budgets 1 are kept. Over theirs are: one (0.600, the budget is 0.50).\n"},
		{[]row{over, kept, other}, "Of 3 budgets 1 are kept. Over theirs are: one (0.600, the budget is 0.50); other, to oauth2 (1.100, the budget is 1.00).\n"},
	} {
		if got := verdict(test.rows); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestEverySectionHasAHeadingAndATable(t *testing.T) {
	t.Parallel()
	got := render([]section{{"Cold start", []row{{what: "start", ratio: 1}}}, {"Size", []row{{what: "zip", ratio: 2}}}})
	want := "### Cold start\n\n" +
		"| ratio | budget |  | of    | this | to that |\n" +
		"| ----- | ------ |  | ----- | ---- | ------- |\n" +
		"| 1.000 |        |  | start |      |         |\n" +
		"\n### Size\n\n" +
		"| ratio | budget |  | of  | this | to that |\n" +
		"| ----- | ------ |  | --- | ---- | ------- |\n" +
		"| 2.000 |        |  | zip |      |         |\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestASampleShowsItsMedianAndQuartiles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		sample
		want string
	}{
		{"an odd number", sample{0.005, 0.001, 0.003, 0.002, 0.004}, "3.00 ms (2.00 to 4.00)"},
		{"an even number", sample{0.001, 0.002, 0.003, 0.004}, "2.50 ms (1.75 to 3.25)"},
		{"always the same", sample{0.001, 0.001}, "1.00 ms"},
		{"one", sample{0.001}, "1.00 ms"},
		{"none", nil, "0.00 ms"},
	} {
		if got := test.in(milliseconds); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}
