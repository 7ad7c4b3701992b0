package subjecttoken

import (
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/hostilejson"
)

func TestResponsesThatAreNone(t *testing.T) {
	t.Parallel()
	without := func(part string) string { return strings.Replace(goodOIDC, part, "", 1) }
	with := func(old, new string) string { return strings.Replace(goodOIDC, old, new, 1) }
	for name, tc := range map[string]struct{ content, says string }{
		"nothing":                    {"", "is empty"},
		"words":                      {planted, "is not one JSON object"},
		"an array":                   {"[" + goodOIDC + "]", "is not one JSON object"},
		"null":                       {"null", "has no version"},
		"an empty object":            {"{}", "has no version"},
		"no version":                 {without(`"version":1,`), "has no version"},
		"version 0":                  {with(`"version":1`, `"version":0`), "is of version 0; only version 1 is known"},
		"version 2":                  {with(`"version":1`, `"version":2`), "is of version 2; only version 1 is known"},
		"a version in quotes":        {with(`"version":1`, `"version":"1"`), "wrong JSON type in its field version"},
		"no success":                 {without(`"success":true,`), "has no success"},
		"success null":               {with(`"success":true`, `"success":null`), "has no success"},
		"success in quotes":          {with(`"success":true`, `"success":"true"`), "wrong JSON type in its field success"},
		"a failure without words":    {`{"version":1,"success":false}`, "tells a failure without code and message"},
		"a failure without code":     {`{"version":1,"success":false,"message":"m"}`, "tells a failure without code and message"},
		"a failure without message":  {`{"version":1,"success":false,"code":"c"}`, "tells a failure without code and message"},
		"a failure of a wrong type":  {`{"version":1,"success":false,"code":{"a":1},"message":"m"}`, "wrong JSON type in its field code"},
		"no token type":              {without(`"token_type":"urn:ietf:params:oauth:token-type:id_token",`), "has no token_type"},
		"an unknown token type":      {with(":id_token", ":access_token"), `has the token_type "urn:ietf:params:oauth:token-type:access_token"; known are `},
		"no token":                   {without(`"id_token":"` + planted + `",`), "has a field id_token that is empty"},
		"a token in another's field": {with(`"id_token":`, `"saml_response":`), "has a field id_token that is empty"},
		"a token of a wrong type":    {with(`"`+planted+`"`, "1"), "wrong JSON type in its field id_token"},
		"raw SAML":                   {strings.Replace(goodSAML, "PHNhbWw+", "<saml>"+planted, 1), "has a field saml_response that is a page of HTML or XML"},
		"an expiry in quotes":        {with("1704168245", `"1704168245"`), "wrong JSON type in its field expiration_time"},
		"an expiry in milliseconds":  {with("1704168245", "1704168245000"), "no number of seconds since 1970"},
		"an expiry of zero":          {with("1704168245", "0"), "no number of seconds since 1970"},
		"an expiry in infinity":      {with("1704168245", "1e999"), "wrong JSON type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, flaw := readResponse([]byte(tc.content))
			if flaw == "" && answer.success {
				_, flaw = answer.token()
			}
			if !strings.Contains(flaw, tc.says) || strings.Contains(flaw, planted[:20]) {
				t.Errorf("got %q, want %q", flaw, tc.says)
			}
		})
	}
}

func TestAFailuresWordsAreFitToBeShown(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`{"version":1,"success":false,"code":"401","message":"no"}`:                "the program failed: 401: no",
		`{"version":1.0,"success":false,"code":401,"message":2}`:                   "the program failed: 401: 2",
		`{"version":1,"success":false,"code":"a\nb","message":"\u001b[31mno"}`:     "the program failed: a b: [31mno",
		`{"version":1,"success":false,"code":"c","message":"got ` + planted + `"}`: "the program failed: c: got [masked]",
	} {
		answer, flaw := readResponse([]byte(content))
		if got := answer.refusal().Error(); flaw != "" || got != "getting the subject token from executable: "+want {
			t.Errorf("%s: got %s, %s", content, got, flaw)
		}
	}
	long := strings.Repeat("é", 5000)
	answer, _ := readResponse([]byte(`{"version":1,"success":false,"code":"` + long + `","message":"` + long + `"}`))
	if len(answer.refusal().Error()) > 2500 {
		t.Errorf("an error of %d bytes", len(answer.refusal().Error()))
	}
}

func TestAnExpiryIsTheLastMomentOfNoUse(t *testing.T) {
	t.Parallel()
	answer, _ := readResponse([]byte(goodOIDC))
	at := func(seconds int64) func() time.Time { return func() time.Time { return time.Unix(seconds, 0) } }
	if answer.expired(at(1704168244)) || !answer.expired(at(1704168245)) || !answer.expired(nil) {
		t.Error("an answer expires at another time than it tells")
	}
}

func FuzzResponse(f *testing.F) {
	for _, content := range []string{goodOIDC, goodSAML, expired, failed, "", "{}", "null", goodOIDC[:50], goodOIDC + "x", strings.ToUpper(goodOIDC), `{"version":1e0,"success":false,"code":1e400,"message":"\ud800"}`} {
		f.Add([]byte(content), true)
	}
	for _, valid := range []string{goodOIDC, failed} {
		for _, seed := range hostilejson.Seeds(valid) {
			f.Add([]byte(seed), true)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte, keeps bool) {
		e := &Executable{Now: knownTime, SubjectTokenType: IDTokenType}
		if keeps {
			e.OutputFile = "kept"
		}
		answer, flaw := readResponse(content)
		token, err := e.token(answer, flaw, "the answer")
		if err != nil {
			wantHidden(t, err)
			return
		}
		if tokenFlaw(token.Reveal()) != "" || answer.tokenType == SAML2TokenType || answer.expired(knownTime) || keeps && answer.expires.IsZero() {
			t.Errorf("accepted %q of %+v", token.Reveal(), answer)
		}
	})
}
