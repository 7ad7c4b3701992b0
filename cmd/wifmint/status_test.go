package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/wifmint/wifmint/internal/status"
)

// sightOf is a table with a row of each kind and n fresh ones.
func sightOf(n int) sight {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	left, none, writes := int64(2400), int64(0), 72
	row := status.Row{
		Target: "reports", Secret: "wifmint/reports", State: status.Fresh, Principal: "reports@a-project-with-a-long-name.iam.gserviceaccount.com",
		MintedAt: at.Add(-20 * time.Minute), Expiry: at.Add(40 * time.Minute), SecondsRemaining: &left, VersionID: "0a1b2c3d-0000", Writes: &writes, MaxWrites: 144,
	}
	expired := row
	expired.State, expired.Expiry, expired.SecondsRemaining, expired.Problem = status.Expired, at.Add(-time.Minute), &none, "its token has expired"
	rows := []status.Row{
		expired,
		{Target: "api", State: status.Paused, Reason: "leaked", PausedAt: at},
	}
	for range n {
		rows = append(rows, row)
	}
	return sight{rows, at}
}

func TestTheTableFitsItsTerminal(t *testing.T) {
	t.Parallel()
	for width, columns := range map[int]string{
		0:   "TARGET PRINCIPAL STATE EXPIRES IN LIFE MINTED WRITES/DAY VERSION",
		200: "TARGET PRINCIPAL STATE EXPIRES IN LIFE MINTED WRITES/DAY VERSION",
		100: "TARGET PRINCIPAL STATE EXPIRES IN LIFE MINTED WRITES/DAY VERSION",
		80:  "TARGET PRINCIPAL STATE EXPIRES IN LIFE MINTED WRITES/DAY",
		60:  "TARGET PRINCIPAL STATE EXPIRES IN LIFE",
		40:  "TARGET STATE EXPIRES IN",
		10:  "TARGET STATE EXPIRES IN",
	} {
		var out strings.Builder
		sightOf(3).print(&out, paint{}, width)
		table, _, _ := strings.Cut(out.String(), "\n\n")
		lines := strings.Split(table, "\n")
		if got := strings.Join(strings.Fields(lines[0]), " "); got != columns {
			t.Errorf("%d wide it has %s, not %s", width, got, columns)
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); width >= 40 && n > width {
				t.Errorf("%d wide it has a line of %d:\n%s", width, n, line)
			}
		}
	}
}

func TestColourIsForATerminalAndChangesNothingElse(t *testing.T) {
	t.Parallel()
	var plain, coloured strings.Builder
	sightOf(1).print(&plain, paint{}, 0)
	sightOf(1).print(&coloured, paint{on: true}, 0)
	if !strings.Contains(coloured.String(), "\x1b[31mexpired") {
		t.Errorf("no red in %q", coloured.String())
	}
	text := coloured.String()
	for _, code := range []string{"0", "1", "2", "31", "32", "33"} {
		text = strings.ReplaceAll(text, "\x1b["+code+"m", "")
	}
	if text != plain.String() {
		t.Errorf("without the colours it is\n%s\nnot\n%s", text, plain.String())
	}
}

func TestWatchingLooksAgainUntilInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		var out strings.Builder
		began, looks := time.Now(), []time.Duration(nil)
		w := watcher{to: &out, size: func() (int, int) { return 100, 9 }, every: 10 * time.Second}
		last := w.run(ctx, func(context.Context) sight {
			looks = append(looks, time.Since(began))
			if len(looks) == 4 {
				interrupt()
				return sight{}
			}
			return sightOf(len(looks))
		})
		if fmt.Sprint(looks) != "[0s 10s 20s 30s]" {
			t.Errorf("it looked after %v", looks)
		}
		if len(last.rows) != 2+3 {
			t.Errorf("what it saw last has %d rows: what an interrupt cut off is not to be believed", len(last.rows))
		}
		shown := out.String()
		if !strings.HasPrefix(shown, enterScreen) || !strings.HasSuffix(shown, leaveScreen) || strings.Count(shown, goHome) != 3 {
			t.Errorf("it wrote %q", shown)
		}
		for _, screen := range strings.Split(shown, goHome)[1:] {
			if n := strings.Count(screen, "\r\n") + 1; n != 9 {
				t.Errorf("a screen of 9 lines is drawn with %d: %q", n, screen)
			}
		}
	})
}

// A line that wraps takes two of the screen's, and scrolls the first away.
func TestNoLineOfAWatchedScreenIsWiderThanIt(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		var out strings.Builder
		seen := sightOf(2)
		seen.rows[0].Problem = strings.Repeat("why ", 100)
		seen.rows[2].Unlisted = strings.Repeat("ä", 300)
		watcher{to: &out, paint: paint{on: on}, size: func() (int, int) { return 50, 40 }}.draw(seen)
		screen := strings.NewReplacer(goHome, "", clearLine, "", clearRest, "").Replace(out.String())
		for line := range strings.SplitSeq(screen, "\r\n") {
			if strings.Count(line, "\x1b[0m")*2 != strings.Count(line, "\x1b[") {
				t.Errorf("a colour is left on: %q", line)
			}
			plain := regexp.MustCompile(`\x1b\[[0-9]+m`).ReplaceAllString(line, "")
			if n := utf8.RuneCountInString(plain); n > 50 || n == 50 && !strings.HasSuffix(plain, "…") && strings.Contains(plain, "why") {
				t.Errorf("%d wide: %q", n, plain)
			}
		}
	}
	for width, want := range map[int]string{0: "\x1b[31mexpired\x1b[0m  x", 10: "\x1b[31mexpired\x1b[0m  x", 9: "\x1b[31mexpired\x1b[0m …", 7: "\x1b[31mexpired\x1b[0m", 3: "\x1b[31mex…\x1b[0m"} {
		if got := cutPainted("\x1b[31mexpired\x1b[0m  x", width); got != want {
			t.Errorf("%d wide it is %q, not %q", width, got, want)
		}
	}
}

func TestDurationsAreBrief(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", time.Minute: "1m00s", 599 * time.Second: "9m59s", 10 * time.Minute: "10m",
		time.Hour: "1h00m", 47*time.Hour + 59*time.Minute: "47h59m", 48 * time.Hour: "2d",
	} {
		if got := brief(d); got != want {
			t.Errorf("%v is %s, not %s", d, got, want)
		}
	}
}
