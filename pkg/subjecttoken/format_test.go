package subjecttoken

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/internal/hostilejson"
)

func TestFormats(t *testing.T) {
	t.Parallel()
	field := Format{Type: "json", SubjectTokenFieldName: "access_token"}
	for name, tc := range map[string]struct {
		format  Format
		content string
		want    string
	}{
		"a bare token":                     {Format{}, planted, planted},
		"a bare token, by name":            {Format{Type: "text"}, planted, planted},
		"a line, as echo writes it":        {Format{}, planted + "\n", planted},
		"a line, as Windows writes it":     {Format{}, " " + planted + "\r\n", planted},
		"SAML in lines":                    {Format{}, "PHNhbWw+\nPC9z\n", "PHNhbWw+\nPC9z"},
		"a field name is nothing to text":  {Format{SubjectTokenFieldName: "x"}, planted, planted},
		"a field":                          {field, `{"access_token":"` + planted + `"}`, planted},
		"a field among others":             {field, ` {"expires_on": 1, "access_token": "` + planted + `", "x": null} ` + "\n", planted},
		"a field with escapes":             {field, `{"access_token":"\u0065yJ\/"}`, "eyJ/"},
		"names of fields differ by case":   {field, `{"ACCESS_TOKEN":"no","access_token":"yes"}`, "yes"},
		"a field with a dot in its name":   {Format{"json", "data.token"}, `{"data.token":"yes","data":{"token":"no"}}`, "yes"},
		"a field is not trimmed":           {field, `{"access_token":"a b "}`, "a b "},
		"the request of an AWS credential": {Format{}, "%7B%22url%22%3A%22https", "%7B%22url%22%3A%22https"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, flaw := tc.format.token([]byte(tc.content))
			if flaw != "" || token.Reveal() != tc.want {
				t.Errorf("got %q, %s; want %q", token.Reveal(), flaw, tc.want)
			}
		})
	}
}

func TestWhatIsNoTokenIsToldWithoutQuotingIt(t *testing.T) {
	t.Parallel()
	field := Format{Type: "json", SubjectTokenFieldName: "access_token"}
	for name, tc := range map[string]struct {
		format  Format
		content string
		says    string
	}{
		"nothing":                        {Format{}, "", "is empty"},
		"white space":                    {Format{}, " \r\n\t", "is empty"},
		"a page":                         {Format{}, "<!DOCTYPE html><p>" + planted, "is a page of HTML or XML"},
		"raw SAML":                       {Format{}, "<saml:Assertion>" + planted, "base64"},
		"JSON where text is expected":    {Format{}, `{"access_token":"` + planted + `"}`, `write "json" for credential_source.format.type`},
		"UTF-16":                         {Format{}, "\xff\xfee\x00y\x00J\x00", "UTF-16"},
		"UTF-8 with a byte order mark":   {Format{}, "\ufeff" + planted, "has characters that no token has"},
		"a control character":            {Format{}, planted + "\x00", "has characters that no token has"},
		"text where JSON is expected":    {field, planted + "\n", `is not a JSON object; if it is the token itself, write "text" for credential_source.format.type`},
		"a page where JSON is expected":  {field, "<html>" + planted, "is not a JSON object"},
		"JSON cut off":                   {field, `{"access_token":"` + planted, "is not a JSON object"},
		"JSON and more":                  {field, `{"access_token":"` + planted + `"} {}`, "is not a JSON object"},
		"an array":                       {field, `["` + planted + `"]`, "is not a JSON object"},
		"a string":                       {field, `"` + planted + `"`, "is not a JSON object"},
		"null":                           {field, `null`, `has no field "access_token"`},
		"another field":                  {field, `{"id_token":"` + planted + `"}`, `has no field "access_token"; credential_source.format.subject_token_field_name`},
		"the field in another case":      {field, `{"Access_Token":"` + planted + `"}`, `has no field "access_token"`},
		"a field deeper down":            {field, `{"data":{"access_token":"` + planted + `"}}`, `has no field "access_token"`},
		"a number":                       {field, `{"access_token":12345}`, `has no string in its field "access_token"`},
		"a null field":                   {field, `{"access_token":null}`, `has no string in its field "access_token"`},
		"an object":                      {field, `{"access_token":{"token":"` + planted + `"}}`, `has no string in its field "access_token"`},
		"an empty field":                 {field, `{"access_token":""}`, `has a field "access_token" that is empty`},
		"half a surrogate":               {field, `{"access_token":"\ud800"}`, "has characters that no token has"},
		"JSON in a field, as some write": {field, `{"access_token":"{\"token\":\"` + planted + `\"}"}`, "is JSON and not a token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, flaw := tc.format.token([]byte(tc.content))
			if !strings.Contains(flaw, tc.says) || strings.Contains(flaw, planted[:20]) {
				t.Errorf("got %q, want %q", flaw, tc.says)
			}
		})
	}
}

func TestAFormatThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		format Format
		says   string
	}{
		{Format{Type: "json"}, "subject_token_field_name is empty"},
		{Format{Type: "xml"}, `credential_source.format.type is "xml"; write "text" or "json"`},
		{Format{Type: "JSON", SubjectTokenFieldName: "x"}, `"JSON"`},
	} {
		_, err := File{Path: write(t, "token", planted), Format: tc.format}.SubjectToken(t.Context())
		wantError(t, err, "file", tc.says)
		_, err = URL{URL: "http://127.0.0.1:9/", Format: tc.format}.SubjectToken(t.Context())
		wantError(t, err, "url", tc.says)
	}
}

func FuzzFormat(f *testing.F) {
	for _, content := range []string{planted, `{"access_token":"` + planted + `"}`, `{"access_token":"a","access_token":1}`, "<html>", "{", "\xff", `{"a":null}`, " \n"} {
		f.Add([]byte(content), "access_token")
	}
	for _, seed := range hostilejson.Seeds(`{"access_token":"` + planted + `"}`) {
		f.Add([]byte(seed), "access_token")
	}
	f.Fuzz(func(t *testing.T, content []byte, field string) {
		for _, format := range []Format{{}, {Type: "json", SubjectTokenFieldName: field}} {
			if format.flaw() != "" {
				continue
			}
			token, flaw := format.token(content)
			if flaw != "" {
				if len(flaw) > 300+4*len(field) {
					t.Errorf("a long flaw: %q", flaw)
				}
				continue
			}
			if s := token.Reveal(); strings.TrimSpace(s) == "" || s[0] == '<' || s[0] == '{' || strings.ContainsAny(s, "\x00\x1b\x7f") {
				t.Errorf("accepted %q", s)
			}
			var doc map[string]any
			if format.Type == "json" && (json.Unmarshal(content, &doc) != nil || doc[field] != token.Reveal()) {
				t.Errorf("%q is not the field %q of %q", token.Reveal(), field, content)
			}
		}
	})
}
