package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// element is one of a plot's, with its attributes and, without any inside, its text.
type element struct {
	name string
	at   map[string]string
	text string
}

func (e element) number(t *testing.T, name string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(e.at[name], 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		t.Errorf("%s %v: its %s is no number", e.name, e.at, name)
	}
	return n
}

func elements(t *testing.T, plot string) (all []element) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(plot))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := element{name: token.Name.Local, at: map[string]string{}}
			for _, a := range token.Attr {
				e.at[a.Name.Local] = a.Value
			}
			all = append(all, e)
		case xml.CharData:
			all[max(0, len(all)-1)].text += strings.TrimSpace(string(token))
		}
	}
}

func texts(all []element) (found []string) {
	for _, e := range all {
		if e.name == "text" {
			found = append(found, e.text)
		}
	}
	return found
}

func ofClass(all []element, class string) (found []element) {
	for _, e := range all {
		if slices.Contains(strings.Fields(e.at["class"]), class) {
			found = append(found, e)
		}
	}
	return found
}

// figures are made up.
func figures() []row {
	rows := []row{
		{what: "minting, time", peer: "x/oauth2", ratio: 0.64, budget: 0.5},
		{what: "minting, allocations", peer: "x/oauth2", ratio: 0.4, budget: 0.5},
		{what: "minting, time", peer: "cloud auth", ratio: 0.32, budget: 0.5},
		{what: "calls for a fresh target", ratio: 1, budget: 1},
		{what: "size <of> \"the\" zip & more", peer: "client only", ratio: 1.16},
	}
	for _, g := range []fleet{{due: true}, {}, {due: true, federated: true}} {
		var curves growthCurves
		for i, targets := range sizes {
			g.targets = targets
			curves.add(g, fleetRuns{
				seconds: sample{[]float64{0.4, 4, 40, 400}[i]}, made: calls{"PutSecretValue": []int{1, 5, 50, 500}[i]},
				peak: sample{[]float64{10.5 * (1 << 20), 12 << 20, 22 << 20, 97 << 20}[i]},
			})
		}
		rows = append(rows, curves.rows()...)
	}
	return rows
}

func TestPlotsCanBeReadWhereverTheyAreShown(t *testing.T) {
	t.Parallel()
	for name, plot := range map[string]func([]row) string{"ratios": ratioPlot, "growth": growthPlot} {
		for _, rows := range [][]row{figures(), nil} {
			svg := plot(rows)
			if svg != plot(rows) {
				t.Errorf("%s: the same figures give another plot", name)
			}
			all := elements(t, svg)
			root := all[0]
			width, height := root.number(t, "width"), root.number(t, "height")
			if root.name != "svg" || root.at["role"] != "img" || root.at["aria-labelledby"] != "title description" || width != drawingWidth || height < 80 {
				t.Errorf("%s: begins with %v", name, root)
			}
			if all[1].name != "title" || all[1].text == "" || all[2].name != "desc" || all[2].text == "" {
				t.Errorf("%s: no title and description, but %v", name, all[1:3])
			}
			if !strings.Contains(svg, "prefers-color-scheme: dark") || strings.Count(svg, "http") != 1 { // that of the namespace
				t.Errorf("%s: is for light pages only, or needs something from elsewhere", name)
			}
			for _, e := range all[1:] {
				for _, class := range strings.Fields(e.at["class"]) {
					if !strings.Contains(style, "."+class+" ") && !strings.Contains(style, "."+class+",") {
						t.Errorf("%s: there is no style for %s", name, class)
					}
				}
				for axis, end := range map[string]float64{"x": width, "y": height, "x1": width, "y1": height, "x2": width, "y2": height, "cx": width, "cy": height} {
					if e.at[axis] != "" {
						if n := e.number(t, axis); n < 0 || n > end {
							t.Errorf("%s: %s %v is outside", name, e.name, e.at)
						}
					}
				}
			}
		}
	}
}

