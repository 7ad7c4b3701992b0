package tokenstore

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/hostilejson"
	"github.com/wifmint/wifmint/pkg/secret"
)

func encode(t testing.TB, token Token) string {
	t.Helper()
	data, err := token.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestEncodeWritesTheContractsDocument(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		token Token
		want  string
	}{
		"an access token": {accessToken(), `{"version":1,"target":"reports","kind":"access_token","token_type":"Bearer",` +
			`"access_token":"ya29.planted-token-value","expiry":"2026-01-02T03:04:05Z","minted_at":"2026-01-02T02:04:05Z",` +
			`"principal":"reports@p.iam.gserviceaccount.com","scopes":["https://www.googleapis.com/auth/bigquery"],` +
			`"project_id":"p","universe_domain":"googleapis.com"}`},
		"a federated token": {federatedToken(), `{"version":1,"target":"reports","kind":"federated","token_type":"Bearer",` +
			`"access_token":"ya29.planted-token-value","expiry":"2026-01-02T03:04:05Z","minted_at":"2026-01-02T02:04:05Z",` +
			`"principal":"//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws",` +
			`"scopes":["https://www.googleapis.com/auth/bigquery"],"project_id":"","universe_domain":"googleapis.com"}`},
		"an ID token": {idToken(), `{"version":1,"target":"reports","kind":"id_token","token_type":"Bearer",` +
			`"id_token":"ya29.planted-token-value","expiry":"2026-01-02T03:04:05Z","minted_at":"2026-01-02T02:04:05Z",` +
			`"principal":"reports@p.iam.gserviceaccount.com","audience":"https://api.example.run.app?a=1&b=<2>",` +
			`"project_id":"p","universe_domain":"googleapis.com"}`},
		"local times with fractions become whole seconds of UTC": {change(accessToken(), func(t *Token) {
			t.Expiry = t.Expiry.Add(999 * time.Millisecond).In(time.FixedZone("", 3600))
			t.MintedAt = t.MintedAt.Add(999 * time.Millisecond).In(time.FixedZone("", -3600))
		}), encode(t, accessToken())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := encode(t, tc.token); got != tc.want {
				t.Errorf("Encode gives\n%s, want\n%s", got, tc.want)
			}
		})
	}
}

func TestStoredAccessTokensUnmarshalIntoOAuth2Token(t *testing.T) {
	t.Parallel()
	// The fields and tags of golang.org/x/oauth2.Token.
	type oauth2Token struct {
		AccessToken  string    `json:"access_token"`
		TokenType    string    `json:"token_type,omitempty"`
		RefreshToken string    `json:"refresh_token,omitempty"`
		Expiry       time.Time `json:"expiry,omitempty"`
		ExpiresIn    int64     `json:"expires_in,omitempty"`
	}
	for _, token := range []Token{accessToken(), federatedToken()} {
		var got oauth2Token
		if err := json.Unmarshal([]byte(encode(t, token)), &got); err != nil {
			t.Fatal(err)
		}
		if want := (oauth2Token{AccessToken: planted, TokenType: "Bearer", Expiry: token.Expiry}); got != want {
			t.Errorf("%s: got %v, want %v", token.Kind, got, want)
		}
	}
}

func TestParseReadsWhatEncodeWrote(t *testing.T) {
	t.Parallel()
	for _, want := range []Token{
		accessToken(), federatedToken(), idToken(),
		change(accessToken(), func(t *Token) { t.Scopes = []string{"b", "a"} }),
		change(accessToken(), func(t *Token) { t.UniverseDomain = "" }),
		change(idToken(), func(t *Token) { t.Audience, t.Target = "\u2028\"\\\x00 & ü", "日本" }),
	} {
		got, err := Parse([]byte(encode(t, want)))
		if err != nil {
			t.Fatal(err)
		}
		if !equalTokens(got, want) || got.Expiry != want.Expiry || got.MintedAt != want.MintedAt {
			t.Errorf("got %v, want %v", got, want)
		}
		if encode(t, got) != encode(t, want) {
			t.Errorf("encoded again it differs: %v", got)
		}
	}
}

// edit is a change to a stored document: its field, and the JSON to put there;
// "" takes the field away.
type edit struct{ field, json string }

// edited is the stored form of token with some fields changed.
func edited(t testing.TB, token Token, edits ...edit) string {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(encode(t, token)), &fields); err != nil {
		t.Fatal(err)
	}
	for _, e := range edits {
		if e.json == "" {
			delete(fields, e.field)
		} else {
			fields[e.field] = json.RawMessage(e.json)
		}
	}
	data, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// documents are what Parse and the JSON Schema must agree about. want is a
