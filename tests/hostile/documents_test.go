package hostile_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wifmint/wifmint/internal/hostilejson"
	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/jsondoc"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// documents are what the programs read that somebody else may have written.
var documents = map[string]struct {
	valid string
	parse func([]byte) error
	// forgiving is of what programs write, newer ones too: a field too many, or one
	// twice, is no mistake.
	forgiving bool
}{
	"config": {`{"credentials": ` + files["workload"] + `, "targets": [{"name": "a", "secret": "s", "scopes": ["planted-scope"]}], "create_secrets": true}`, func(b []byte) error {
		_, err := keeper.ParseConfig(b, keeper.ConfigOptions{})
		return err
	}, false},
	"workload file":   {files["workload"], parseFile, false},
	"workforce login": {files["workforce login"], parseFile, false},
	"login":           {files["login"], parseFile, false},
	"impersonation":   {files["impersonation"], parseFile, false},
	"stored token": {`{"version":1,"target":"a","kind":"access_token","token_type":"Bearer","access_token":"ya29.planted-token","expiry":"2026-01-02T03:04:05Z",
		"minted_at":"2026-01-02T02:04:05Z","principal":"a@p.iam.gserviceaccount.com","scopes":["planted-scope"],"project_id":"p","universe_domain":"googleapis.com"}`, parseToken, true},
	"ID token": {`{"version":1,"target":"a","kind":"id_token","token_type":"Bearer","id_token":"planted-a.planted-b.planted-c","audience":"https://planted-audience","expiry":"2026-01-02T03:04:05Z",
		"minted_at":"2026-01-02T02:04:05Z","principal":"a@p.iam.gserviceaccount.com","universe_domain":"googleapis.com"}`, parseToken, true},
	"schedule's event": {`{"scheduled_time":"2026-01-02T03:04:05Z","targets":["planted-target"],"force":false,"shard":"0/4"}`, parseEvent, true},
	"canary's event":   {`{"canary":{"service_account":"planted-nobody@p.iam.gserviceaccount.com"}}`, parseEvent, true},
	"rotation's event": {`{"Step":"createSecret","SecretId":"planted-secret","ClientRequestToken":"planted-request","RotationToken":"planted-rotation-token"}`, parseEvent, true},
	"envelope":         {`{"source":"s","detail-type":"d","detail":{"targets":["planted-target"]}}`, parseEvent, true},
}

func parseFile(b []byte) error {
	_, err := externalaccount.ParseAny(b, externalaccount.FileOptions{})
	return err
}

func parseToken(b []byte) error {
	_, err := tokenstore.Parse(b)
	return err
}

func parseEvent(b []byte) error {
	_, err := keeper.ParseEvent(b)
	return err
}

// values are what is put in the place of each of a document's, and what makes of a
// text another one. None is right for any field.
var values = map[string]string{
	"a text with a NUL":               `"planted-\u0000"`,
	"a text that is no UTF-8":         "\"planted-\xff\xc0\xaf\"",
	"a text with half a pair":         `"planted-\ud800"`,
	"a text with controls":            `"planted-\u001b[2J\u202e\u2028"`,
	"a text of 2 MiB":                 `"planted-` + strings.Repeat("x", 2<<20) + `"`,
	"a huge number":                   `1e999999999`,
	"a number of 100,000 digits":      strings.Repeat("9", 100_000),
	"a tiny number":                   `-1e-999999999`,
	"lists 100,000 deep":              strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
	"objects 100,000 deep":            strings.Repeat(`{"planted-":`, 100_000) + "1" + strings.Repeat("}", 100_000),
	"a list of 100,000":               "[" + strings.Repeat(`"planted-",`, 100_000) + "1]",
	"objects of 50,000 unknown names": `{` + names(50_000) + `}`,
	"a number that is not JSON's":     `0x10`,
	"NaN":                             `NaN`,
}

