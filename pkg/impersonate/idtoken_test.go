package impersonate_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/impersonate"
)

var idTokenRequest = impersonate.IDTokenRequest{ServiceAccount: reports, Audience: service}

func TestIDTokenExpiresWhenItSays(t *testing.T) {
	t.Parallel()
	for _, lifetime := range []time.Duration{time.Hour, 30 * time.Minute, 90 * time.Second, 2*time.Hour + time.Second, 12 * time.Hour} {
		t.Run(lifetime.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(123456789 * time.Nanosecond)
				cloud := newCloud(fakecloud.ServiceAccount{Email: reports, IDTokenLifetime: lifetime})
				token, err := client(cloud).IDToken(t.Context(), federate(t, cloud), idTokenRequest)
				if err != nil {
					t.Fatal(err)
				}
				issued, valid := cloud.LookupToken(token.Value.Reveal())
				if !valid || issued.Kind != fakecloud.IDToken || issued.Principal != reports || issued.Audience != service {
					t.Errorf("issued %v %+v", valid, issued)
				}
				if want := time.Now().Add(lifetime).Truncate(time.Second).UTC(); token.Expiry != want {
					t.Errorf("expiry %v, want %v", token.Expiry, want)
				}
			})
		})
	}
}

func TestIDTokenSaysTheEmailIfAsked(t *testing.T) {
	t.Parallel()
	cloud := newCloud(fakecloud.ServiceAccount{Email: reports})
	for _, include := range []bool{false, true} {
		req := idTokenRequest
		req.IncludeEmail = include
		token, err := client(cloud).IDToken(t.Context(), federate(t, cloud), req)
		if err != nil {
			t.Fatal(err)
		}
		if email := claimsOf(t, token.Value.Reveal())["email"]; (email == reports) != include {
			t.Errorf("IncludeEmail %v: email %v", include, email)
		}
	}
}

// claimsOf reads a JWT.
func claimsOf(t *testing.T, token string) (claims map[string]any) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil || json.Unmarshal(text, &claims) != nil {
		t.Fatalf("not a JWT: %s", token)
	}
	return claims
}

func TestAnIDTokenThatCannotBeForAnyoneIsNotAskedFor(t *testing.T) {
	t.Parallel()
	for text, req := range map[string]impersonate.IDTokenRequest{
		"Audience is empty": {ServiceAccount: reports},
		"ServiceAccount":    {ServiceAccount: ada, Audience: service},
		"Delegates[0]":      {ServiceAccount: reports, Delegates: []string{""}, Audience: service},
	} {
		_, err := client(silent(t)).IDToken(t.Context(), bearer, req)
		if e := asError(t, err); e.Code != "invalid_request" || !strings.Contains(e.Message, text) {
			t.Errorf("got %v, want something about %s", err, text)
		}
	}
}

// jwt is a JWT with those claims, and a signature that no one made.
func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
}