// part of Parse's error; "" means that the document is good.
type documentTest struct {
	token Token
	edits []edit
	want  string
}

func documentTests() map[string]documentTest {
	access, id := accessToken(), idToken()
	return map[string]documentTest{
		"an access token":    {access, nil, ""},
		"a federated token":  {federatedToken(), nil, ""},
		"an ID token":        {id, nil, ""},
		"an unknown field":   {access, []edit{{"added_later", `{"x":[1]}`}}, ""},
		"no project_id":      {access, []edit{{"project_id", ""}}, ""},
		"no universe_domain": {access, []edit{{"universe_domain", ""}}, ""},
		"a time with offset": {access, []edit{{"expiry", `"2026-01-02T05:04:05+02:00"`}}, ""},
		"a fractional time":  {access, []edit{{"expiry", `"2026-01-02T03:04:05.999999Z"`}}, ""},
		"a version as 1.0":   {access, []edit{{"version", `1.0`}}, ""},

		"no version":                    {access, []edit{{"version", ""}}, `"version" is missing`},
		"a newer version":               {access, []edit{{"version", `2`}, {"target", ""}}, "newer wifmint wrote it"},
		"a version below 1":             {access, []edit{{"version", `0`}}, `"version" is not 1`},
		"a version as a string":         {access, []edit{{"version", `"1"`}}, `"version" is not a number`},
		"a version that is null":        {access, []edit{{"version", `null`}}, `"version" is not a number`},
		"no target":                     {access, []edit{{"target", ""}}, `"target" is missing`},
		"an empty target":               {access, []edit{{"target", `""`}}, `"target" is empty`},
		"a target that is a number":     {access, []edit{{"target", `7`}}, `"target" is not a string`},
		"a target that is null":         {access, []edit{{"target", `null`}}, `"target" is not a string`},
		"no kind":                       {access, []edit{{"kind", ""}}, `"kind" is missing`},
		"an unknown kind":               {access, []edit{{"kind", `"refresh_token"`}}, `"kind" is none of`},
		"no token_type":                 {access, []edit{{"token_type", ""}}, `"token_type" is missing`},
		"a token_type in lower case":    {access, []edit{{"token_type", `"bearer"`}}, `"token_type" is not Bearer`},
		"no access_token":               {access, []edit{{"access_token", ""}}, `"access_token" is missing`},
		"an access_token in capitals":   {access, []edit{{"access_token", ""}, {"Access_Token", `"x"`}}, `"access_token" is missing`},
		"an empty access_token":         {access, []edit{{"access_token", `""`}}, `"access_token" is empty`},
		"an access_token with newline":  {access, []edit{{"access_token", `"x\ny"`}}, `"access_token" is empty or not plain ASCII`},
		"an access_token that is ü":     {access, []edit{{"access_token", `"ü"`}}, `"access_token" is empty or not plain ASCII`},
		"an access_token that is array": {access, []edit{{"access_token", `["x"]`}}, `"access_token" is not a string`},
		"an access_token's fingerprint": {access, []edit{{"access_token", `"sha256:0123456789ab"`}}, "fingerprint"},
		"an ID token in access_token":   {access, []edit{{"kind", `"id_token"`}}, `"id_token" is missing`},
		"no scopes":                     {access, []edit{{"scopes", ""}}, `"scopes" is missing`},
		"empty scopes":                  {access, []edit{{"scopes", `[]`}}, `"scopes" is empty`},
		"an empty scope":                {access, []edit{{"scopes", `["a",""]`}}, `"scopes" has a scope that is empty`},
		"two scopes in one":             {access, []edit{{"scopes", `["a b"]`}}, `"scopes" has a scope`},
		"a scope that is null":          {access, []edit{{"scopes", `[null]`}}, `"scopes" is not an array of strings`},
		"a scope that is a number":      {access, []edit{{"scopes", `[1]`}}, `"scopes" is not an array of strings`},
		"scopes as a string":            {access, []edit{{"scopes", `"a"`}}, `"scopes" is not an array of strings`},
		"scopes that are null":          {access, []edit{{"scopes", `null`}}, `"scopes" is not an array of strings`},
		"an access token with audience": {access, []edit{{"audience", `"x"`}}, `"audience" does not belong`},
		"both kinds of token":           {access, []edit{{"id_token", `"x"`}}, `"id_token" does not belong`},
		"no expiry":                     {access, []edit{{"expiry", ""}}, `"expiry" is missing`},
		"an expiry in seconds":          {access, []edit{{"expiry", `1767323045`}}, `"expiry" is not a string`},
		"an expiry without a zone":      {access, []edit{{"expiry", `"2026-01-02T03:04:05"`}}, `"expiry" is not an RFC 3339 time`},
		"an expiry in month 13":         {access, []edit{{"expiry", `"2026-13-02T03:04:05Z"`}}, `"expiry" is not an RFC 3339 time`},
		"a minted_at with a blank":      {access, []edit{{"minted_at", `"2026-01-02 02:04:05Z"`}}, `"minted_at" is not an RFC 3339 time`},
		"a minted_at before 1970":       {access, []edit{{"minted_at", `"0001-01-01T00:00:00Z"`}}, `"minted_at" is not in the years`},
		"no principal":                  {access, []edit{{"principal", ""}}, `"principal" is missing`},
		"an empty principal":            {access, []edit{{"principal", `""`}}, `"principal" is empty`},
		"a project_id that is null":     {access, []edit{{"project_id", `null`}}, `"project_id" is not a string`},
		"a universe_domain of a number": {access, []edit{{"universe_domain", `1`}}, `"universe_domain" is not a string`},
		"no id_token":                   {id, []edit{{"id_token", ""}}, `"id_token" is missing`},
		"no audience":                   {id, []edit{{"audience", ""}}, `"audience" is missing`},
		"an empty audience":             {id, []edit{{"audience", `""`}}, `"audience" is empty`},
		"an ID token with scopes":       {id, []edit{{"scopes", `["a"]`}}, `"scopes" does not belong`},
		"an access token in id_token":   {id, []edit{{"kind", `"federated"`}}, `"access_token" is missing`},
	}
}

func TestParseNamesTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tc := range documentTests() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := Parse([]byte(edited(t, tc.token, tc.edits...)))
			switch {
			case tc.want == "":
				if err != nil || !token.Value.Equal(tc.token.Value) {
					t.Errorf("got %v, %v", token, err)
				}
			case err == nil:
				t.Errorf("got no error, want one with %q", tc.want)
			case !strings.Contains(err.Error(), tc.want) || !token.Value.IsZero():
				t.Errorf("got %v, %q, want an error with %q", token, err, tc.want)
			}
		})
	}
}

func TestParseRefusesAnythingElseWithoutQuotingIt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ data, want string }{
		"nothing":                          {"", "not JSON"},
		"a bare password":                  {planted, "not JSON"},
		"a bare token in quotes":           {`"` + planted + `"`, "not a JSON object"},
		"an array":                         {`["` + planted + `"]`, "not a JSON object"},
		"null":                             {"null", "not a JSON object"},
		"half a document":                  {encode(t, accessToken())[:120], "not JSON"},
		"a document and more":              {encode(t, accessToken()) + "\n" + planted, "not JSON"},
		"text that is not UTF-8":           {strings.Replace(encode(t, accessToken()), "reports", "\xff", 1), "not UTF-8"},
		"a token where the version goes":   {edited(t, accessToken(), edit{"version", `"` + planted + `"`}), `"version"`},
		"a token where the kind goes":      {edited(t, accessToken(), edit{"kind", `"` + planted + `"`}), `"kind"`},
		"a token where the type goes":      {edited(t, accessToken(), edit{"token_type", `"` + planted + `"`}), `"token_type"`},
		"a token where the time goes":      {edited(t, accessToken(), edit{"expiry", `"` + planted + `"`}), `"expiry"`},
		"a token in an object":             {edited(t, accessToken(), edit{"access_token", `{"v":"` + planted + `"}`}), `"access_token"`},
		"somebody else's secret":           {`{"username":"admin","password":"` + planted + `"}`, `"version" is missing`},
		"an expiry no later than the mint": {edited(t, accessToken(), edit{"expiry", `"2026-01-02T02:04:05.9Z"`}), "check the clock"},
		"a year beyond 9999 in UTC":        {edited(t, accessToken(), edit{"expiry", `"9999-12-31T23:59:59-01:00"`}), "years 1970 to 9999"},
		"one byte more than a secret has":  {encode(t, accessToken()) + strings.Repeat(" ", MaxSize), "larger than a secret can hold"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := Parse([]byte(tc.data))
			if err == nil {
				t.Fatalf("got %v, want an error", token)
			}
			if !strings.HasPrefix(err.Error(), "parsing stored token: ") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, want an error with %q", err, tc.want)
			}
			// Not even in part: encoding/json quotes the character it stumbles over.
			for _, part := range []string{planted, "ya29", "planted", "'y'", "admin", "hunter"} {
				if strings.Contains(err.Error(), part) {
					t.Errorf("%q is in the error %q", part, err)
				}
			}
		})
	}
}

