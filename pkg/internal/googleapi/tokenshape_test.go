package googleapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/secret"
)

// Each token was in no request, so that only its looks give it away.
func TestATokenThatWasNeverSentIsInNoError(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJQTEFOVEVEIn0.PLANTED_-c2lnbmF0dXJl"
	const refresh = "1//0gPLANTEDrefreshTOKEN-_0123456789"
	const session = "IQoJb3JpZ2luX2VjPLANTED+/PLANTED=="
	for _, token := range []string{"ya29.PLANTED", "ya29.d.b0-_PLANTEDtoken", jwt, refresh, url.QueryEscape(refresh), session, url.QueryEscape(session)} {
		for place, reply := range map[string]roundTripper{
			"error_description":         always(400, `{"error":"invalid_grant","error_description":"the token `+token+` is bad"}`),
			"the error code":            always(400, `{"error":"`+token+`"}`),
			"error_uri":                 always(400, `{"error":"e","error_uri":"https://x/?token=`+token+`"}`),
			"Google's message":          always(403, `{"error":{"code":403,"message":"in '`+token+`'","status":"PERMISSION_DENIED"}}`),
			"a form in plain text":      always(502, "access_token="+token+"&token_type=Bearer"),
			"plain text":                always(500, "Bearer "+token),
			"the host of a redirect":    always(302, "", "Location", "https://"+strings.ReplaceAll(token, "/", "")+".example/"),
			"an error of the transport": func(*http.Request) (*http.Response, error) { return nil, errors.New("sending " + token) },
			"an error within an answer": func(*http.Request) (*http.Response, error) { return brokenBody("reading " + token), nil },
		} {
			if place == "the host of a redirect" && !strings.HasPrefix(token, "ya29.") {
				continue // a host has no capital letters to tell a JWT by
			}
			c := Caller{MaxAttempts: 1, HTTPClient: client(reply)}
			_, err := c.Call(t.Context(), get)
			asError(t, err)
			for ; err != nil; err = errors.Unwrap(err) {
				if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, "PLANTED") {
					t.Errorf("%s as %s is in %q", token, place, text)
				}
			}
		}
	}
}

func TestHidingTokensLeavesTheRest(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"the token ya29.d.abc_-X is bad":   "the token [masked] is bad",
		"'ya29.a', \"ya29.b\"":             `'[masked]', "[masked]"`,
		"access_token=ya29.abc&expires=1":  "access_token=[masked]&expires=1",
		"ya29.a ya29.b":                    "[masked] [masked]",
		"a token looks like ya29.… or so":  "a token looks like ya29.… or so",
		"eyJ is how a JWT begins":          "eyJ is how a JWT begins",
		"https://sts.googleapis.com/v1//x": "https://sts.googleapis.com/v1//x",
		"":                                 "",
	} {
		if got := hideTokens(text); got != want {
			t.Errorf("of %q is left %q, want %q", text, got, want)
		}
	}
}

func TestQuoteHidesWhatItIsTold(t *testing.T) {
	t.Parallel()
	value := secret.New("PLANTED-0123456789-PLANTED")
	got := Quote("Value '{\"access_token\":\"PLANTED-0123456789-PLANTED\"}'\n at 'secretString' \x1b failed "+strings.Repeat("x", 600), value, secret.New("pw1"))
	if want := `Value '{"access_token":"[masked]"}' at 'secretString' failed x`; !strings.HasPrefix(got, want) || len(got) > 510 {
		t.Errorf("got %q, want %q…", got, want)
	}
}
