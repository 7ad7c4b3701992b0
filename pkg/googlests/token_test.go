package googlests_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
)

// with is goodAnswer with one field set to some JSON, or taken out for "".
func with(field, value string) string {
	fields := []string{
		"access_token", `"ya29.d.token"`, "issued_token_type", `"` + accessType + `"`, "token_type", `"Bearer"`, "expires_in", "3599",
	}
	var b strings.Builder
	for i := 0; i < len(fields); i += 2 {
		if fields[i] != field {
			fmt.Fprintf(&b, `%q:%s,`, fields[i], fields[i+1])
		}
	}
	if value != "" {
		fmt.Fprintf(&b, `%q:%s,`, field, value)
	}
	return "{" + strings.TrimSuffix(b.String(), ",") + "}"
}

func TestAnswersThatAreBelieved(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body    string
		seconds int
		scopes  []string
		refresh string
	}{
		"usual":                         {body: goodAnswer},
		"expires_in in quotes":          {body: with("expires_in", `"3599"`)},
		"expires_in with a fraction":    {body: with("expires_in", `3599.9`)},
		"expires_in with an exponent":   {body: with("expires_in", `3.599e3`)},
		"expires_in of a second":        {body: with("expires_in", `1`), seconds: 1},
		"expires_in of 12 hours":        {body: with("expires_in", `43200`), seconds: 43200},
		"token_type in lower case":      {body: with("token_type", `"bearer"`)},
		"no issued_token_type":          {body: with("issued_token_type", "")},
		"a scope":                       {body: with("scope", `"a  b"`), scopes: []string{"a", "b"}},
		"a refresh token":               {body: with("refresh_token", `"1//r"`), refresh: "1//r"},
		"fields that nobody knows":      {body: with("id_token", `{"a":[1,2]}`)},
		"white space around":            {body: "\r\n" + goodAnswer + "\n"},
		"a scope that is null":          {body: with("scope", `null`)},
		"escapes within the token":      {body: with("access_token", `"ya29\u002ed.token"`)},
		"the longest lifetime believed": {body: with("expires_in", `43200`), seconds: 43200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.seconds == 0 {
				tc.seconds = 3599
			}
			if tc.scopes == nil {
				tc.scopes = request().Scopes
			}
			now := time.Date(2026, 1, 2, 3, 4, 5, 900e6, time.FixedZone("east", 3600))
			c := client(answering(200, tc.body))
			c.Now = func() time.Time { return now }
			token, err := c.Exchange(t.Context(), request())
			if err != nil {
				t.Fatal(err)
			}
			wantExpiry := time.Date(2026, 1, 2, 2, 4, 5+tc.seconds, 0, time.UTC)
			if token.Expiry != wantExpiry {
				t.Errorf("expiry %v, want %v", token.Expiry, wantExpiry)
			}
			if token.AccessToken.Reveal() != "ya29.d.token" || token.TokenType != "Bearer" || token.IssuedTokenType != accessType {
				t.Errorf("got %+v", token)
			}
			if !slices.Equal(token.Scopes, tc.scopes) || token.RefreshToken.Reveal() != tc.refresh {
				t.Errorf("scopes %q, refresh token %q", token.Scopes, token.RefreshToken.Reveal())
			}
			if text := fmt.Sprintf("%v %+v %#v %s", token, token, token, token); strings.Contains(text, "ya29") || strings.Contains(text, "1//r") {
				t.Errorf("printing shows the token: %s", text)
			}
		})
	}
}

