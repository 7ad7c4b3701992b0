package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// drawing is an SVG of the width of a document on GitHub. It has its own background
// and colours for light and for dark, so that it can be read wherever it is shown.
type drawing struct {
	body strings.Builder
	// height is as far down as anything was drawn.
	height float64
}

const (
	drawingWidth = 900
	margin       = 24
)

// style gives every class its colours. There are no CSS variables, which not all
// that draws SVG knows.
const style = `
text { font: 13px -apple-system, "Segoe UI", "Helvetica Neue", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.strong { font-weight: 600 }
.small { font-size: 11px }
.muted { fill: #59636e }
.end { text-anchor: end }
.middle { text-anchor: middle }
.paper { fill: #ffffff; stroke: #d1d9e0 }
.grid { stroke: #e4e8ec }
.mark { stroke: #1f2328; stroke-width: 2 }
.dashed { stroke: #818b98; stroke-dasharray: 2 4 }
.limit { stroke: #cf222e; stroke-dasharray: 6 4 }
.one { fill: #0969da; stroke: #0969da }
.other { fill: #1a7f37; stroke: #1a7f37 }
.over { fill: #bc4c00; stroke: #bc4c00 }
.curve { fill: none; stroke-width: 2 }
.bar { stroke: none }
.halo { stroke: #ffffff; stroke-width: 4; stroke-linejoin: round; paint-order: stroke }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .muted { fill: #9198a1 }
  .paper { fill: #0d1117; stroke: #3d444d }
  .grid { stroke: #262c36 }
  .mark { stroke: #f0f6fc }
  .dashed { stroke: #767f8a }
  .limit { stroke: #f85149 }
  .one { fill: #4493f8; stroke: #4493f8 }
  .other { fill: #3fb950; stroke: #3fb950 }
  .over { fill: #f0883e; stroke: #f0883e }
  .curve { fill: none }
  .bar { stroke: none }
  .halo { stroke: #0d1117 }
}
`

// svg is the whole file. Title and description are for those who do not see it.
func (d *drawing) svg(title, description string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]g" viewBox="0 0 %[1]d %[2]g" role="img" aria-labelledby="title description">
<title id="title">%[3]s</title>
<desc id="description">%[4]s</desc>
<style>%[5]s</style>
<rect class="paper" x="0.5" y="0.5" width="%[6]d" height="%[7]g" rx="6"/>
%[8]s</svg>
`, drawingWidth, d.height+margin, escaped(title), escaped(description), style, drawingWidth-1, d.height+margin-1, d.body.String())
}

func (d *drawing) text(x, y float64, class, text string) {
	d.add(y, `<text class="%s" x="%.1f" y="%.1f">%s</text>`, class, x, y, escaped(text))
}

func (d *drawing) line(x1, y1, x2, y2 float64, class string) {
	d.add(max(y1, y2), `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, x1, y1, x2, y2)
}

func (d *drawing) bar(x, y, width, height float64, class string) {
	d.add(y+height, `<rect class="bar %s" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="2"/>`, class, x, y, width, height)
}

func (d *drawing) dot(x, y float64, class string) {
	d.add(y, `<circle class="%s" cx="%.1f" cy="%.1f" r="3.5"/>`, class, x, y)
}

type place struct{ x, y float64 }

// path joins places.
func (d *drawing) path(places []place, class string) {
	var path string
	var bottom float64
	for i, at := range places {
		path += fmt.Sprintf("%s%.1f %.1f", [...]string{"M", "L"}[min(i, 1)], at.x, at.y)
		bottom = max(bottom, at.y)
	}
	d.add(bottom, `<path class="curve %s" d="%s"/>`, class, path)
}

func (d *drawing) add(bottom float64, format string, args ...any) {
	d.height = max(d.height, bottom)
	fmt.Fprintf(&d.body, format+"\n", args...)
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder does not fail
	return b.String()
}
