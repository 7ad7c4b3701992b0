package jsondoc

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// read runs a reader over a document and returns its problems as lines.
func read(doc string, reader func(root Value)) []string {
	d := Parse([]byte(doc))
	reader(d.Root())
	err := d.Err()
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func nothing(Value) {}

func TestSyntaxErrorsNameTheirPlace(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, doc, want string }{
		{"an empty document", ``, `document: found the end of the document at line 1, column 1; write a value, strings in double quotes`},
		{"an object without an end", `{"a": 1`, `document: found the end of the document at line 1, column 8; write a comma or '}'`},
		{"a missing value", `{"a": {"b": }}`, `a.b: found '}' at line 1, column 13; write a value, strings in double quotes`},
		{"a missing colon", `{"a" 1}`, `a: found '1' at line 1, column 6; write a colon after the name of a field`},
		{"a missing comma on the line before", "{\"a\": 1\n \"b\": 2}", `document: found '"' at line 2, column 2; write a comma or '}'`},
		{"a comma before the end of an object", `{"a": [{"b": 1,}]}`, `a[0]: found '}' at line 1, column 16; remove the comma before it`},
		{"a comma before the end of an array", `{"a": [1, 2,]}`, `a: found ']' at line 1, column 13; remove the comma before it`},
		{"a field's name without quotes", `{a: 1}`, `document: found 'a' at line 1, column 2; write the name of a field in double quotes`},
		{"a comment", "[1, // one\n2]", `[1]: found '/' at line 1, column 5; remove the comment: JSON has none`},
		{"single quotes", `{"a": 'b'}`, `a: found '\'' at line 1, column 7; write strings in double quotes`},
		{"a forgotten quote shows one character, as the text may be a secret", `{"client_secret": GOCSPX-1}`,
			`client_secret: found 'G' at line 1, column 19; write a value, strings in double quotes`},
		{"a string without an end", `["é", "b]`, `[1]: found a string without an end at line 1, column 7; end it with a double quote`},
		{"a line break in a string", "[\"a\nb\"]", `[0]: found '\n' at line 1, column 4; write control characters in a string as escapes, such as "\n", and end it with a double quote`},
		{"a wrong escape", `["C:\temp\x"]`, `[0]: found a string with a wrong escape at line 1, column 2; write a backslash as "\\"`},
		{"invalid UTF-8", "{\"a\": \"\xff\"}", `a: found a string that is not UTF-8 at line 1, column 7; save the file as UTF-8`},
		{"UTF-16", "\xff\xfe{\x00}\x00", `document: found UTF-16 text; save the file as UTF-8`},
		{"a number with a leading zero", `[007]`, `[0]: found 007 at line 1, column 2; write a number as JSON does, such as 10 or 0.5`},
		{"trailing data", `{} {}`, `document: found '{' at line 1, column 4; end the document after its first value`},
		{"deep nesting", strings.Repeat("[", 65), strings.Repeat("[0]", 64) + `: found nesting deeper than 64 levels; write a flatter document`},
		{"a document that is too long", `"` + strings.Repeat("x", MaxSize) + `"`, `document: found 1048578 bytes; write at most 1048576 bytes`},
		{"a key that could be misread in a path", `{"a.b\n": {"": }}`, `["a.b\n"][""]: found '}' at line 1, column 16; write a value, strings in double quotes`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff([]string{tt.want}, read(tt.doc, nothing)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValidDocumentsHaveNoProblems(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{
		`null`, ` true `, `-0.5e+10`, `"\u00e9\ud83d\ude00"`, `[]`, `{}`, "\ufeff{}", "\r\n\t{\"a\": [1, {\"a\": null}]}\n",
		strings.Repeat("[", 64) + strings.Repeat("]", 64),
	} {
		if problems := read(doc, nothing); problems != nil {
			t.Errorf("%s: %q", doc, problems)
		}
	}
}

func TestNothingIsSaidAboutTheRestOfABrokenDocument(t *testing.T) {
	t.Parallel()
	got := read(`{"a": 1, "a": 2, "b": `, func(root Value) {
		root.Required("write it").Fields("a", "b")
		root.Get("c").Required("write it")
	})
	want := []string{
		`a: found the field a second time; keep one of them`,
		`b: found the end of the document at line 1, column 23; write a value, strings in double quotes`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheFirstOfADuplicateFieldCounts(t *testing.T) {
	t.Parallel()
	d := Parse([]byte(`{"list": [{"key": "one", "k\u0065y": "two"}]}`))
	if got := d.Root().Get("list").Elements()[0].Get("key").Text(); got != "one" {
		t.Errorf("Text() = %q", got)
	}
	if want := `list[0].key: found the field a second time; keep one of them`; d.Err() == nil || d.Err().Error() != want {
		t.Errorf("Err() = %v, want %s", d.Err(), want)
	}
}

func TestAccessorsReportWrongTypesOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, doc string
		reader    func(Value)
		want      []string
	}{
		{"a string", `{"a": 3600}`, func(v Value) { v.Get("a").Text() }, []string{`a: found 3600; write a string in double quotes`}},
		{"a string with a meaning", `{"a": 3600}`, func(v Value) { v.Get("a").Matching(nil, `write "3600s"`) }, []string{`a: found 3600; write "3600s"`}},
		{"a string that is refused", `{"a": "1h"}`, func(v Value) { v.Get("a").Matching(func(string) bool { return false }, `write "3600s"`) },
			[]string{`a: found "1h"; write "3600s"`}},
		{"a boolean", `{"a": "true"}`, func(v Value) { v.Get("a").Bool() }, []string{`a: found "true"; write true or false`}},
		{"a number", `{"a": "0.5"}`, func(v Value) { v.Get("a").Float() }, []string{`a: found "0.5"; write a number, without quotes`}},
		{"too large a number", `{"a": 1e999}`, func(v Value) { v.Get("a").Float() }, []string{`a: found 1e999; write a number that is not as large`}},
		{"a whole number", `{"a": 1.5, "b": 99999999999999999999, "c": "1"}`, func(v Value) { v.Get("a").Int(); v.Get("b").Int(); v.Get("c").Int() }, []string{
			`a: found 1.5; write a whole number, without quotes`,
			`b: found 99999999999999999999; write a whole number, without quotes`,
			`c: found "1"; write a whole number, without quotes`,
		}},
		{"an array", `{"a": {}}`, func(v Value) { v.Get("a").Elements() }, []string{`a: found an object; write an array in brackets`}},
		{"an object, of which nothing else is said", `{"a": []}`, func(v Value) {
			v.Get("a").Fields("b")
			v.Get("a").Get("b").Required("write it")
			v.Get("a").Get("b").Get("c").Required("write it")
			v.Get("a").Problem("", "write it")
		}, []string{`a: found an array; write an object in braces`}},
		{"a document that is no object", `[]`, func(v Value) { v.Get("a").Required("write it") }, []string{`document: found an array; write an object in braces`}},
		{"a missing field, of which nothing else is said", `{"a": null, "x": {"y": 1}}`, func(v Value) {
			v.Get("a").Required("write a").Problem("", "again")
			v.Get("x").Get("b").Required("write b").Matching(func(string) bool { return false }, "again")
		}, []string{`a: found null; write a`, `x.b: found nothing; write b`}},
		{"an absent field is silent until it is required", `{}`, func(v Value) {
			a := v.Get("a")
			a.Text()
			a.Bool()
			a.Int()
			a.Float()
			a.Elements()
			a.Fields("b")
			a.Get("b").Required("write it")
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, read(tt.doc, tt.reader)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValuesAreReadExactly(t *testing.T) {
	t.Parallel()
	d := Parse([]byte(`{"text": "a\u0000é\/", "yes": true, "no": false, "int": 9007199254740993, "float": 0.667, "list": ["a", 1], "none": null}`))
	v := d.Root()
	if got := v.Get("text").Text(); got != "a\x00é/" {
		t.Errorf("text = %q", got)
	}
	if !v.Get("yes").Bool() || v.Get("no").Bool() {
		t.Error("booleans differ")
	}
	if got := v.Get("int").Int(); got != 9007199254740993 {
		t.Errorf("int = %d", got)
	}
	if got := v.Get("float").Float(); got != 0.667 {
		t.Errorf("float = %v", got)
	}
	if list := v.Get("list").Elements(); len(list) != 2 || list[0].Text() != "a" || list[1].Int() != 1 {
		t.Errorf("list differs")
	}
	if v.Get("none").Present() || v.Get("other").Present() || !v.Get("no").Present() {
		t.Error("presence differs")
	}
	if !v.Get("text").IsText() || v.Get("int").IsText() || v.Get("none").IsText() || v.Get("other").IsText() || v.IsText() {
		t.Error("what is text differs")
	}
	if err := d.Err(); err != nil {
		t.Error(err)
	}
}

func TestUnknownFieldsComeWithTheFieldThatWasMeant(t *testing.T) {
	t.Parallel()
	known := []string{"name", "service_account", "refresh_at", "scopes"}
	tests := []struct{ key, want string }{
		{"serviceAccount", `did you mean "service_account"?`},
		{"service-account", `did you mean "service_account"?`},
		{"refreshat", `did you mean "refresh_at"?`},
		{"scope", `did you mean "scopes"?`},
		{"socpes", `did you mean "scopes"?`},
		{"nmae", `did you mean "name"?`},
		{"token", `remove it, or write one of name, service_account, refresh_at, scopes`},
	}
	for _, tt := range tests {
		got := read(fmt.Sprintf(`{%q: "the value is not shown"}`, tt.key), func(v Value) { v.Fields(known...) })
		if diff := cmp.Diff([]string{tt.key + ": found an unknown field; " + tt.want}, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestProblemsComeInTheOrderOfTheDocument(t *testing.T) {
	t.Parallel()
	got := read(`{"a": 1, "b": {"c": 2}, "d": 3}`, func(v Value) {
		v.Get("d").Problem("", "third")
		v.Get("b").Get("e").Required("second, where the object starts")
		v.Get("a").Problem("", "first")
	})
	want := []string{`a: found 1; first`, `b.e: found nothing; second, where the object starts`, `d: found 3; third`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMembersOfAnyNameAreReadInOrder(t *testing.T) {
	t.Parallel()
	d := Parse([]byte(`{"headers": {"Metadata": "True", "a b": 7, "X-Key": "k"}, "list": []}`))
	var got []string
	for name, value := range d.Root().Get("headers").Members() {
		got = append(got, name+"="+value.Text())
	}
	if diff := cmp.Diff([]string{"Metadata=True", "a b=", "X-Key=k"}, got); diff != "" {
		t.Error(diff)
	}
	for range d.Root().Get("headers").Members() {
		break
	}
	for range d.Root().Get("list").Members() {
		t.Error("a list has members")
	}
	for range d.Root().Get("nothing").Members() {
		t.Error("nothing has members")
	}
	want := "headers[\"a b\"]: found 7; write a string in double quotes\nlist: found an array; write an object in braces"
	if diff := cmp.Diff(want, d.Err().Error()); diff != "" {
		t.Error(diff)
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	const planted = "GOCSPX-planted"
	d := Parse([]byte(`{"a": "` + planted + `", "b": 4711471147114711}`))
	if got := d.Root().Get("a").Secret().Reveal(); got != planted {
		t.Errorf("Reveal() = %q", got)
	}
	d.Root().Get("a").Problem("", "write another")
	d.Root().Get("b").Secret()
	d.Root().Get("a").Get("b").Required("write it")
	want := "a: found a string; write another\na: found a string; write an object in braces\nb: found a number; write a string in double quotes"
	if diff := cmp.Diff(want, d.Err().Error()); diff != "" {
		t.Error(diff)
	}
}

func TestWhatWasFoundIsBoundedAndPrintable(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		strings.Repeat("x", 1000), strings.Repeat("\x1b[31m", 50), strings.Repeat("\u202e", 50), strings.Repeat("é", 60), strings.Repeat(`"`, 40), "\n",
	} {
		quoted := Quote(s)
		if n := utf8.RuneCountInString(quoted); n > 60 {
			t.Errorf("Quote(%q) has %d characters", s, n)
		}
		if strings.ContainsAny(quoted, "\x1b\u202e\n") {
			t.Errorf("Quote(%q) = %s", s, quoted)
		}
	}
	if got := Quote("short"); got != `"short"` {
		t.Errorf("Quote = %s", got)
	}
	doc := fmt.Sprintf(`{%q: %s}`, strings.Repeat("k", 5000), strings.Repeat("1", 5000))
	for _, line := range read(doc, func(v Value) { v.Get(strings.Repeat("k", 5000)).Bool() }) {
		if len(line) > 200 {
			t.Errorf("a problem of %d bytes: %s", len(line), line)
		}
	}
}

func TestTheNumberOfProblemsIsBounded(t *testing.T) {
	t.Parallel()
	var doc strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&doc, `,"key%d": 0`, i)
	}
	lines := read("{"+doc.String()[1:]+"}", func(v Value) { v.Fields("known") })
	if last := lines[len(lines)-1]; len(lines) != 101 || last != "document: found 900 more problems; mend those above first" {
		t.Errorf("%d problems, the last: %s", len(lines), last)
	}

	lines = read(`{`+strings.Repeat(`"a": 0,`, 500), nothing)
	if syntax := lines[99]; len(lines) != 101 || !strings.Contains(syntax, "end of the document") {
		t.Errorf("%d problems, the syntax error among them: %s", len(lines), syntax)
	}
}
