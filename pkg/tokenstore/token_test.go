package tokenstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
)

// planted is the token itself in every test: nothing but Encode may show it.
const planted = "ya29.planted-token-value"

var mintTime = time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC)

func accessToken() Token {
	return Token{
		Target:         "reports",
		Kind:           AccessToken,
		TokenType:      "Bearer",
		Value:          secret.New(planted),
		Expiry:         mintTime.Add(time.Hour),
		MintedAt:       mintTime,
		Principal:      "reports@p.iam.gserviceaccount.com",
		Scopes:         []string{"https://www.googleapis.com/auth/bigquery"},
		ProjectID:      "p",
		UniverseDomain: "googleapis.com",
	}
}

func federatedToken() Token {
	t := accessToken()
	t.Kind = Federated
	t.Principal = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws"
	t.ProjectID = ""
	return t
}

func idToken() Token {
	t := accessToken()
	t.Kind = IDToken
	t.Scopes, t.Audience = nil, "https://api.example.run.app?a=1&b=<2>"
	return t
}

// equalTokens compares by content: two equal Texts are not == .
func equalTokens(t, u Token) bool {
	return t.SameIdentity(u) && t.Value.Equal(u.Value) &&
		t.Target == u.Target && t.TokenType == u.TokenType &&
		t.Expiry.Equal(u.Expiry) && t.MintedAt.Equal(u.MintedAt) &&
		t.ProjectID == u.ProjectID && t.UniverseDomain == u.UniverseDomain
}

func TestTokensWithTheSameIdentityCanStandInForEachOther(t *testing.T) {
	t.Parallel()
	two := accessToken()
	two.Scopes = []string{"b", "a"}
	for name, tc := range map[string]struct {
		a, b Token
		same bool
	}{
		"one that was only minted later is the same": {accessToken(), change(accessToken(), func(t *Token) {
			t.Value, t.MintedAt, t.Expiry = secret.New("other"), mintTime.Add(1), mintTime.Add(2)
		}), true},
		"the order of scopes does not matter": {two, change(two, func(t *Token) { t.Scopes = []string{"a", "b"} }), true},
		"a scope said twice is said once":     {two, change(two, func(t *Token) { t.Scopes = []string{"a", "b", "a"} }), true},
		"a scope more is another":             {two, change(two, func(t *Token) { t.Scopes = []string{"a", "b", "c"} }), false},
		"another principal is another":        {two, change(two, func(t *Token) { t.Principal = "x" }), false},
		"another kind is another":             {two, change(two, func(t *Token) { t.Kind = Federated }), false},
		"another audience is another":         {idToken(), change(idToken(), func(t *Token) { t.Audience = "x" }), false},
		"the same ID token is the same":       {idToken(), idToken(), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.a.SameIdentity(tc.b); got != tc.same {
				t.Errorf("SameIdentity = %v, want %v", got, tc.same)
			}
			if got := tc.b.SameIdentity(tc.a); got != tc.same {
				t.Errorf("the other way round SameIdentity = %v, want %v", got, tc.same)
			}
		})
	}
}

func change(t Token, f func(*Token)) Token {
	f(&t)
	return t
}

func TestTimesThatCannotBeTrueAreNotCredible(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		minted, expiry time.Duration // from now
		want           bool
	}{
		"just minted":                          {0, time.Hour, true},
		"about to expire":                      {-time.Hour, 1, true},
		"expired long ago":                     {-1000 * time.Hour, -999 * time.Hour, true},
		"minted by a clock that is fast":       {5 * time.Minute, time.Hour, true},
		"minted by a clock that is wrong":      {5*time.Minute + time.Second, time.Hour, false},
		"minted tomorrow":                      {24 * time.Hour, 25 * time.Hour, false},
		"with Google's longest lifetime":       {0, 12 * time.Hour, true},
		"with that, minted by a slow clock":    {-15 * time.Minute, 12 * time.Hour, true},
		"with a longer lifetime than there is": {0, 12*time.Hour + 15*time.Minute + time.Second, false},
		"good for twenty years":                {0, 20 * 365 * 24 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token := change(accessToken(), func(t *Token) { t.MintedAt, t.Expiry = mintTime.Add(tc.minted), mintTime.Add(tc.expiry) })
			if got := token.Credible(mintTime); got != tc.want {
				t.Errorf("Credible = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestNothingButEncodeShowsTheToken(t *testing.T) {
	t.Parallel()
	type holder struct {
		unexported Token
		Current    Current
	}
	token := accessToken()
	h := holder{token, Current{SecretID: "s", VersionID: "v", Token: token}}

	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T"} {
		fmt.Fprintf(&out, verb+verb+verb+verb+"\n", token, &token, h, WriteResult{Written, h.Current})
	}
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("json", "token", token, "pointer", &token, "holder", h, "result", ReadResult{Current: h.Current})
	log = slog.New(slog.NewTextHandler(&out, nil))
	log.Info("text", "token", token, "pointer", &token, "holder", h, "result", ReadResult{Current: h.Current})
	marshalled, err := json.Marshal([]any{token, &token, h, map[string]Token{"t": token}})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(marshalled)

	hex := fmt.Sprintf("%x", planted)
	for _, leak := range []string{planted, hex, strings.ToUpper(hex)} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("the token is shown as %q in:\n%s", leak, out.String())
		}
	}
	if !strings.Contains(out.String(), token.Value.Fingerprint()) {
		t.Error("the fingerprint is not shown")
	}
}

func TestMarshalledTokenLooksLikeTheStoredOneButCannotBeStored(t *testing.T) {
	t.Parallel()
	for _, token := range []Token{accessToken(), federatedToken(), idToken()} {
		stored, err := token.Encode()
		if err != nil {
			t.Fatal(err)
		}
		masked, err := json.Marshal(token)
		if err != nil {
			t.Fatal(err)
		}
		if want := bytes.ReplaceAll(stored, []byte(planted), []byte(token.Value.String())); !sameJSON(t, masked, want) {
			t.Errorf("json.Marshal gives\n%s, want\n%s", masked, want)
		}
		if _, err := Parse(masked); err == nil {
			t.Errorf("Parse took a masked token: %s", masked)
		}
	}
	if _, err := json.Marshal(Token{}); err != nil {
		t.Errorf("a zero Token cannot be logged: %v", err)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var compactA, compactB bytes.Buffer
	for buffer, data := range map[*bytes.Buffer][]byte{&compactA: a, &compactB: b} {
		var v any
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		if err := json.NewEncoder(buffer).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	return bytes.Equal(compactA.Bytes(), compactB.Bytes())
}