func TestAnswersThatAreNot(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ body, text string }{
		"nothing":                             {"", "not a JSON object"},
		"a page of HTML":                      {"<html>sign in</html>", "not a JSON object"},
		"null":                                {"null", "not a JSON object"},
		"a list":                              {"[" + goodAnswer + "]", "not a JSON object"},
		"a string":                            {`"ya29.d.token"`, "not a JSON object"},
		"truncated JSON":                      {goodAnswer[:len(goodAnswer)-10], "not a JSON object"},
		"something after it":                  {goodAnswer + goodAnswer, "not a JSON object"},
		"an error with a good status":         {`{"error":"invalid_grant"}`, "no access_token"},
		"no access_token":                     {with("access_token", ""), "no access_token"},
		"an empty access_token":               {with("access_token", `""`), "no access_token"},
		"access_token null":                   {with("access_token", `null`), "no access_token"},
		"access_token a number":               {with("access_token", `12`), "access_token has the wrong JSON type"},
		"access_token with a line break":      {with("access_token", `"ya29.\r\nX-Evil: 1"`), "no header"},
		"access_token with a space":           {with("access_token", `" ya29"`), "no header"},
		"access_token not in ASCII":           {with("access_token", `"yä29"`), "no header"},
		"no token_type":                       {with("token_type", ""), "token_type"},
		"another token_type":                  {with("token_type", `"DPoP"`), "token_type is not Bearer"},
		"token_type a list":                   {with("token_type", `["Bearer"]`), "token_type has the wrong"},
		"another issued_token_type":           {with("issued_token_type", `"urn:ietf:params:oauth:token-type:jwt"`), "issued_token_type"},
		"no expires_in":                       {with("expires_in", ""), "no expires_in"},
		"expires_in null":                     {with("expires_in", "null"), "no expires_in"},
		"expires_in empty":                    {with("expires_in", `""`), "no expires_in"},
		"expires_in zero":                     {with("expires_in", "0"), "expires_in is 0"},
		"expires_in less than a second":       {with("expires_in", "0.9"), "expires_in is 0.9"},
		"expires_in negative":                 {with("expires_in", "-3599"), "expires_in is -3599"},
		"expires_in of twelve hours and more": {with("expires_in", "43201"), "between 1 and 43200"},
		"expires_in beyond 64 bits":           {with("expires_in", "1e300"), "between 1"},
		"expires_in beyond floating point":    {with("expires_in", "1e999"), "between 1"},
		"expires_in negative without bound":   {with("expires_in", "-1e999"), "between 1"},
		"expires_in infinite":                 {with("expires_in", `"Inf"`), "between 1"},
		"expires_in no number":                {with("expires_in", `"NaN"`), "between 1"},
		"expires_in a word":                   {with("expires_in", `"soon"`), "not a number"},
		"expires_in true":                     {with("expires_in", "true"), "not a number"},
		"expires_in an object":                {with("expires_in", `{"seconds":3599}`), "not a number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			c := client(func(*http.Request) (*http.Response, error) { calls++; return response(200, tc.body), nil })
			token, err := c.Exchange(t.Context(), request())
			e := asError(t, err)
			if e.Code != "invalid_response" || e.HTTPStatus != 200 || e.Retryable || !strings.Contains(e.Description, tc.text) {
				t.Errorf("got %v, want something about %q", err, tc.text)
			}
			if !token.AccessToken.IsZero() || calls != 1 {
				t.Errorf("token %v after %d calls", token, calls)
			}
			if strings.Contains(err.Error(), "ya29") {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

func TestIssuedTokenTypeIsComparedWithTheRequestedOne(t *testing.T) {
	t.Parallel()
	const intermediate = "urn:ietf:params:oauth:token-type:access_boundary_intermediate_token"
	req := request()
	req.RequestedTokenType = intermediate
	if _, err := client(answering(200, goodAnswer)).Exchange(t.Context(), req); err == nil {
		t.Error("an access token was believed to be an intermediate one")
	}
	token, err := client(answering(200, with("issued_token_type", `"`+intermediate+`"`))).Exchange(t.Context(), req)
	if err != nil || token.IssuedTokenType != intermediate {
		t.Errorf("got %v, %v", token, err)
	}
}

// Expiry counts from when the request left, after the subject token was made.
func TestExpiryIsNeverLaterThanGooglesOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		req := request()
		req.SubjectToken = func(context.Context) (secret.Text, error) {
			time.Sleep(2 * time.Second)
			return secret.New("s"), nil
		}
		c := client(func(*http.Request) (*http.Response, error) {
			time.Sleep(3 * time.Second)
			return response(200, goodAnswer), nil
		})
		token, err := c.Exchange(t.Context(), req)
		if want := start.Add((2 + 3599) * time.Second); err != nil || !token.Expiry.Equal(want) {
			t.Errorf("expiry %v, want %v: %v", token.Expiry, want, err)
		}
		c = client(func(*http.Request) (*http.Response, error) {
			time.Sleep(3 * time.Second)
			return response(200, with("expires_in", "3")), nil
		})
		if _, err := c.Exchange(t.Context(), req); err == nil || !strings.Contains(err.Error(), "had expired when it came") {
			t.Errorf("got %v", err)
		}
	})
}
