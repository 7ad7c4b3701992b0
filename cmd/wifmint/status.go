package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/wifmint/wifmint/internal/status"
)

const (
	// statusTimeout bounds one look at all secrets.
	statusTimeout = 2 * time.Minute
	// watchInterval is between two looks with --watch. Each lists every secret's
	// versions, of which AWS allows an account 50 a second: watchInterval a hundred
	// targets takes a fifth of that from everybody else.
	watchInterval = 10 * time.Second
	watchedAtOnce = 100
)

type statusCommand struct {
	secretsFlags
	Watch bool `xor:"form" help:"Refresh in place until interrupted; on a terminal only."`
	JSON  bool `xor:"form" help:"Print one JSON object a line for each target."`
}

func (c *statusCommand) Run(w *world) error {
	if c.Watch && !w.terminal {
		return usageError{fmt.Errorf("--watch needs a terminal to refresh; leave it out, and repeat the command instead")}
	}
	targets, err := c.targets(w)
	if err != nil {
		return err
	}
	store, err := openStore(w)
	if err != nil {
		return err
	}
	look := func(ctx context.Context) sight {
		ctx, cancel := context.WithTimeout(ctx, statusTimeout)
		defer cancel()
		now := time.Now()
		return sight{status.Read(ctx, store, targets, now), now}
	}
	var seen sight
	if c.Watch {
		watch := watcher{to: w.stdout, paint: newPaint(w), size: terminalSize, every: watchInterval * time.Duration(1+len(targets)/watchedAtOnce)}
		seen = watch.run(w.ctx, look)
	} else {
		seen = look(w.ctx)
	}
	if c.JSON {
		err = printJSON(w.stdout, seen.rows)
	} else {
		width := 0
		if w.terminal {
			width, _ = terminalSize()
		}
		seen.print(w.stdout, newPaint(w), width)
	}
	if err != nil {
		return err
	}
	return seen.verdict()
}

// sight is what was seen at one time.
type sight struct {
	rows []status.Row
	at   time.Time
}

func (s sight) verdict() error {
	wrong := 0
	for _, r := range s.rows {
		if r.State.Wrong() {
			wrong++
		}
	}
	if wrong == 0 {
		return nil
	}
	return fmt.Errorf("%d of %s without a good token", wrong, count(len(s.rows), "target"))
}

func printJSON(to io.Writer, rows []status.Row) error {
	enc := json.NewEncoder(to)
	enc.SetEscapeHTML(false)
	for _, r := range rows {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

func terminalSize() (width, height int) {
	width, height, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
}

// watcher shows what is seen in a terminal's other screen, so that what was there
// before is there again afterwards.
type watcher struct {
	to    io.Writer
	paint paint
	size  func() (width, height int) // 0: unknown
	every time.Duration
}

const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l" // without a cursor, and without wrapping lines
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	goHome      = "\x1b[H"
	clearLine   = "\x1b[K"
	clearRest   = "\x1b[J"
)

// run returns what it saw last when ctx ends.
func (w watcher) run(ctx context.Context, look func(context.Context) sight) (last sight) {
	fmt.Fprint(w.to, enterScreen)
	defer fmt.Fprint(w.to, leaveScreen)
	for {
		seen := look(ctx)
		if ctx.Err() != nil { // which is all that it saw
			return last
		}
		last = seen
		w.draw(seen)
		select {
		case <-time.After(w.every):
		case <-ctx.Done():
			return last
		}
	}
}

// draw overwrites the screen from its top, which does not flicker as erasing does,
// with as much as fits.
func (w watcher) draw(s sight) {
	width, height := w.size()
	var table bytes.Buffer
	s.print(&table, w.paint, width)
	lines := strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n")
	lines = append(lines, "", w.paint.dim(fmt.Sprintf("%s, every %v; interrupt to end", s.at.Format(time.TimeOnly), w.every)))
	if height > 0 && len(lines) > height {
		lines = append(lines[:height-1], w.paint.dim(fmt.Sprintf("and %d lines more", len(lines)-height+1)))
	}
	for i, line := range lines { // one that wraps would scroll the top away
		lines[i] = cutPainted(line, width)
	}
	fmt.Fprint(w.to, goHome+strings.Join(lines, clearLine+"\r\n")+clearLine+clearRest)
}
