package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	htmltemplate "html/template"
	"io"
	"log"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/secret"
)

const planted = `ya29.a0AfB_<correct>&"horse"/battery+staple=`

// encodings are the ways in which some verb or marshaller would write the text.
func encodings() map[string]string {
	start := planted[:10]
	list := make([]string, len(start))
	for i := range len(start) {
		list[i] = fmt.Sprint(start[i])
	}
	return map[string]string{
		"plain":      start,
		"the end":    planted[len(planted)-8:],
		"hex":        hex.EncodeToString([]byte(start)),
		"hex upper":  strings.ToUpper(hex.EncodeToString([]byte(start))),
		"hex spaced": strings.ToLower(fmt.Sprintf("% x", start)),
		"base64":     base64.StdEncoding.EncodeToString([]byte(planted))[:12],
		"decimal":    strings.Join(list, " "),
		"decimals":   strings.Join(list, ","),
		"quoted":     strings.Trim(fmt.Sprintf("%q", planted), `"`)[:14],
	}
}

func wantHidden(t *testing.T, how, printed string) {
	t.Helper()
	for encoding, s := range encodings() {
		if strings.Contains(printed, s) {
			t.Fatalf("%s shows the secret (%s): %s", how, encoding, printed)
		}
	}
}

type (
	exported   struct{ Token secret.Text }
	unexported struct {
		name  string
		token secret.Text
	}
	pointers struct {
		Token *secret.Text
		token *secret.Text
		deep  **secret.Text
		self  *unexported
	}
	collections struct {
		list  []secret.Text
		refs  []*secret.Text
		array [2]secret.Text
		value map[string]secret.Text
		key   map[secret.Text]string
		any   any
		anys  []any
	}
	embedded struct {
		secret.Text
		Name string
	}
	embeddedPointer struct{ *secret.Text }
	failure         struct {
		op    string
		token secret.Text
	}
)

func (f *failure) Error() string { return fmt.Sprintf("%s with %v failed", f.op, f.token) }

// everywhere is the planted secret in every place a value can have in another.
func everywhere() map[string]any {
	text := secret.New(planted)
	ref := &text
	un := unexported{"n", text}
	all := collections{
		[]secret.Text{text}, []*secret.Text{ref}, [2]secret.Text{text, text}, map[string]secret.Text{"k": text},
		map[secret.Text]string{text: "v"}, text, []any{text, ref, un},
	}
	fail := &failure{"exchange", text}
	return map[string]any{
		"value":                      text,
		"pointer":                    ref,
		"pointer to pointer":         &ref,
		"exported field":             exported{text},
		"pointer to exported field":  &exported{text},
		"unexported field":           un,
		"pointer to struct":          &un,
		"nested":                     struct{ A, b any }{un, exported{text}},
		"pointer fields":             pointers{ref, ref, &ref, &un},
		"collections":                all,
		"pointer to collections":     &all,
		"slice":                      []secret.Text{text},
		"slice of pointers":          []*secret.Text{ref},
		"slice of structs":           []unexported{un},
		"array":                      [1]secret.Text{text},
		"map value":                  map[string]secret.Text{"k": text},
		"map key":                    map[secret.Text]int{text: 1},
		"map of structs":             map[string]unexported{"k": un},
		"any":                        []any{text, ref, un, &un},
		"embedded":                   embedded{text, "n"},
		"embedded pointer":           embeddedPointer{ref},
		"error":                      fail,
		"wrapped error":              fmt.Errorf("minting: %w", fail),
		"joined errors":              errors.Join(fail, fail),
		"reflect.Value":              reflect.ValueOf(text),
		"reflect.Value of a field":   reflect.ValueOf(un).Field(1),
		"reflect.Value of the field": reflect.ValueOf(un).Field(1).Field(0),
		"channel":                    make(chan secret.Text),
		"method values":              []any{text.Reveal, text.String},
	}
}

func TestNoVerbAndNoFlagPrintsTheText(t *testing.T) {
	t.Parallel()
	var verbs []string
	for _, flags := range []string{"", "+", "-", "#", " ", "0", "+#", "# ", "#+- 0"} {
		for _, size := range []string{"", "60", ".2"} {
			for v := 'A'; v <= 'z'; v++ {
				verbs = append(verbs, "%"+flags+size+string(v))
			}
		}
	}
	verbs = append(verbs, "%!", "no verb", "%[1]v %[1]d %[2]x")
	for name, v := range everywhere() {
		for _, verb := range verbs {
			wantHidden(t, verb+" of "+name, fmt.Sprintf(verb, v))
		}
		for _, verb := range []string{"%w", "%v and %w", "%+w", "%#w"} {
			wantHidden(t, "Errorf "+verb+" of "+name, fmt.Errorf(verb, v).Error())
		}
		for how, s := range map[string]string{"Sprint": fmt.Sprint(v), "Sprintln": fmt.Sprintln("a", v), "a width": fmt.Sprintf("%*d", v, 1)} {
			wantHidden(t, how+" of "+name, s)
		}
	}
}

