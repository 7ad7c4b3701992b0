package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wifmint/wifmint/internal/status"
)

// column is one of the table of status. Where the terminal is too narrow, those
// that may go, go, the highest first.
type column struct {
	title string
	right bool // aligned
	goes  int  // 0: never
	cell  func(status.Row, time.Time) string
}

var statusColumns = [...]column{
	{"TARGET", false, 0, func(r status.Row, _ time.Time) string { return printable(resource(r.Target)) }},
	{"PRINCIPAL", false, 1, func(r status.Row, _ time.Time) string { return orDash(printable(resource(r.Principal))) }},
	{"STATE", false, 0, func(r status.Row, _ time.Time) string { return string(r.State) }},
	{"EXPIRES IN", true, 0, expiresIn},
	{"LIFE", false, 2, lifeBar},
	{"MINTED", true, 3, minted},
	{"WRITES/DAY", true, 4, writes},
	{"VERSION", false, 5, func(r status.Row, _ time.Time) string { return orDash(short(printable(r.VersionID), 8)) }},
}

// minPrincipal is how narrow the longest column may become before columns go.
const minPrincipal = 16

// print writes the table, what is to be said about its rows, and a line that sums
// up. Width 0 is any.
func (s sight) print(to io.Writer, p paint, width int) {
	columns, widths := s.layout(width)
	var line strings.Builder
	for i, c := range columns {
		line.WriteString(padded(c.title, widths[i], c.right) + "  ")
	}
	fmt.Fprintln(to, p.dim(strings.TrimRight(line.String(), " ")))
	for _, r := range s.rows {
		line.Reset()
		for i, c := range columns {
			cell := padded(cut(c.cell(r, s.at), widths[i]), widths[i], c.right)
			if c.title == "STATE" || c.title == "LIFE" {
				cell = p.state(r.State, cell)
			}
			line.WriteString(cell + "  ")
		}
		fmt.Fprintln(to, strings.TrimRight(line.String(), " "))
	}
	s.printNotes(to, p)
	fmt.Fprintf(to, "\n%s\n", s.summary())
}

// layout chooses the columns for a width and how wide each is.
func (s sight) layout(width int) (columns []column, widths []int) {
	for most := len(statusColumns); most >= 0; most-- {
		columns, widths = nil, nil
		total, principal := -2, -1
		for _, c := range statusColumns {
			if c.goes > most {
				continue
			}
			widest := len(c.title)
			for _, r := range s.rows {
				widest = max(widest, utf8.RuneCountInString(c.cell(r, s.at)))
			}
			if c.title == "PRINCIPAL" {
				principal = len(columns)
			}
			columns, widths = append(columns, c), append(widths, widest)
			total += widest + 2
		}
		if over := total - width; principal >= 0 && over > 0 && widths[principal]-over >= minPrincipal {
			widths[principal] -= over
			total = width
		}
		if width <= 0 || total <= width {
			break
		}
	}
	return columns, widths
}

func (s sight) printNotes(to io.Writer, p paint) {
	for i, r := range s.rows {
		note := r.Problem
		if r.State == status.Paused {
			note = "a person stopped it" + since(r.PausedAt) + because(r.Reason) + "; wifmint resume ends that"
		}
		if note == "" {
			continue
		}
		if i == 0 { // rows with a note are the first
			fmt.Fprintln(to)
		}
		fmt.Fprintf(to, "%s  %s: %s\n", p.state(r.State, string(r.State)), printable(r.Target), printable(note))
	}
	for _, r := range s.rows {
		if r.Unlisted != "" { // mostly for the same reason as the others
			fmt.Fprintf(to, "\n%s\n", p.dim("The writes are not known: "+printable(r.Unlisted)))
			break
		}
	}
}

func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " at " + t.UTC().Format(time.RFC3339)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

func (s sight) summary() string {
	text := count(len(s.rows), "target")
	n := map[status.State]int{}
	for _, r := range s.rows {
		n[r.State]++
	}
	for _, r := range s.rows { // in the order of the rows
		if n[r.State] > 0 {
			text += fmt.Sprintf(", %d %s", n[r.State], r.State)
			n[r.State] = 0
		}
	}
	return text
}

func (p paint) state(s status.State, text string) string {
	switch {
	case s.Wrong():
		return p.bad(text)
	case s == status.Fresh:
		return p.good(text)
	}
	return p.warn(text)
}

func expiresIn(r status.Row, now time.Time) string {
	if r.SecondsRemaining == nil {
		return "-"
	}
	if *r.SecondsRemaining == 0 {
		return brief(now.Sub(r.Expiry)) + " ago"
	}
	return brief(r.Expiry.Sub(now))
}

// lifeBar is empty for an expired token only.
func lifeBar(r status.Row, now time.Time) string {
	if r.SecondsRemaining == nil {
		return "-"
	}
	const cells = 10
	full := int(math.Ceil(cells * r.Life(now)))
	return strings.Repeat("█", full) + strings.Repeat("░", cells-full)
}

func minted(r status.Row, now time.Time) string {
	if r.MintedAt.IsZero() {
		return "-"
	}
	return brief(now.Sub(r.MintedAt)) + " ago"
}

func writes(r status.Row, _ time.Time) string {
	if r.Writes == nil {
		return "-"
	}
	return fmt.Sprintf("%d/%d", *r.Writes, r.MaxWrites)
}

// brief shows a duration with its two largest units at most.
func brief(d time.Duration) string {
	d = max(0, d)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < 10*time.Minute:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func padded(s string, width int, right bool) string {
	space := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
	if right {
		return space + s
	}
	return s + space
}

// cut leaves both ends of what is too long: of an email, the account and the domain.
func cut(s string, width int) string {
	runes := []rune(s)
	if len(runes) <= width {
		return s
	}
	end := width / 3
	return string(runes[:width-1-end]) + "…" + string(runes[len(runes)-end:])
}

// cutPainted cuts the end off a line that is wider than width, but no colour's code:
// what switches one off may be at the very end. Width 0 is any.
func cutPainted(line string, width int) string {
	var b strings.Builder
	left := width
	for i, part := range strings.Split(line, "\x1b[") {
		if i > 0 { // a code, and what it is about
			var code string
			code, part, _ = strings.Cut(part, "m")
			b.WriteString("\x1b[" + code + "m")
		}
		switch runes := []rune(part); {
		case width <= 0 || len(runes) <= left:
			b.WriteString(part)
			left -= len(runes)
		case left > 0:
			b.WriteString(string(runes[:left-1]) + "…")
			left = 0
		}
	}
	return b.String()
}
