package hostilejson_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wifmint/wifmint/internal/hostilejson"
)

func TestThereAreSeedsOfEveryKind(t *testing.T) {
	t.Parallel()
	const valid = ` {"b": [1, {"c": 2}], "a": "text"} `
	seeds := hostilejson.Seeds(valid)
	has := func(part string) func(string) bool {
		return func(seed string) bool { return strings.Contains(seed, part) }
	}
	for kind, is := range map[string]func(seed string) bool{
		"valid":                       func(seed string) bool { return seed == strings.TrimSpace(valid) },
		"empty":                       func(seed string) bool { return seed == "" },
		"longer than 64 KiB":          func(seed string) bool { return len(seed) > 64<<10 && json.Valid([]byte(seed)) },
		"nested deeply":               has(strings.Repeat("[", 10_000)),
		"not UTF-8":                   func(seed string) bool { return !utf8.ValidString(seed) },
		"with a byte order mark":      has("\ufeff{"),
		"with a field twice":          has(`{"a":null,"a":"text"`),
		"with a NUL":                  has("\x00"),
		"with an escaped NUL":         has(`"a":"a\u0000"`),
		"with half a pair":            has(`\ud800"`),
		"with a huge number":          has(`"b":1e400`),
		"with a number of 400 digits": has(`"b":` + strings.Repeat("9", 400)),
		"with data behind it":         has(`"text"}{"b"`),
	} {
		if !slices.ContainsFunc(seeds, is) {
			t.Errorf("none is %s", kind)
		}
	}
	if again := hostilejson.Seeds(valid); !slices.Equal(seeds, again) {
		t.Error("they are others the second time")
	}
	for i, seed := range seeds {
		if len(seed) > 70<<10 {
			t.Errorf("%d has %d bytes", i, len(seed))
		}
	}
}
