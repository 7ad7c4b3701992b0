package googleapi

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func FuzzObjectFindsWhatEncodingJSONFinds(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { } `, `{"a":"b"}`, `{"a":"b","a":"c"}`, `{"x":{"a":"no"},"a":["b",{"a":1}]}`, `{"a" : 1.5e3 , "b":true}`, `{"a":null}`,
		`{"\u0061":"b"}`, `{"a":"\"\\\u00e9"}`, `{"a":"}"}`, `{"a":-1}`, `{"b":[],"a":{}}`, "{\"a\":\"b\"\r\n\t}", `{"":"","a":""}`, `[]`, `null`, `"a"`, ``, `{"a":"b"}x`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want map[string]json.RawMessage
		valid := json.Unmarshal(data, &want) == nil && want != nil
		o, err := (&Answer{Body: data}).object()
		if valid != (err == nil) {
			t.Fatalf("%q: %v, encoding/json: %v", data, err, valid)
		}
		if !valid || !utf8.Valid(data) { // encoding/json replaces what is no UTF-8
			return
		}
		for name, raw := range want {
			if got := o.member(name); string(got) != string(raw) {
				t.Fatalf("%q: member %q is %q, want %q", data, name, got, raw)
			}
			var s string
			isText := json.Unmarshal(raw, &s) == nil
			if got, err := o.text(name); got != s || isText != (err == nil) {
				t.Fatalf("%q: text %q is %q, %v; want %q, %v", data, name, got, err, s, isText)
			}
		}
		if got := o.member("no such member"); got != nil && want["no such member"] == nil {
			t.Fatalf("%q: found %q", data, got)
		}
	})
}