func TestEncodeRefusesWhatParseWould(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Token)
		want   string
	}{
		"no target":                  {func(t *Token) { t.Target = "" }, `"target"`},
		"a target that is not UTF-8": {func(t *Token) { t.Target = "\xff" }, `"target" is not UTF-8`},
		"no kind":                    {func(t *Token) { t.Kind = "" }, `"kind"`},
		"no token type":              {func(t *Token) { t.TokenType = "" }, `"token_type"`},
		"no token":                   {func(t *Token) { t.Value = secret.Text{} }, `"access_token" is empty`},
		"a masked token":             {func(t *Token) { t.Value = secret.New(t.Value.String()) }, "fingerprint"},
		"no expiry":                  {func(t *Token) { t.Expiry = time.Time{} }, `"expiry"`},
		"an expiry before the mint":  {func(t *Token) { t.Expiry = t.MintedAt.Add(-time.Second) }, `"expiry"`},
		"an expiry in the same second": {func(t *Token) {
			t.Expiry = t.MintedAt.Add(999 * time.Millisecond)
		}, `"expiry"`},
		"no mint time":                {func(t *Token) { t.MintedAt = time.Time{} }, `"minted_at"`},
		"no principal":                {func(t *Token) { t.Principal = "" }, `"principal"`},
		"no scopes":                   {func(t *Token) { t.Scopes = nil }, `"scopes"`},
		"a scope that is not ASCII":   {func(t *Token) { t.Scopes = []string{"\xff"} }, `"scopes"`},
		"an audience with scopes":     {func(t *Token) { t.Audience = "x" }, `"audience"`},
		"an ID token with scopes":     {func(t *Token) { t.Kind, t.Audience = IDToken, "x" }, `"scopes"`},
		"an ID token without aud":     {func(t *Token) { t.Kind, t.Scopes = IDToken, nil }, `"audience"`},
		"a project that is not UTF-8": {func(t *Token) { t.ProjectID = "\xff" }, `"project_id"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := change(accessToken(), tc.change).Encode()
			if err == nil || data != nil {
				t.Fatalf("got %s, %v, want an error", data, err)
			}
			if !strings.HasPrefix(err.Error(), "encoding stored token: ") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, want an error with %q", err, tc.want)
			}
			if strings.Contains(err.Error(), planted) {
				t.Errorf("the token is in %q", err)
			}
		})
	}
}

func TestEncodeFillsASecretToTheLastByteAndNoFurther(t *testing.T) {
	t.Parallel()
	room := MaxSize - len(encode(t, accessToken()))
	full := change(accessToken(), func(t *Token) { t.Value = secret.New(planted + strings.Repeat("x", room)) })
	data := encode(t, full)
	if len(data) != MaxSize {
		t.Fatalf("%d bytes, want %d", len(data), MaxSize)
	}
	if _, err := Parse([]byte(data)); err != nil {
		t.Errorf("Parse refuses it: %v", err)
	}
	full.Value = secret.New(full.Value.Reveal() + "x")
	if _, err := full.Encode(); !errors.Is(err, errTooLarge) {
		t.Errorf("one byte more: %v, want errTooLarge", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, token := range []Token{accessToken(), federatedToken(), idToken()} {
		for _, seed := range hostilejson.Seeds(encode(f, token)) {
			f.Add(seed)
		}
	}
	f.Add(`{"version":2}`)
	f.Add(`null`)
	f.Add(edited(f, idToken(), edit{"expiry", `"0000-01-01T00:00:00+23:59"`}))
	f.Fuzz(func(t *testing.T, data string) {
		token, err := Parse([]byte(data))
		if err != nil {
			return
		}
		again, err := token.Encode()
		if errors.Is(err, errTooLarge) {
			return // escapes can make it longer than it was
		}
		if err != nil {
			t.Fatalf("Parse took what Encode refuses: %v", err)
		}
		back, err := Parse(again)
		if err != nil || !equalTokens(back, token) {
			t.Fatalf("Parse(Encode(t)) = %v, %v, want %v", back, err, token)
		}
		if encode(t, back) != string(again) {
			t.Fatal("equal tokens encode differently")
		}
	})
}
