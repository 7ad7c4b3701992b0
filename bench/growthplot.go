package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// growthPlot draws the rotator's curves, both axes being logarithmic: what grows in
// proportion to the targets is parallel to the dashed line. The minter's would lie
// on top of them.
func growthPlot(rows []row) string {
	const (
		title = "One run over ever more targets"
		top   = 92
		gap   = 30
	)
	var d drawing
	d.text(margin, 36, "title", title)
	d.text(margin, 57, "muted", "The rotator, with 50 ms a call. Dashed: in proportion to the targets. Both axes are logarithmic.")
	d.dot(690, 53, "one")
	d.text(700, 57, "muted", "all are due")
	d.dot(790, 53, "other")
	d.text(800, 57, "muted", "all are fresh")

	panels := panelsOf(rows)
	width := (drawingWidth - 2*margin - gap*float64(len(panels)-1)) / max(1, float64(len(panels)))
	var spoken strings.Builder
	for i, p := range panels {
		p.draw(&d, margin+float64(i)*(width+gap), top, width)
		for _, c := range p {
			fmt.Fprintf(&spoken, " %s: %s.", c.quantity(), c.spoken())
		}
	}
	return d.svg(title, "Curves, one for each row of growth in the tables."+spoken.String())
}

// panel is the curves of one quantity.
type panel []*curve

func panelsOf(rows []row) (panels []panel) {
	at := map[string]int{}
	for _, r := range rows {
		if r.curve == nil || r.curve.of.federated {
			continue
		}
		i, found := at[r.curve.what]
		if !found {
			i = len(panels)
			at[r.curve.what], panels = i, append(panels, nil)
		}
		panels[i] = append(panels[i], r.curve)
	}
	return panels
}

// frame is where a panel's axes are, whose ends are decimal logarithms. The axis of
// targets begins at 10.
type frame struct {
	left, right, top, bottom float64
	low, high                float64 // of the values
	most                     float64 // of the targets
}

func (p panel) frame(x, y, width float64) frame {
	f := frame{left: x + 38, right: x + width, top: y + 22, bottom: y + 252, low: math.Inf(1), high: math.Inf(-1), most: 2}
	for _, c := range p {
		for _, point := range c.points {
			f.low = min(f.low, math.Floor(math.Log10(c.shown(point.value))))
			f.high = max(f.high, math.Ceil(math.Log10(c.shown(max(point.value, c.limit)))), f.low+1)
			f.most = max(f.most, math.Log10(float64(point.targets)))
		}
	}
	return f
}

// at is where a value for so many targets is shown: with room for its figure inside
// the frame, wherever it is.
func (f frame) at(targets, value float64) place {
	const room = 20
	return place{
		f.left + room + (math.Log10(targets)-1)/(f.most-1)*(f.right-f.left-2*room),
		f.bottom - room - (math.Log10(value)-f.low)/(f.high-f.low)*(f.bottom-f.top-room),
	}
}

func (p panel) draw(d *drawing, x, y, width float64) {
	f := p.frame(x, y, width)
	d.text(x, y, "strong", p[0].quantity())
	for decade := f.low; decade <= f.high; decade++ {
		value := math.Pow(10, decade)
		at := f.at(10, value)
		d.line(f.left, at.y, f.right, at.y, "grid")
		d.text(f.left-6, at.y+4, "small muted end", threeDigits(value))
	}
	for decade := 1.0; decade <= f.most; decade++ {
		targets := math.Pow(10, decade)
		at := f.at(targets, 1)
		d.line(at.x, f.top, at.x, f.bottom, "grid")
		d.text(at.x, f.bottom+16, "small muted middle", threeDigits(targets))
	}
	d.text((f.left+f.right)/2, f.bottom+33, "small muted middle", "targets")
	if limit := p[0].shown(p[0].limit); limit != 0 {
		at := f.at(10, limit)
		d.line(f.left, at.y, f.right, at.y, "limit")
		d.text(f.left+4, at.y-5, "small muted halo", "limit "+threeDigits(limit))
	}
	p[0].dashed(d, f)
	for _, c := range p {
		c.draw(d, f)
	}
}

// dashed is where the curve would be if it grew in proportion to the targets.
func (c *curve) dashed(d *drawing, f frame) {
	targets, value := float64(c.points[0].targets), c.shown(c.points[0].value)
	times := math.Pow(10, min(f.most-math.Log10(targets), f.high-math.Log10(value))) // until the frame ends
	from, to := f.at(targets, value), f.at(targets*times, value*times)
	d.line(from.x, from.y, to.x, to.y, "dashed")
}

// draw puts the figures of due targets above their curve, those of fresh ones below.
func (c *curve) draw(d *drawing, f frame) {
	class, below := "one", -10.0
	if !c.of.due {
		class, below = "other", 19
	}
	var places []place
	for _, p := range c.points {
		places = append(places, f.at(float64(p.targets), c.shown(p.value)))
	}
	d.path(places, class)
	for i, at := range places {
		d.dot(at.x, at.y, class)
		d.text(at.x, at.y+below, "small middle halo", threeDigits(c.shown(c.points[i].value)))
	}
}

// quantity is what the curve is about, with its unit.
func (c *curve) quantity() string {
	name := strings.ToUpper(c.what[:1]) + c.what[1:]
	if unit := strings.TrimSpace(c.unit.name); unit != "" {
		name += ", " + unit
	}
	return name
}

// shown is a value in the curve's unit.
func (c *curve) shown(value float64) float64 { return value * c.unit.perOne }

func (c *curve) spoken() string {
	var parts []string
	for _, p := range c.points {
		parts = append(parts, threeDigits(c.shown(p.value))+" for "+thousands(p.targets))
	}
	return strings.Join(parts, ", ") + " " + c.of.state()
}

// threeDigits are all that a plot shows of a figure below 1,000.
func threeDigits(x float64) string {
	if x < 100 {
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	return thousands(int(math.Round(x)))
}
