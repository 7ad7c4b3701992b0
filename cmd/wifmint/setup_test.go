package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/internal/setup"
)

// A read of a terminal cannot be broken off, so the question is.
func TestAnInterruptEndsAQuestion(t *testing.T) {
	t.Parallel()
	silent, person := io.Pipe()
	defer person.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	w := &world{ctx: ctx, stderr: new(strings.Builder), getenv: func(string) string { return "" }}
	if _, err := newInterview(w, silent).ask(setup.Question{}, ""); err == nil || err.Error() != "interrupted" {
		t.Error(err)
	}
}

func TestCommentsAreDimOnATerminal(t *testing.T) {
	t.Parallel()
	const script = "# why\nsam build\n"
	if got := (paint{on: true}).comments(script); got != "\x1b[2m# why\x1b[0m\nsam build\n" {
		t.Errorf("%q", got)
	}
	if got := (paint{}).comments(script); got != script {
		t.Errorf("%q", got)
	}
}
