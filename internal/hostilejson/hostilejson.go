// Package hostilejson makes the documents that the fuzz targets of JSON's parsers
// begin with: what a parser stumbles over and a fuzzer hardly comes to by itself.
// It is for tests alone, those of every storey, and imports nothing of the module.
package hostilejson

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	// oversized is a little more than 64 KiB, which is the most that several parsers
	// take. Those that take more have tests of their own for it.
	oversized = 65<<10 + 1
	// deep is beyond encoding/json's own limit, once it stands in an object.
	deep = 10_000
)

// Seeds are documents made of one that a parser takes, in an order that is always the
// same: the whole and what is no document, and it with each of its fields twice and
// with each of the values that are right for none. It panics if valid is not one
// JSON object.
func Seeds(valid string) []string {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(valid), &fields); err != nil || fields == nil {
		panic(fmt.Sprintf("making hostile documents of %q, which is no object: %v", valid, err))
	}
	seeds := wholes(strings.TrimSpace(valid))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		seeds = append(seeds, fmt.Sprintf("{%q:null,%s", name, object(fields)[1:]))
		for _, value := range values() {
			changed := maps.Clone(fields)
			changed[name] = json.RawMessage(value)
			seeds = append(seeds, object(changed))
		}
	}
	return seeds
}

// object is written here since encoding/json would not write what it does not take.
func object(fields map[string]json.RawMessage) string {
	var members []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		members = append(members, fmt.Sprintf("%q:%s", name, fields[name]))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func wholes(valid string) []string {
	return []string{
		valid, "", "null", "true", "0", `""`, "[]", "{}", "[" + valid + "]", "<html></html>", "\x00", "\xff\xfe{\x00}\x00", "\ufeff" + valid,
		valid + valid, valid + "x", valid + strings.Repeat("\x00", 100), valid + strings.Repeat(" ", oversized), valid[:len(valid)/2], valid[:len(valid)-1] + ",}",
		strings.Repeat("[", deep), strings.Repeat(`{"a":`, deep), "[" + strings.Repeat("0,", oversized/2) + "0]",
		"{\"\xff\":0," + valid[1:], "{\"\x00\":0," + valid[1:], `{"\u0000":0,` + valid[1:], `{"\ud800":0,` + valid[1:], `{"":0,` + valid[1:], `{"` + strings.Repeat("x", oversized) + `":0,` + valid[1:],
	}
}

func values() []string {
	return []string{
		"null", "true", `""`, "[]", "{}", `[null]`, "\"a\xff\xc0\xaf\"", "\"a\x00\"", `"a\u0000"`, `"a\ud800"`, `"\udc00\ud800"`, `"\u001b[2J\u202e\u2028\n"`,
		"1e400", "-1e400", "1e-400", "1e999999999", "-0", "-1", "9223372036854775808", strings.Repeat("9", 400), "0." + strings.Repeat("9", 400), "0x10", "NaN",
		`"` + strings.Repeat("x", oversized) + `"`, strings.Repeat("[", deep) + strings.Repeat("]", deep), strings.Repeat(`{"a":`, deep/2) + "0" + strings.Repeat("}", deep/2),
	}
}
