package jsondoc

import (
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/wifmint/wifmint/pkg/secret"
)

// Value is a place in a document, which may hold nothing. Values are small;
// pass them by value. The zero Value holds nothing and reports nothing.
//
// The typed accessors ([Value.Text], [Value.Bool], …) return the zero value
// when there is nothing, silently, and when there is something else, with a
// problem. null is nothing.
type Value struct {
	// doc nil mutes the value: why nothing is there has been reported.
	doc  *Document
	node *node // nil: the field is absent
	path string
	at   int // where its problems are sorted
}

// Present reports whether there is a value (null counts as none).
func (v Value) Present() bool { return v.node != nil && v.node.kind != nullKind }

// IsText reports whether the value is a string, silently: for a field that may
// be one or something else.
func (v Value) IsText() bool { return v.node != nil && v.node.kind == stringKind }

// Problem reports that what stands here is wrong. found "" describes the value
// itself; want is an order such as `write "3600s"`. When an accessor has
// reported this value already, this is dropped.
func (v Value) Problem(found, want string) {
	if v.doc == nil || v.node != nil && v.node.faulted {
		return
	}
	if found == "" {
		found = v.describe()
	}
	v.doc.report(v.at, Problem{v.path, found, want})
}

func (v Value) describe() string {
	switch {
	case v.node == nil:
		return "nothing"
	case v.node.kind == objectKind:
		return "an object"
	case v.node.kind == arrayKind:
		return "an array"
	case v.node.kind == stringKind && v.node.hidden:
		return "a string"
	case v.node.kind == stringKind:
		return Quote(v.node.text)
	case v.node.kind == numberKind && v.node.hidden:
		return "a number"
	}
	return clip(v.node.text)
}

// is reports whether the value is a k, and faults it when it is something else.
func (v Value) is(k kind, want string) bool {
	if v.Present() && v.node.kind != k {
		v.fault(want)
	}
	return v.Present() && v.node.kind == k
}

// fault reports the value as no use to the accessor.
func (v Value) fault(want string) {
	v.Problem("", want)
	v.node.faulted = true
}

// Required reports a missing value, and then returns one that reports nothing
// more; a value that is there is returned as it is.
func (v Value) Required(want string) Value {
	if v.Present() {
		return v
	}
	v.Problem("", want)
	return Value{}
}

// Get is the field of an object, and the zero Value of anything else.
func (v Value) Get(key string) Value {
	if !v.is(objectKind, wantObject) {
		return Value{}
	}
	field := Value{doc: v.doc, path: fieldPath(v.path, key), at: v.at}
	for _, m := range v.node.members {
		if m.key == key {
			field.node, field.at = m.value, m.at
			break
		}
	}
	return field
}

const wantObject = "write an object in braces"

// Fields reports every key of an object that is not among known, with the
// known one that was probably meant. The values of unknown keys are never told.
func (v Value) Fields(known ...string) {
	if !v.is(objectKind, wantObject) {
		return
	}
	for _, m := range v.node.members {
		if slices.Contains(known, m.key) {
			continue
		}
		want := ""
		if !v.doc.full() { // comparing a key is dear, and thousands could be unknown
			want = advice(m.key, known)
		}
		v.doc.report(m.at, Problem{fieldPath(v.path, m.key), "an unknown field", want})
	}
}

// Elements are an array's.
func (v Value) Elements() []Value {
	if !v.is(arrayKind, "write an array in brackets") {
		return nil
	}
	elements := make([]Value, len(v.node.members))
	for i, m := range v.node.members {
		elements[i] = Value{doc: v.doc, node: m.value, path: elementPath(v.path, i), at: m.at}
	}
	return elements
}

// Members are the fields of an object whose names are not known beforehand, in
// the order of the document.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if !v.is(objectKind, wantObject) {
			return
		}
		for _, m := range v.node.members {
			if !yield(m.key, Value{doc: v.doc, node: m.value, path: fieldPath(v.path, m.key), at: m.at}) {
				return
			}
		}
	}
}

// Text is a string's text.
func (v Value) Text() string { return v.Matching(nil, wantString) }

const wantString = "write a string in double quotes"

// Matching is the text of a string that ok accepts; nil accepts every one. A
// string that ok refuses is a problem just as a value of another type is, with
// want for both.
func (v Value) Matching(ok func(string) bool, want string) string {
	if !v.is(stringKind, want) {
		return ""
	}
	if ok != nil && !ok(v.node.text) {
		v.fault(want)
		return ""
	}
	return v.node.text
}

// Secret is a string's text which no problem will show.
func (v Value) Secret() secret.Text {
	if v.node != nil {
		v.node.hidden = true
	}
	return secret.New(v.Text())
}

// Bool is a boolean.
func (v Value) Bool() bool {
	return v.is(boolKind, "write true or false") && v.node.text == "true"
}

// Int is a whole number.
func (v Value) Int() int {
	const want = "write a whole number, without quotes"
	if !v.is(numberKind, want) {
		return 0
	}
	n, err := strconv.Atoi(v.node.text)
	if err != nil {
		v.fault(want)
		return 0
	}
	return n
}

// Float is a number.
func (v Value) Float() float64 {
	if !v.is(numberKind, "write a number, without quotes") {
		return 0
	}
	f, err := strconv.ParseFloat(v.node.text, 64)
	if err != nil {
		v.fault("write a number that is not as large")
		return 0
	}
	return f
}

// advice says what to do about an unknown key.
func advice(key string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if d := distance(folded(key), folded(k)); d < least {
			best, least = k, d
		}
	}
	if best != "" {
		return "did you mean " + strconv.Quote(best) + "?"
	}
	return "remove it, or write one of " + strings.Join(known, ", ")
}

// folded makes serviceAccount, Service-Account and service_account alike, and
// bounds what is compared.
func folded(key string) string {
	if len(key) > 60 {
		key = key[:60]
	}
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(key))
}

// distance is the number of bytes to insert, remove or replace, or of
// neighbours to swap, to make a of b.
func distance(a, b string) int {
	twoAbove, above := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := above[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(above[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], twoAbove[j-2]+1)
			}
		}
		twoAbove, above = above, row
	}
	return above[len(b)]
}
