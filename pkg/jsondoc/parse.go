package jsondoc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// maxDepth bounds the recursion. Documents that people write nest a handful of levels.
const maxDepth = 64

type kind uint8

const (
	nullKind kind = iota
	objectKind
	arrayKind
	stringKind
	numberKind
	boolKind
)

// node is a parsed value.
type node struct {
	kind kind
	// hidden: it is a secret, so only its type is ever told.
	hidden bool
	// faulted: an accessor found it wrong and reported it.
	faulted bool
	start   int
	// text is a string's value, and a number or boolean as written.
	text string
	// members are an object's in the order of the document, the first of every
	// key, or an array's, without keys.
	members []member
}

type member struct {
	key   string
	at    int
	value *node
}

// parser finds the structure itself, since encoding/json tells neither the
// path of an error nor duplicate keys; scalars are left to encoding/json.
type parser struct {
	doc  *Document
	data []byte
	pos  int
	// trail leads from the root to the value at pos.
	trail []step
}

// step is a key of an object, or an index of an array when index >= 0.
type step struct {
	key   string
	index int
}

func (p *parser) document() *node {
	p.data = bytes.TrimPrefix(p.data, []byte("\ufeff"))
	root := p.value()
	if root == nil {
		return nil
	}
	if p.space(); p.pos < len(p.data) {
		p.unexpected("end the document after its first value")
		return nil
	}
	return root
}

// value parses the value at pos, and returns nil when it has reported a syntax error.
func (p *parser) value() *node {
	p.space()
	n := &node{start: p.pos}
	ok := false
	switch c := p.peek(); {
	case (c == '{' || c == '[') && len(p.trail) >= maxDepth:
		p.fail(fmt.Sprintf("nesting deeper than %d levels", maxDepth), "write a flatter document")
	case c == '{':
		n.kind = objectKind
		n.members, ok = p.object()
	case c == '[':
		n.kind = arrayKind
		n.members, ok = p.array()
	case c == '"':
		n.kind = stringKind
		n.text, ok = p.text()
	case c == '-' || '0' <= c && c <= '9':
		n.kind = numberKind
		n.text, ok = p.number()
	default:
		n.kind, n.text, ok = p.literal()
	}
	if !ok {
		return nil
	}
	return n
}

func (p *parser) object() ([]member, bool) {
	var members []member
	seen := make(map[string]bool)
	p.pos++ // {
	for p.space(); p.peek() != '}'; {
		if p.peek() != '"' {
			p.unexpected("write the name of a field in double quotes")
			return nil, false
		}
		m := member{at: p.pos}
		var ok bool
		if m.key, ok = p.text(); !ok {
			return nil, false
		}
		p.trail = append(p.trail, step{key: m.key, index: -1})
		if p.space(); p.peek() != ':' {
			p.unexpected("write a colon after the name of a field")
			return nil, false
		}
		p.pos++
		if m.value = p.value(); m.value == nil {
			return nil, false
		}
		if seen[m.key] {
			p.doc.report(m.at, Problem{p.path(), "the field a second time", "keep one of them"})
		} else {
			seen[m.key] = true
			members = append(members, m)
		}
		p.trail = p.trail[:len(p.trail)-1]
		if !p.comma('}') {
			return nil, false
		}
	}
	p.pos++
	return members, true
}

func (p *parser) array() ([]member, bool) {
	var members []member
	p.pos++ // [
	for p.space(); p.peek() != ']'; {
		p.trail = append(p.trail, step{index: len(members)})
		v := p.value()
		if v == nil {
			return nil, false
		}
		p.trail = p.trail[:len(p.trail)-1]
		members = append(members, member{at: v.start, value: v})
		if !p.comma(']') {
			return nil, false
		}
	}
	p.pos++
	return members, true
}

