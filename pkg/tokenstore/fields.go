package tokenstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// fieldReader reads the fields of a JSON object by their exact names
// (encoding/json's struct decoding would take "Access_Token", too) and keeps the
// first problem. Nothing it says quotes the document: encoding/json's own errors
// do, so they are not passed on.
type fieldReader struct {
	fields map[string]json.RawMessage
	err    error
}

func newFieldReader(data []byte) (*fieldReader, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	var fields map[string]json.RawMessage
	err := json.Unmarshal(data, &fields)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, fmt.Errorf("not JSON: syntax error at byte %d of %d", syntax.Offset, len(data))
	}
	if err != nil || fields == nil { // nil: the document is null
		return nil, errors.New("not a JSON object")
	}
	return &fieldReader{fields: fields}, nil
}

func (r *fieldReader) fail(name, problem string) {
	if r.err == nil {
		r.err = fieldError(name, problem)
	}
}

func (r *fieldReader) version() {
	raw, ok := r.fields["version"]
	var n float64
	switch {
	case !ok:
		r.fail("version", "is missing")
	case raw[0] == 'n' || json.Unmarshal(raw, &n) != nil: // null unmarshals into anything
		r.fail("version", "is not a number")
	case n > formatVersion:
		r.fail("version", "says that a newer wifmint wrote it: update this one")
	case n != formatVersion:
		r.fail("version", "is not 1")
	}
}

// text is a string that must be there.
func (r *fieldReader) text(name string) string {
	if _, ok := r.fields[name]; !ok {
		r.fail(name, "is missing")
	}
	return r.optionalText(name)
}

func (r *fieldReader) optionalText(name string) string {
	raw, ok := r.fields[name]
	if !ok {
		return ""
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		r.fail(name, "is not a string")
	}
	return s
}

// texts is an array of strings that must be there.
func (r *fieldReader) texts(name string) []string {
	raw, ok := r.fields[name]
	if !ok {
		r.fail(name, "is missing")
		return nil
	}
	var list []*string // a pointer tells null from ""
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		r.fail(name, "is not an array of strings")
		return nil
	}
	texts := make([]string, 0, len(list))
	for _, s := range list {
		if s == nil {
			r.fail(name, "is not an array of strings")
			return nil
		}
		texts = append(texts, *s)
	}
	return texts
}

// time is an RFC 3339 time that must be there. It takes what time.Time's JSON
// takes, offsets and fractions too, since that is what consumers read it with.
func (r *fieldReader) time(name string) time.Time {
	var t time.Time
	if s := r.text(name); t.UnmarshalText([]byte(s)) != nil {
		r.fail(name, "is not an RFC 3339 time")
	}
	return t
}

// none refuses fields of the other kind of token: a document with both does not
// say which one to use.
func (r *fieldReader) none(names ...string) {
	for _, name := range names {
		if _, ok := r.fields[name]; ok {
			r.fail(name, "does not belong to this kind of token")
		}
	}
}
