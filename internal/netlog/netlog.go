// Package netlog keeps what servers write out of the standard logger, to which
// net/http reports by itself: bytes that come after an answer on a connection that is
// kept, quoted. A second answer may have a token in it.
package netlog

import (
	"bytes"
	"io"
	"log"
)

// Hide has the standard logger write to out, without what net/http quotes. It is
// called once, before any request is made.
func Hide(out io.Writer) { log.SetOutput(writer{out}) }

type writer struct{ out io.Writer }

// unsolicited is how net/http's line begins, before what it quotes.
var unsolicited = []byte("Unsolicited response received on idle HTTP channel")

// Write is called with one line (package log).
func (w writer) Write(line []byte) (int, error) {
	shown := line
	if i := bytes.Index(line, unsolicited); i >= 0 {
		shown = append(bytes.Clone(line[:i+len(unsolicited)]), '\n')
	}
	if _, err := w.out.Write(shown); err != nil {
		return 0, err
	}
	return len(line), nil
}