func TestEveryVerbPrintsTheFingerprint(t *testing.T) {
	t.Parallel()
	text := secret.New("abc")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%60v", "%.2s", "%t", "%e", "%c"} {
		if got := fmt.Sprintf(verb, text); got != "sha256:ba7816bf8f01" {
			t.Errorf("%s: got %s", verb, got)
		}
		if got := fmt.Sprintf(verb, &text); got != "sha256:ba7816bf8f01" {
			t.Errorf("%s of a pointer: got %s", verb, got)
		}
	}
	if got := fmt.Sprintf("%v", exported{text}); got != "{sha256:ba7816bf8f01}" {
		t.Errorf("as a field: got %s", got)
	}
	var none *secret.Text
	if got := fmt.Sprintf("%v", none); got != "<nil>" {
		t.Errorf("nil pointer: got %s", got)
	}
}

func TestJSONNeverHasTheText(t *testing.T) {
	t.Parallel()
	for name, v := range everywhere() {
		b, err := json.Marshal(v)
		wantHidden(t, "JSON of "+name, fmt.Sprintf("%s %v", b, err))
		b, err = json.MarshalIndent(map[string]any{"v": v}, "", " ")
		wantHidden(t, "indented JSON of "+name, fmt.Sprintf("%s %v", b, err))
	}
	text := secret.New("abc")
	for want, v := range map[string]any{
		`"sha256:ba7816bf8f01"`:           text,
		`{"Token":"sha256:ba7816bf8f01"}`: exported{text},
		`["sha256:ba7816bf8f01"]`:         []*secret.Text{&text},
		`{"sha256:ba7816bf8f01":1}`:       map[secret.Text]int{text: 1},
		`{"k":"sha256:ba7816bf8f01"}`:     map[string]secret.Text{"k": text},
		`""`:                              secret.Text{},
		`{}`: struct {
			Token secret.Text `json:",omitzero"`
		}{},
	} {
		if b, err := json.Marshal(v); string(b) != want || err != nil {
			t.Errorf("got %s, %v; want %s", b, err, want)
		}
	}
}

func TestOtherMarshallersNeverHaveTheText(t *testing.T) {
	t.Parallel()
	text := secret.New(planted)
	type element struct {
		Attr  secret.Text `xml:"attr,attr"`
		Child secret.Text `xml:"child"`
		Chars secret.Text `xml:",chardata"`
	}
	for name, v := range map[string]any{"element": element{text, text, text}, "value": text, "pointer": &text, "slice": []secret.Text{text}} {
		b, err := xml.Marshal(v)
		wantHidden(t, "XML of "+name, fmt.Sprintf("%s %v", b, err))
	}
	for name, v := range everywhere() {
		for how, write := range map[string]func(io.Writer, any) error{
			"gob":           func(w io.Writer, v any) error { return gob.NewEncoder(w).Encode(v) },
			"text template": template.Must(template.New("").Parse(`{{.}} {{printf "%v %s %q" . . .}} {{print .}}`)).Execute,
			"html template": htmltemplate.Must(htmltemplate.New("").Parse(`<a href="{{.}}" onclick="f({{.}})">{{.}}</a><script>{{.}}</script>`)).Execute,
		} {
			var b bytes.Buffer
			err := orPanic(func() error { return write(&b, v) })
			wantHidden(t, how+" of "+name, fmt.Sprintf("%s %v", b.String(), err))
		}
	}
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	var usage bytes.Buffer
	flags.SetOutput(&usage)
	flags.TextVar(new(secret.Text), "token", &text, "the token")
	flags.PrintDefaults()
	wantHidden(t, "usage of a flag", usage.String())
}

// orPanic makes an error of a panic: the encoders have no words for some of
// the types, and what they say instead must not hold the text either.
func orPanic(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return f()
}

