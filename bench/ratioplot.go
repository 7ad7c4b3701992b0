package main

import (
	"fmt"
	"strings"
)

// ratioPlot draws the rows that have a peer as bars, those about the same thing
// under each other.
func ratioPlot(rows []row) string {
	rows = withPeers(rows)
	const (
		title  = "What wifmint takes, by what its peers take"
		top    = 96
		pitch  = 22
		height = 13 // of a bar
		gap    = 11 // between things
	)
	var d drawing
	d.text(margin, 36, "title", title)
	d.text(margin, 57, "muted", "Less is better: 0.5 is half as much as the peer, 1 is as much.")
	legend(&d, 57)

	what, peer, most := extent(rows)
	left, right := margin+what+peer, float64(drawingWidth-margin-80)
	at := func(ratio float64) float64 { return left + ratio/most*(right-left) }
	var spoken strings.Builder
	bars := new(drawing) // in front of the grid, which is as high as they are
	y := float64(top)
	for i, r := range rows {
		if i > 0 && r.what != rows[i-1].what {
			y += gap
			bars.line(margin, y-gap/2, drawingWidth-margin, y-gap/2, "grid")
		}
		if i == 0 || r.what != rows[i-1].what {
			bars.text(margin, y+15, "", r.what)
		}
		class, shown := "one", shortRatio(r.ratio)
		if r.exceeded() {
			class, shown = "over", shown+", over"
		}
		bars.text(margin+what, y+15, "muted", r.peer)
		bars.bar(left, y+(pitch-height)/2, at(r.ratio)-left, height, class)
		if r.budget != 0 {
			bars.line(at(r.budget), y+2, at(r.budget), y+pitch-2, "mark")
		}
		bars.text(at(max(r.ratio, r.budget))+7, y+15, "halo", shown)
		fmt.Fprintf(&spoken, " %s: %s of %s.", r.what, shown, r.peer)
		y += pitch
	}
	for tick := 0.0; tick <= most; tick += 0.25 {
		class := "grid"
		if tick == 1 {
			class = "dashed"
		}
		d.line(at(tick), top-6, at(tick), y+6, class)
		d.text(at(tick), top-12, "small muted middle", fmt.Sprintf("%g", tick))
	}
	d.add(bars.height, "%s", bars.body.String())
	return d.svg(title, "Bars, one for each ratio of the tables."+spoken.String())
}

// withPeers are the rows to draw, those about the same thing together.
func withPeers(rows []row) (drawn []row) {
	var order []string
	about := map[string][]row{}
	for _, r := range rows {
		if r.peer == "" {
			continue
		}
		if about[r.what] == nil {
			order = append(order, r.what)
		}
		about[r.what] = append(about[r.what], r)
	}
	for _, what := range order {
		drawn = append(drawn, about[what]...)
	}
	return drawn
}

// extent is how wide the columns of text are, by the width of most letters, and the
// ratio at the end of the axis.
func extent(rows []row) (what, peer, most float64) {
	most = 1.25
	for _, r := range rows {
		what = max(what, 6.2*float64(len(r.what))+20)
		peer = max(peer, 6.3*float64(len(r.peer))+12)
		most = max(most, r.ratio, r.budget)
	}
	return what, peer, most
}

func legend(d *drawing, y float64) {
	const x = 521
	d.bar(x, y-10, 12, 11, "one")
	d.text(x+18, y, "muted", "within its budget, if any")
	d.bar(x+175, y-10, 12, 11, "over")
	d.text(x+193, y, "muted", "over it")
	d.line(x+256, y-12, x+256, y+3, "mark")
	d.text(x+264, y, "muted", "the budget")
}

// shortRatio has two digits that say something.
func shortRatio(ratio float64) string {
	if ratio < 0.1 {
		return fmt.Sprintf("%.3f", ratio)
	}
	return fmt.Sprintf("%.2f", ratio)
}
