package main

import (
	"fmt"
	"strings"
)

// row is one ratio.
type row struct {
	what string
	// ratio is this to that.
	ratio float64
	// budget is the most that ratio may be; zero means that none was set.
	budget float64
	// this and that are the two sides, as text.
	this, that string
	// peer is what stands on that side, for the plot of ratios, which shows the rows
	// that have one: what of such a row has to fit beside the bars, some 55 letters.
	peer string
	// curve is what the ratio was found from, for the plot of growth.
	curve *curve
}

func (r row) exceeded() bool { return r.budget != 0 && r.ratio > r.budget }

func (r row) verdict() string {
	if r.exceeded() {
		return "over"
	}
	return "ok"
}

// exceeded are the rows that are over their budgets.
func exceeded(rows []row) (over []row) {
	for _, r := range rows {
		if r.exceeded() {
			over = append(over, r)
		}
	}
	return over
}

// section is the rows of one measurement.
type section struct {
	title string
	rows  []row
}

func rowsOf(sections []section) (rows []row) {
	for _, s := range sections {
		rows = append(rows, s.rows...)
	}
	return rows
}

// verdict is how many budgets are kept, and which are not.
func verdict(rows []row) string {
	budgets := 0
	for _, r := range rows {
		if r.budget != 0 {
			budgets++
		}
	}
	over := exceeded(rows)
	text := fmt.Sprintf("Of %d budgets %d are kept", budgets, budgets-len(over))
	for i, r := range over {
		text += [...]string{". Over theirs are: ", "; "}[min(i, 1)] + r.what
		if r.peer != "" {
			text += ", to " + r.peer
		}
		text += fmt.Sprintf(" (%.3f, the budget is %.2f)", r.ratio, r.budget)
	}
	return text + ".\n"
}

// render gives Markdown: a heading and a table for each section.
func render(sections []section) string {
	var tables []string
	for _, s := range sections {
		tables = append(tables, "### "+s.title+"\n\n"+renderTable(s.rows))
	}
	return strings.Join(tables, "\n")
}

// renderTable gives a table whose columns also line up as plain text. What has a
// budget comes first.
func renderTable(rows []row) string {
	lines := [][]string{{"ratio", "budget", "", "of", "this", "to that"}}
	var others [][]string
	for _, r := range rows {
		ratio := fmt.Sprintf("%.3f", r.ratio)
		if r.budget == 0 {
			others = append(others, []string{ratio, "", "", r.what, r.this, r.that})
			continue
		}
		lines = append(lines, []string{ratio, fmt.Sprintf("%.2f", r.budget), r.verdict(), r.what, r.this, r.that})
	}
	lines = append(lines, others...)
	width := make([]int, len(lines[0]))
	for _, cells := range lines {
		for i, cell := range cells {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	rule := make([]string, len(width))
	for i, n := range width {
		rule[i] = strings.Repeat("-", n)
	}

	var b strings.Builder
	for i, cells := range lines {
		writeLine(&b, cells, width)
		if i == 0 {
			writeLine(&b, rule, width)
		}
	}
	return b.String()
}

func writeLine(b *strings.Builder, cells []string, width []int) {
	for i, cell := range cells {
		b.WriteString("| " + cell + strings.Repeat(" ", width[i]-len([]rune(cell))+1))
	}
	b.WriteString("|\n")
}
