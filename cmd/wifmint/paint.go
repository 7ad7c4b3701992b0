package main

// paint colours text for a terminal, and leaves it alone anywhere else and
// where NO_COLOR is set (https://no-color.org).
type paint struct{ on bool }

func newPaint(w *world) paint {
	return paint{w.terminal && w.getenv("NO_COLOR") == "" && w.getenv("TERM") != "dumb"}
}

func (p paint) in(code, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p paint) bold(s string) string { return p.in("1", s) }
func (p paint) dim(s string) string  { return p.in("2", s) }
func (p paint) good(s string) string { return p.in("32", s) }
func (p paint) bad(s string) string  { return p.in("31", s) }
func (p paint) warn(s string) string { return p.in("33", s) }
