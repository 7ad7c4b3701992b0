package lambdaapi

import "bytes"

// maxLine is CloudWatch's limit for one log event, in bytes.
const maxLine = 256 << 10

// lineWriter calls emit with every line written to it. It is not safe for
// concurrent use; os/exec writes to it from one goroutine only.
type lineWriter struct {
	emit    func(line string)
	partial []byte // what came after the last newline; shorter than maxLine
}

func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		room := p[:min(len(p), maxLine-len(w.partial))]
		line, _, found := bytes.Cut(room, []byte("\n"))
		w.partial = append(w.partial, line...)
		p = p[len(line):]
		if found {
			p = p[1:]
		}
		if found || len(w.partial) == maxLine {
			w.flush()
		}
	}
	return n, nil
}

// flush emits what has been collected, as a line.
func (w *lineWriter) flush() {
	w.emit(string(w.partial))
	w.partial = w.partial[:0]
}

// close emits a last line that has no newline.
func (w *lineWriter) close() {
	if len(w.partial) > 0 {
		w.flush()
	}
}
