package main

import (
	"os"
	"path/filepath"
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
	if got := render(rows); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if n := exceeded(rows); n != 1 {
		t.Errorf("%d budgets exceeded, want 1", n)
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

func TestWritingTheTableReplacesTheLastOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(path, []byte("before\n"+begin+end+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"| old |\n", "| new |\n"} {
		if err := writeTable(path, table, "setting\n"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if want := "before\n" + begin + "\nsetting\n\n| new |\n\n" + end + "after\n"; err != nil || string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	if err := os.WriteFile(path, []byte("no marks\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeTable(path, "", ""); err == nil {
		t.Error("a file without the marks: no error")
	}
}