// comma steps over the comma before another member, or up to the end mark.
func (p *parser) comma(end byte) bool {
	p.space()
	switch p.peek() {
	case end:
		return true
	case ',':
		p.pos++
		if p.space(); p.peek() != end {
			return true
		}
		p.unexpected("remove the comma before it")
	default:
		p.unexpected(fmt.Sprintf("write a comma or %q", end))
	}
	return false
}

func (p *parser) text() (string, bool) {
	for i := p.pos + 1; i < len(p.data); i++ {
		switch c := p.data[i]; {
		case c == '\\':
			i++
		case c < ' ':
			p.pos = i
			p.unexpected(`write control characters in a string as escapes, such as "\n", and end it with a double quote`)
			return "", false
		case c == '"':
			return p.unquote(i + 1)
		}
	}
	p.fail("a string without an end"+p.position(), "end it with a double quote")
	return "", false
}

func (p *parser) unquote(end int) (string, bool) {
	raw := p.data[p.pos:end]
	var s string
	switch {
	case !utf8.Valid(raw):
		p.fail("a string that is not UTF-8"+p.position(), "save the file as UTF-8")
		return "", false
	case bytes.IndexByte(raw, '\\') < 0:
		s = string(raw[1 : len(raw)-1])
	case json.Unmarshal(raw, &s) != nil:
		p.fail("a string with a wrong escape"+p.position(), `write a backslash as "\\"`)
		return "", false
	}
	p.pos = end
	return s, true
}

func (p *parser) number() (string, bool) {
	end := p.pos
	for end < len(p.data) && bytes.IndexByte([]byte("+-.eE0123456789"), p.data[end]) >= 0 {
		end++
	}
	raw := p.data[p.pos:end]
	if !json.Valid(raw) {
		p.fail(clip(string(raw))+p.position(), "write a number as JSON does, such as 10 or 0.5")
		return "", false
	}
	p.pos = end
	return string(raw), true
}

func (p *parser) literal() (kind, string, bool) {
	for _, l := range []struct {
		text string
		kind kind
	}{{"true", boolKind}, {"false", boolKind}, {"null", nullKind}} {
		if bytes.HasPrefix(p.data[p.pos:], []byte(l.text)) {
			p.pos += len(l.text)
			return l.kind, l.text, true
		}
	}
	// One character is enough to find the place: the rest may be a secret whose
	// quotes were forgotten.
	switch p.peek() {
	case '/', '#':
		p.unexpected("remove the comment: JSON has none")
	case '\'':
		p.unexpected("write strings in double quotes")
	default:
		p.unexpected(`write a value, strings in double quotes`)
	}
	return nullKind, "", false
}

func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

// peek returns the byte at pos, or 0, which JSON has nowhere.
func (p *parser) peek() byte {
	if p.pos < len(p.data) {
		return p.data[p.pos]
	}
	return 0
}

func (p *parser) unexpected(want string) {
	found := "the end of the document"
	if p.pos < len(p.data) {
		r, _ := utf8.DecodeRune(p.data[p.pos:])
		found = strconv.QuoteRune(r)
	}
	p.fail(found+p.position(), want)
}

func (p *parser) fail(found, want string) {
	p.doc.fail(Problem{p.path(), found, want})
}

// position tells pos to a reader with an editor; columns count characters.
func (p *parser) position() string {
	before := p.data[:p.pos]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf(" at line %d, column %d", line, column)
}

func (p *parser) path() string {
	path := ""
	for _, s := range p.trail {
		if s.index >= 0 {
			path = elementPath(path, s.index)
		} else {
			path = fieldPath(path, s.key)
		}
	}
	return path
}

func elementPath(path string, index int) string {
	return path + "[" + strconv.Itoa(index) + "]"
}

func fieldPath(path, key string) string {
	switch {
	case !plainKey(key):
		return path + "[" + Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// plainKey tells a key that cannot be misread in a path.
func plainKey(key string) bool {
	for _, c := range []byte(key) {
		if c != '_' && c != '-' && c != '$' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return key != "" && len(key) <= 60
}