func names(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"planted-%d":1,`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// wholes are what is made of a whole document.
var wholes = map[string]func(valid string) string{
	"nothing":                    func(string) string { return "" },
	"a NUL":                      func(string) string { return "\x00" },
	"NULs behind it":             func(valid string) string { return valid + strings.Repeat("\x00", 100) },
	"another document behind it": func(valid string) string { return valid + valid },
	"2 MiB of space behind it":   func(valid string) string { return valid + strings.Repeat(" ", 2<<20) + "x" },
	"half of it":                 func(valid string) string { return valid[:len(valid)/2] },
	"it in UTF-16": func(valid string) string {
		return "\xff\xfe" + strings.Join(strings.Split(valid, ""), "\x00") + "\x00"
	},
	"it as a text":                func(valid string) string { b, _ := json.Marshal(valid); return string(b) },
	"it in a list":                func(valid string) string { return "[" + valid + "]" },
	"a million brackets":          func(string) string { return strings.Repeat("[", 1_000_000) },
	"a million braces":            func(string) string { return strings.Repeat(`{"a":`, 1_000_000) },
	"a comment before it":         func(valid string) string { return "/* */" + valid },
	"a comma too many":            func(valid string) string { return strings.TrimSuffix(valid, "}") + ",}" },
	"names with apostrophes":      func(valid string) string { return strings.ReplaceAll(valid, `"`, `'`) },
	"a page":                      func(string) string { return page },
	"a name that is no UTF-8":     func(valid string) string { return "{\"\xff\":1," + valid[1:] },
	"a name with a NUL":           func(valid string) string { return `{"planted-\u0000":1,` + valid[1:] },
	"a name of 2 MiB":             func(valid string) string { return `{"` + strings.Repeat("x", 2<<20) + `":1,` + valid[1:] },
	"a prototype":                 func(valid string) string { return `{"__proto__":{"type":"x"},` + valid[1:] },
	"50,000 unknown names before": func(valid string) string { return "{" + names(50_000) + "," + valid[1:] },
}

// harmless are the wholes that a forgiving parser may take: the fields it knows are
// there, or none is, which is an event too.
var harmless = map[string]bool{
	"nothing": true, "a name that is no UTF-8": true, "a name with a NUL": true, "a name of 2 MiB": true, "a prototype": true, "50,000 unknown names before": true,
}

// opaque are fields of a login that may have any text. It is sent as a form's value.
var opaque = map[string]bool{"client_id": true, "client_secret": true, "refresh_token": true, "audience of a workforce login": true}

func TestAHostileDocumentIsRefused(t *testing.T) {
	t.Parallel()
	for name, d := range documents {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := d.parse([]byte(d.valid)); err != nil {
				t.Fatalf("the valid one: %v", err)
			}
			var fields map[string]json.RawMessage
			if err := json.Unmarshal([]byte(d.valid), &fields); err != nil {
				t.Fatal(err)
			}
			for field, right := range fields {
				for is, value := range values {
					document := strings.Replace(d.valid, string(right), value, 1)
					text := strings.HasPrefix(is, "a text") && (opaque[field] || opaque[field+" of a "+name])
					refused(t, field+" is "+is, d.parse, document, d.forgiving || text)
				}
				twice := fmt.Sprintf(`{%q:%s,%s`, field, right, d.valid[1:])
				refused(t, field+" twice", d.parse, twice, d.forgiving)
			}
			for is, change := range wholes {
				refused(t, is, d.parse, change(d.valid), d.forgiving && harmless[is])
			}
		})
	}
}

// refused checks how a document is refused: soon, with a short line that can be
// shown, and nothing of the document's values in it.
func refused(t *testing.T, what string, parse func([]byte) error, document string, maybe bool) {
	t.Helper()
	began := time.Now()
	err := parse([]byte(document))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%s: it took %v", what, took)
	}
	if err == nil {
		if !maybe {
			t.Errorf("%s: it is taken", what)
		}
		return
	}
	text := err.Error()
	if len(text) > 64<<10 || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x1b\u202e\u2028") {
		t.Errorf("%s: an error of %d bytes: %.300q", what, len(text), text)
	}
	for _, secret := range []string{"planted-client", "planted-refresh", "planted-token", "planted-rotation-token", "planted-a."} {
		if strings.Contains(text, secret) {
			t.Errorf("%s: %q is in the error: %.300s", what, secret, text)
		}
	}
}

// The fuzz targets of the packages begin with what is valid; an audience and an ARN
// are a field there that they rarely come to.
func FuzzAudience(f *testing.F) {
	for _, seed := range []string{audience, "//iam.googleapis.com/locations/global/workforcePools/staff/providers/oidc", "//iam.googleapis.com/projects/p/locations/global/workloadIdentityPools/a", "https:" + audience, ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		document := strings.Replace(files["workload"], `"`+audience+`"`, string(quoted), 1)
		file, err := externalaccount.ParseFile([]byte(document), externalaccount.FileOptions{})
		if err != nil {
			about := "audience"
			if len(document) > jsondoc.MaxSize {
				about = "bytes" // nothing of it is read
			}
			if !strings.Contains(err.Error(), about) || !utf8.ValidString(err.Error()) {
				t.Errorf("%.1000q: %.1000v", text, err)
			}
			return
		}
		if file.IsWorkforcePool() == (file.ProjectNumber() != "") || strings.ContainsAny(file.Audience, " \t\r\n\x00\"\\") {
			t.Errorf("%q is taken, for the project %q", file.Audience, file.ProjectNumber())
		}
	})
}

// Whoever may write a secret may put a pause there, and its reason into everybody's log.
func FuzzPause(f *testing.F) {
	for _, seed := range []string{
		`{"version":1,"target":"a","kind":"paused","paused_at":"2026-01-02T03:04:05Z","reason":"why"}`, `{"version":1,"kind":"paused"}`, `{"version":1,"kind":"resumed"}`,
		`{"version":1,"kind":"paused","paused_at":1,"reason":"a\u0000\u001b[2J\n` + planted + `"}`, `{"version":1,"kind":"paused","kind":"access_token"}`,
	} {
		f.Add(seed)
	}
	for _, seed := range hostilejson.Seeds(`{"version":1,"kind":"paused","paused_at":"2026-01-02T03:04:05Z","reason":"why"}`) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, document string) {
		_, err := tokenstore.Parse([]byte(document))
		pause, paused := errors.AsType[*tokenstore.Pause](err)
		if !paused {
			return
		}
		if text := pause.Error(); len(text) > 600 || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) || strings.Contains(text, planted) {
			t.Errorf("%q", text)
		}
	})
}
