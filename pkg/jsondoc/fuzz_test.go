package jsondoc

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/wifmint/wifmint/internal/hostilejson"
)

// FuzzParse compares the reader with encoding/json: it refuses all that
// encoding/json refuses, reads the same from what both take, and refuses
// beyond that duplicate keys, invalid UTF-8, deep nesting and long documents only.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"a": [1, -2.5e3, "\u00e9\n", true, false, null, {}], "b": {"c": []}}`, `{"a": 1, "a": 2}`, `[1,]`, `{"a" 1}`, `{"a":`, `"\ud800"`, "\"\xff\"",
		`007`, `nul`, ` [ ] `, "\ufeff{}", `{} x`, `{"": {"\u0000": 0}}`, "\xff\xfe",
	} {
		f.Add([]byte(seed))
	}
	for _, seed := range hostilejson.Seeds(`{"a": [1, -2.5e3, "\u00e9\n", true, false, null, {}], "b": {"c": []}}`) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		long := len(data) > MaxSize
		d := Parse(data)
		err := d.Err()
		root := d.Root()
		root.Fields("a")
		root.Get("a").Text()
		_ = d.Err()

		data = bytes.TrimPrefix(data, []byte("\ufeff"))
		switch valid := json.Valid(data); {
		case !valid && err == nil:
			t.Fatalf("%q is not JSON but has no problems", data)
		case !valid:
			return
		}
		duplicates, depth := survey(t, data)
		strict := long || duplicates || depth > maxDepth || !utf8.Valid(data)
		if strict != (err != nil) {
			t.Fatalf("%.1000q of %d bytes: duplicates %v, depth %d, but the problems are: %v", data, len(data), duplicates, depth, err)
		}
		if err != nil {
			return
		}
		var want any
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := plain(d.root); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q was read as %#v, not %#v", data, got, want)
		}
	})
}

// survey looks for duplicate keys and the depth by encoding/json's tokens.
func survey(t *testing.T, data []byte) (duplicates bool, depth int) {
	type level struct {
		keys  map[string]bool // nil in an array
		isKey bool
	}
	var levels []level
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return duplicates, depth
		}
		var top *level
		if len(levels) > 0 {
			top = &levels[len(levels)-1]
		}
		switch delim, _ := token.(json.Delim); {
		case delim == '}' || delim == ']':
			levels = levels[:len(levels)-1]
			continue
		case top != nil && top.keys != nil && top.isKey:
			key, ok := token.(string)
			if !ok {
				t.Fatalf("%v is no key", token)
			}
			duplicates = duplicates || top.keys[key]
			top.keys[key], top.isKey = true, false
			continue
		case top != nil:
			top.isKey = true
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{keys: map[string]bool{}, isKey: true})
		case json.Delim('['):
			levels = append(levels, level{})
		}
		depth = max(depth, len(levels))
	}
}

// plain is a node as encoding/json would decode it.
func plain(n *node) any {
	switch n.kind {
	case objectKind:
		object := map[string]any{}
		for _, m := range n.members {
			object[m.key] = plain(m.value)
		}
		return object
	case arrayKind:
		array := []any{}
		for _, m := range n.members {
			array = append(array, plain(m.value))
		}
		return array
	case stringKind:
		return n.text
	case numberKind:
		return json.Number(n.text)
	case boolKind:
		return n.text == "true"
	}
	return nil
}

// BenchmarkParse reads a document of 10,000 objects, about as large as they get.
func BenchmarkParse(b *testing.B) {
	object := []byte(`{"name": "reports", "secret": "wifmint/reports", "service_account": "reports@p.iam.gserviceaccount.com", "scopes": ["https://www.googleapis.com/auth/bigquery"], "lifetime": "3600s"},`)
	doc := bytes.Join([][]byte{[]byte(`[`), bytes.Repeat(object, 10_000), []byte(`0]`)}, nil)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if err := ParseMax(doc, len(doc)).Err(); err != nil {
			b.Fatal(err)
		}
	}
}
