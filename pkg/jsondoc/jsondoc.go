// Package jsondoc reads a JSON document strictly and tells everything that is
// wrong with it at once: each problem with its JSON path, what was found and
// what to write instead.
//
//	doc := jsondoc.Parse(data)
//	root := doc.Root().Required("write an object")
//	root.Fields("name", "port") // any other is a problem
//	server := Server{
//		Name: root.Get("name").Required("write a name").Text(),
//		Port: root.Get("port").Int(),
//	}
//	if err := doc.Err(); err != nil {
//		return err // a Problems: all of them, one a line
//	}
//
// Reading never fails half way: accessors of a missing or wrong value report
// the problem and return the zero value, so one pass over the document finds
// all its problems, and [Document.Err] at the end gives them in the order of
// the document. Where one mistake would make a dozen complaints, only the
// mistake is reported: nothing is said about the inside of a value that is
// missing or of the wrong type, nor about a document whose syntax is wrong.
//
// Strict means that unknown fields (see [Value.Fields]), duplicate keys, wrong
// types, invalid UTF-8 and trailing data are problems. It is for documents that
// people write; what a server answers is better read with encoding/json.
package jsondoc

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxSize is the largest document that [Parse] takes, in bytes.
const MaxSize = 1 << 20

// maxProblems bounds what one document can make the reader say. The rest is counted.
const maxProblems = 100

// Problem is one thing wrong with a document.
type Problem struct {
	// Path is such as "targets[1].lifetime"; "" is the whole document.
	Path string
	// Found is what stands there: a string as [Quote] shows it, a number or
	// boolean as written, "an object", "null", "nothing". Never a secret.
	Found string
	// Want says what to write instead, as an order: `write "3600s"`.
	Want string
}

// String is the problem in one line, such as
//
//	targets[1].lifetime: found "2h"; write a duration in whole seconds
func (p Problem) String() string {
	where := p.Path
	if where == "" {
		where = "document"
	}
	return where + ": found " + p.Found + "; " + p.Want
}

// Problems is an error that lists every problem, one a line.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// Document is a document while it is read: its values, and the problems that
// were found so far. It is for one goroutine.
type Document struct {
	root     *node // nil when the syntax is wrong
	problems []located
	dropped  int
}

type located struct {
	at int
	Problem
}

// Parse parses a document of at most [MaxSize] bytes. It always returns a
// Document; a syntax error, a duplicate key and too long a document are
// problems like any other. A UTF-8 byte order mark is skipped.
func Parse(data []byte) *Document { return ParseMax(data, MaxSize) }

// ParseMax is [Parse] with another limit, in bytes.
func ParseMax(data []byte, maxSize int) *Document {
	d := &Document{}
	switch {
	case len(data) > maxSize:
		d.fail(Problem{
			Found: fmt.Sprintf("%d bytes", len(data)),
			Want:  fmt.Sprintf("write at most %d bytes", maxSize),
		})
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		d.fail(Problem{Found: "UTF-16 text", Want: "save the file as UTF-8"})
	default:
		p := parser{doc: d, data: data}
		d.root = p.document()
	}
	return d
}

// Root is the whole document. When its syntax is wrong that is the zero Value,
// since what is missing then says nothing.
func (d *Document) Root() Value {
	if d.root == nil {
		return Value{}
	}
	return Value{doc: d, node: d.root}
}

// Err returns the problems found so far as a [Problems] in the order of the
// document, or nil. At most 100 are told, and then how many more there are.
func (d *Document) Err() error {
	if len(d.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(d.problems, func(a, b located) int { return cmp.Compare(a.at, b.at) })
	problems := make(Problems, 0, len(d.problems)+1)
	for _, l := range d.problems {
		problems = append(problems, l.Problem)
	}
	if d.dropped > 0 {
		problems = append(problems, Problem{
			Found: strconv.Itoa(d.dropped) + " more problems",
			Want:  "mend those above first",
		})
	}
	return problems
}

func (d *Document) report(at int, p Problem) {
	if d.full() {
		d.dropped++
		return
	}
	d.problems = append(d.problems, located{at, p})
}

func (d *Document) full() bool { return len(d.problems) >= maxProblems }

// fail reports a problem that keeps the document from being read, last.
func (d *Document) fail(p Problem) {
	if d.full() {
		d.problems = d.problems[:maxProblems-1]
		d.dropped++
	}
	d.report(math.MaxInt, p)
}

// Quote shows a text of the document as a [Problem] does: in double quotes,
// with control characters escaped, at most 60 characters long. It is for those
// who compose a found text of their own.
func Quote(s string) string {
	const limit = 60 - len(`""`) - 1 // for the ellipsis
	out := []byte{'"'}
	length := 0
	for _, r := range s {
		escaped := strconv.Quote(string(r))
		escaped = escaped[1 : len(escaped)-1]
		if length += utf8.RuneCountInString(escaped); length > limit {
			out = append(out, "…"...)
			break
		}
		out = append(out, escaped...)
	}
	return string(append(out, '"'))
}

// clip bounds text that needs no quotes, such as a number.
func clip(s string) string {
	const limit = 60
	if len(s) <= limit {
		return s
	}
	return s[:limit-1] + "…"
}