func TestThePlotOfRatiosHasABarForEachPeer(t *testing.T) {
	t.Parallel()
	svg := ratioPlot(figures())
	all := elements(t, svg)
	want := []string{
		"What wifmint takes, by what its peers take", "Less is better: 0.5 is half as much as the peer, 1 is as much.",
		"within its budget, if any", "over it", "the budget",
		"0", "0.25", "0.5", "0.75", "1", "1.25",
		"minting, time", "x/oauth2", "0.64, over", "cloud auth", "0.32",
		"minting, allocations", "x/oauth2", "0.40",
		`size <of> "the" zip & more`, "client only", "1.16",
	}
	if got := texts(all); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	bars := ofClass(all, "bar")[2:] // after the legend's
	if len(bars) != 4 {
		t.Fatalf("there are %d bars", len(bars))
	}
	for i, ratio := range []float64{0.64, 0.32, 0.4, 1.16} {
		if got := bars[i].number(t, "width") / bars[0].number(t, "width"); math.Abs(got-ratio/0.64) > 0.01 {
			t.Errorf("bar %d is %.3f times as long as the first", i, got)
		}
		if over := strings.Contains(bars[i].at["class"], "over"); over != (i == 0) {
			t.Errorf("bar %d: %v", i, bars[i])
		}
	}
	marks := ofClass(all, "mark")[1:]
	if len(marks) != 3 {
		t.Fatalf("there are %d marks of budgets", len(marks))
	}
	end := bars[0].number(t, "x") + bars[0].number(t, "width")*0.5/0.64
	if got := marks[0].number(t, "x1"); math.Abs(got-end) > 0.2 {
		t.Errorf("the mark of 0.5 is at %v, want %v", got, end)
	}
	if spoken := all[2].text; !strings.Contains(spoken, "minting, time: 0.64, over of x/oauth2") {
		t.Errorf("it is described as %q", spoken)
	}
}

func TestThePlotOfGrowthHasTheRotatorsCurves(t *testing.T) {
	t.Parallel()
	all := elements(t, growthPlot(figures()))
	got := strings.Join(texts(all)[4:], "|")
	for _, panel := range []string{
		"Time, s|0.1|1|10|100|1,000|10|100|1,000|10,000|targets|limit 900|0.4|4|40|400|0.4|4|40|400",
		"Calls|1|10|100|1,000|10|100|1,000|10,000|targets|1|5|50|500|1|5|50|500",
		"Peak memory, MiB|10|100|1,000|10|100|1,000|10,000|targets|limit 128|10.5|12|22|97|10.5|12|22|97",
	} {
		if !strings.Contains(got, panel) {
			t.Errorf("there is no %s in\n%s", panel, got)
		}
	}
	curves := ofClass(all, "curve")
	if len(curves) != 6 || len(ofClass(all, "one")) != 3+3*4+1 {
		t.Fatalf("there are %d curves, %d marks of due ones", len(curves), len(ofClass(all, "one")))
	}
	// What grows in proportion lies on the dashed line.
	numbers := regexp.MustCompile(`[0-9.]+`).FindAllString(curves[0].at["d"], -1)
	dashed := ofClass(all, "dashed")[0].at
	if len(numbers) != 8 || numbers[0] != dashed["x1"] || numbers[1] != dashed["y1"] || numbers[6] != dashed["x2"] || numbers[7] != dashed["y2"] {
		t.Errorf("the curve is %q, the line of proportion %v", numbers, dashed)
	}
	if spoken := all[2].text; !strings.Contains(spoken, "Time, s: 0.4 for 10, 4 for 100, 40 for 1,000, 400 for 10,000 due.") {
		t.Errorf("it is described as %q", spoken)
	}
}

func TestFiguresBelowAThousandHaveThreeDigitsAtMost(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]string{
		0.0531: "0.0531", 0.4: "0.4", 1: "1", 2.468: "2.47", 9.8: "9.8", 22.95: "22.9", 99.99: "100", 229.2: "229", 20501: "20,501", 0.001: "0.001",
	} {
		if got := threeDigits(x); got != want {
			t.Errorf("%v: got %s, want %s", x, got, want)
		}
	}
}