func TestNoLogHasTheText(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	options := &slog.HandlerOptions{Level: slog.LevelDebug}
	for format, handler := range map[string]slog.Handler{"JSON": slog.NewJSONHandler(&b, options), "text": slog.NewTextHandler(&b, options)} {
		l := slog.New(handler)
		for name, v := range everywhere() {
			b.Reset()
			l.Info("m", "token", v)
			l.With("token", v).WithGroup("g").Debug("m", slog.Group("h", "token", v), slog.Any("list", []any{v}))
			l.Error(fmt.Sprint(v))
			wantHidden(t, format+" log of "+name, b.String())
		}
		b.Reset()
		l.Info("m", "token", secret.New("abc"))
		if !strings.Contains(b.String(), "sha256:ba7816bf8f01") {
			t.Errorf("%s log has no fingerprint: %s", format, b.String())
		}
	}
	b.Reset()
	for _, v := range everywhere() {
		log.New(&b, "", 0).Println(v)
	}
	wantHidden(t, "package log", b.String())
}

func TestAFailingComparisonDoesNotShowTheText(t *testing.T) {
	t.Parallel()
	a, b := unexported{"n", secret.New(planted)}, unexported{"n", secret.New(planted + "x")}
	for name, diff := range map[string]string{
		"values":     cmp.Diff(a.token, b.token),
		"fields":     cmp.Diff(exported{a.token}, exported{b.token}),
		"unexported": cmp.Diff(a, b, cmp.AllowUnexported(unexported{})),
		"everything": cmp.Diff(a, b, cmp.Exporter(func(reflect.Type) bool { return true })),
		"lists":      cmp.Diff([]secret.Text{a.token}, []secret.Text{a.token, b.token}),
		"maps":       cmp.Diff(map[string]secret.Text{"k": a.token}, map[string]secret.Text{}),
	} {
		if diff == "" {
			t.Errorf("%s: no difference is seen", name)
		}
		wantHidden(t, "cmp.Diff of "+name, diff)
	}
	if diff := cmp.Diff(exported{secret.New(planted)}, exported{secret.New(planted)}); diff != "" {
		t.Errorf("equal texts differ: %s", diff)
	}
}

func TestAnErrorOfUnmarshallingDoesNotShowWhatItRead(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{`{"Token": 12345678901234567890}`, `{"Token": {"a": "ya29.a0AfB_"}}`, `{"Token": ["ya29.a0AfB_"]}`, `{"Token": "ya29.a0AfB_`, `{"Token": true}`} {
		var e exported
		err := json.Unmarshal([]byte(doc), &e)
		if err == nil {
			t.Errorf("%s is accepted as %v", doc, e)
			continue
		}
		wantHidden(t, doc, err.Error())
	}
}

func TestUnmarshalTakesTheTextItself(t *testing.T) {
	t.Parallel()
	var e exported
	if err := json.Unmarshal([]byte(`{"Token": "ya29.\u003cx\u003e"}`), &e); err != nil || e.Token.Reveal() != "ya29.<x>" {
		t.Errorf("got %q, %v", e.Token.Reveal(), err)
	}
	if err := json.Unmarshal([]byte(`{"Token": ""}`), &e); err != nil || !e.Token.IsZero() {
		t.Errorf("empty: got %q, %v", e.Token.Reveal(), err)
	}
	buffer := []byte("abc")
	var text secret.Text
	if err := text.UnmarshalText(buffer); err != nil {
		t.Fatal(err)
	}
	buffer[0] = 'X'
	if text.Reveal() != "abc" {
		t.Error("the text changes with the buffer that it was read from")
	}
}

func TestEqualTextsAreEqualAndTheEmptyOneIsZero(t *testing.T) {
	t.Parallel()
	a, b := secret.New("abc"), secret.New("abc")
	if !a.Equal(b) || a.Equal(secret.New("abd")) || a.Equal(secret.New("ab")) || a.Equal(secret.Text{}) || !(secret.Text{}).Equal(secret.New("")) {
		t.Error("Equal does not compare the texts")
	}
	if !secret.New("").IsZero() || a.IsZero() || secret.New("") != (secret.Text{}) {
		t.Error("the empty text is not the zero value")
	}
	if a.Fingerprint() != "ba7816bf8f01" || (secret.Text{}).Fingerprint() != "" || (secret.Text{}).String() != "" || (secret.Text{}).Reveal() != "" {
		t.Error("wrong fingerprint")
	}
}

func ExampleText() {
	type response struct {
		User  string
		token secret.Text
	}
	token := secret.New("ya29.not-for-your-eyes")
	r := response{"reports", token}

	fmt.Println("token:", token)
	fmt.Println("the same:", token.Equal(r.token))
	b, _ := json.Marshal(map[string]any{"token": token})
	fmt.Printf("%s\n", b)
	fmt.Println("its length:", len(token.Reveal()))
	// Output:
	// token: sha256:4d3e3f1bab75
	// the same: true
	// {"token":"sha256:4d3e3f1bab75"}
	// its length: 22
}
