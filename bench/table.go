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
}

func (r row) exceeded() bool { return r.budget != 0 && r.ratio > r.budget }

func (r row) verdict() string {
	if r.exceeded() {
		return "over"
	}
	return "ok"
}

func exceeded(rows []row) (n int) {
	for _, r := range rows {
		if r.exceeded() {
			n++
		}
	}
	return n
}

// render gives a Markdown table whose columns also line up as plain text. What
// has a budget comes first.
func render(rows []row) string {
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
