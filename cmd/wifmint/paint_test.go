package main

import (
	"strings"
	"testing"
)

// Colour is for a terminal whose owner has not declined it.
func TestColourIsForTerminals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		terminal bool
		env      map[string]string
		want     bool
	}{
		{"a terminal", true, map[string]string{"TERM": "xterm"}, true},
		{"a pipe", false, map[string]string{"TERM": "xterm"}, false},
		{"NO_COLOR", true, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false},
		{"an empty NO_COLOR, which is none", true, map[string]string{"TERM": "xterm", "NO_COLOR": ""}, true},
		{"a terminal that knows no colour", true, map[string]string{"TERM": "dumb"}, false},
	} {
		w := &world{terminal: tt.terminal, getenv: func(name string) string { return tt.env[name] }}
		if got := strings.Contains(newPaint(w).good("ok"), "\x1b"); got != tt.want {
			t.Errorf("%s: colour is %t", tt.name, got)
		}
	}
}