// idTokenAnswer is generateIdToken's answer.
func idTokenAnswer(token string) string {
	body, err := json.Marshal(map[string]string{"token": token})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func TestIDTokenAnswersThatAreBelieved(t *testing.T) {
	t.Parallel()
	exp := now.Add(time.Hour).Unix()
	for name, tc := range map[string]struct {
		claims string
		want   time.Time
	}{
		"usual":                         {fmt.Sprintf(`{"aud":%q,"exp":%d,"iss":"https://accounts.google.com"}`, service, exp), now.Add(time.Hour)},
		"aud a list of one":             {fmt.Sprintf(`{"aud":[%q],"exp":%d}`, service, exp), now.Add(time.Hour)},
		"exp with a fraction":           {fmt.Sprintf(`{"aud":%q,"exp":%d.9}`, service, exp), now.Add(time.Hour)},
		"exp with an exponent":          {fmt.Sprintf(`{"aud":%q,"exp":%de0}`, service, exp), now.Add(time.Hour)},
		"a second before it expires":    {fmt.Sprintf(`{"aud":%q,"exp":%d}`, service, now.Unix()+1), now.Add(time.Second)},
		"seen by a clock that is slow":  {fmt.Sprintf(`{"aud":%q,"exp":%d}`, service, now.Unix()+44100), now.Add(12*time.Hour + 15*time.Minute)},
		"an audience in other escaping": {fmt.Sprintf(`{"aud":"https:\/\/api.example.run.app","exp":%d}`, exp), now.Add(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := jwt(tc.claims)
			token, err := atNow(answering(200, idTokenAnswer(want))).IDToken(t.Context(), bearer, idTokenRequest)
			if err != nil || token.Value.Reveal() != want || token.Expiry != tc.want {
				t.Errorf("got %v, %v; want expiry %v", token, err, tc.want)
			}
		})
	}
}

func TestIDTokenAnswersThatAreNot(t *testing.T) {
	t.Parallel()
	good := jwt(fmt.Sprintf(`{"aud":%q,"exp":%d}`, service, now.Add(time.Hour).Unix()))
	parts := strings.Split(good, ".")
	with := func(aud, exp string) string { return idTokenAnswer(jwt(`{"aud":` + aud + `,"exp":` + exp + `}`)) }
	audience, exp := fmt.Sprintf("%q", service), fmt.Sprint(now.Add(time.Hour).Unix())
	for name, tc := range map[string]struct{ body, text string }{
		"nothing":                      {"", "not a JSON object"},
		"an access token's answer":     {`{"accessToken":"` + good + `"}`, "no token"},
		"an empty token":               {`{"token":""}`, "no token"},
		"a token that is an object":    {`{"token":{}}`, "token has the wrong JSON type"},
		"an access token":              {idTokenAnswer("ya29.c.x"), "not a JWT"},
		"two parts":                    {idTokenAnswer(parts[0] + "." + parts[1]), "not a JWT"},
		"four parts":                   {idTokenAnswer(good + ".x"), "not a JWT"},
		"no signature":                 {idTokenAnswer(parts[0] + "." + parts[1] + "."), "not a JWT"},
		"a signature in other base64":  {idTokenAnswer(parts[0] + "." + parts[1] + ".a+b/"), "not a JWT"},
		"no header":                    {idTokenAnswer("." + parts[1] + "." + parts[2]), "not a JWT"},
		"a header without an alg":      {idTokenAnswer("e30." + parts[1] + "." + parts[2]), "not a JWT"},
		"padding":                      {idTokenAnswer(parts[0] + "." + parts[1] + "." + parts[2] + "="), "not a JWT"},
		"a line break":                 {idTokenAnswer(parts[0] + "." + parts[1] + ".\n" + parts[2]), "not a JWT"},
		"claims that are a list":       {idTokenAnswer(jwt("[1]")), "not a JWT"},
		"claims that are broken off":   {idTokenAnswer(jwt(`{"aud":`)), "not a JWT"},
		"another audience":             {with(`"https://other.example"`, exp), "another audience"},
		"an audience that is longer":   {with(`"`+service+`/"`, exp), "another audience"},
		"no audience":                  {idTokenAnswer(jwt(`{"exp":` + exp + `}`)), "another audience"},
		"an audience that is null":     {with("null", exp), "another audience"},
		"an audience that is a number": {with("1", exp), "another audience"},
		"two audiences":                {with(`[`+audience+`,"https://other.example"]`, exp), "another audience"},
		"an empty list of audiences":   {with(`[]`, exp), "another audience"},
		"another audience in a list":   {with(`["https://other.example"]`, exp), "another audience"},
		"no exp":                       {idTokenAnswer(jwt(`{"aud":` + audience + `}`)), "no exp"},
		"exp null":                     {with(audience, "null"), "no exp"},
		"exp in quotes":                {with(audience, `"`+exp+`"`), "not a JWT"},
		"exp negative":                 {with(audience, "-1"), "no exp"},
		"exp in milliseconds":          {with(audience, exp+"000"), "no exp"},
		"exp in years beyond counting": {with(audience, "1e300"), "no exp"},
		"exp beyond floating point":    {with(audience, "1e999"), "not a JWT"},
		"exp now":                      {with(audience, fmt.Sprint(now.Unix())), "the exp of the answer's token, 2026-01-02T02:04:05Z, is past"},
		"exp within this second":       {with(audience, fmt.Sprint(now.Unix())+".9"), "is past"},
		"exp past":                     {with(audience, "0"), "1970-01-01T00:00:00Z, is past"},
		"exp too far off":              {with(audience, fmt.Sprint(now.Unix()+44101)), "is more than 12h0m0s away"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantDisbelieved(t, "IDToken", tc.body, tc.text, parts[1], "other.example")
		})
	}
}
