package googlests_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/internal/hostilejson"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/secret"
)

func refreshRequest() googlests.RefreshRequest {
	return googlests.RefreshRequest{RefreshToken: secret.New(userRefreshToken)}
}

func TestRefreshGivesATokenOfTheUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cloud := loggedIn(fakecloud.WorkforceUser{TokenLifetime: 20 * time.Minute})
		for range 2 { // the refresh token stays good
			start := time.Now()
			token, err := userSTS(cloud).Refresh(t.Context(), refreshRequest())
			if err != nil {
				t.Fatal(err)
			}
			issued, valid := cloud.LookupToken(token.AccessToken.Reveal())
			if !valid || issued.Principal != "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/ada" {
				t.Errorf("got a token of %q, valid: %v", issued.Principal, valid)
			}
			if want := start.Add(20 * time.Minute).UTC(); token.Expiry != want || token.TokenType != "Bearer" || token.IssuedTokenType != accessType {
				t.Errorf("got %+v, want expiry %v", token, want)
			}
			if !slices.Equal(token.Scopes, []string{"https://www.googleapis.com/auth/cloud-platform"}) || !token.RefreshToken.IsZero() {
				t.Errorf("scopes %q, refresh token %v", token.Scopes, token.RefreshToken)
			}
		}
	})
}

func TestARotatedRefreshTokenIsHandedBack(t *testing.T) {
	t.Parallel()
	cloud := loggedIn(fakecloud.WorkforceUser{Rotate: true})
	sts := userSTS(cloud)
	req := refreshRequest()
	for range 3 {
		token, err := sts.Refresh(t.Context(), req)
		if err != nil || token.RefreshToken.IsZero() || token.RefreshToken.Equal(req.RefreshToken) {
			t.Fatalf("got %v, %v", token, err)
		}
		if text := fmt.Sprintf("%v %+v %#v", token, token, token); strings.Contains(text, "1//") || strings.Contains(text, "ya29") {
			t.Errorf("printing shows a token: %s", text)
		}
		req.RefreshToken = token.RefreshToken
	}
	_, err := sts.Refresh(t.Context(), refreshRequest()) // the first again
	if e := asError(t, err); e.Code != "invalid_grant" || e.Retryable {
		t.Errorf("the first again: %v", err)
	}
}

// The answer gets lost after the refresh took effect. Only the same request can
// help then, and does unless the token was rotated, which the error's Attempts tell.
func TestARefreshWhoseAnswerGotLostIsRepeated(t *testing.T) {
	t.Parallel()
	for _, rotate := range []bool{false, true} {
		t.Run(fmt.Sprintf("rotation %v", rotate), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cloud := loggedIn(fakecloud.WorkforceUser{Rotate: rotate})
				cloud.Fault(fakecloud.Fault{Service: "google-sts", Operation: "oauthtoken", Times: 1, Reset: true, AfterEffect: true})
				token, err := userSTS(cloud).Refresh(t.Context(), refreshRequest())
				if n := cloud.Count("google-sts", "oauthtoken"); n != 2 {
					t.Errorf("%d calls", n)
				}
				if !rotate {
					if _, valid := cloud.LookupToken(token.AccessToken.Reveal()); err != nil || !valid {
						t.Errorf("got %v, %v", token, err)
					}
					return
				}
				if e := asError(t, err); e.Code != "invalid_grant" || e.Attempts != 2 || e.Retryable {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestRefreshIsRefusedToOthers(t *testing.T) {
	t.Parallel()
	cloud := loggedIn(fakecloud.WorkforceUser{})
	cloud.AddOAuthClient("another", "secret")
	for name, tc := range map[string]struct {
		auth  googlests.ClientAuth
		token string
		code  string
	}{
		"an unknown refresh token": {userClient, "1//unknown", "invalid_grant"},
		"another client":           {googlests.ClientAuth{ID: "another", Secret: secret.New("secret")}, userRefreshToken, "invalid_grant"},
		"an unknown client":        {googlests.ClientAuth{ID: "nobody", Secret: secret.New("secret")}, userRefreshToken, "invalid_client"},
		"a wrong client secret":    {googlests.ClientAuth{ID: userClient.ID, Secret: secret.New("wrong")}, userRefreshToken, "invalid_client"},
	} {
		sts := userSTS(cloud)
		sts.ClientAuth = tc.auth
		token, err := sts.Refresh(t.Context(), googlests.RefreshRequest{RefreshToken: secret.New(tc.token)})
		if e := asError(t, err); e.Code != tc.code || e.Retryable || !token.AccessToken.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefreshAnswersThatAreBelieved(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body    string
		scopes  []string
		refresh string
	}{
		"usual":                {body: goodRefresh, scopes: []string{"a", "b"}},
		"no scope":             {body: `{"access_token":"ya29.w.token","token_type":"bearer","expires_in":3599}`, scopes: []string{"asked"}},
		"no token_type":        {body: `{"access_token":"ya29.w.token","expires_in":3599}`, scopes: []string{"asked"}},
		"an empty token_type":  {body: `{"access_token":"ya29.w.token","expires_in":3599,"token_type":""}`, scopes: []string{"asked"}},
		"token_type null":      {body: `{"access_token":"ya29.w.token","expires_in":3599,"token_type":null}`, scopes: []string{"asked"}},
		"an ID token as well":  {body: `{"access_token":"ya29.w.token","expires_in":"3599","id_token":"e.y.j"}`, scopes: []string{"asked"}},
		"a new refresh token":  {body: `{"access_token":"ya29.w.token","expires_in":3599,"refresh_token":"1//n"}`, scopes: []string{"asked"}, refresh: "1//n"},
		"an escape in a token": {body: `{"access_token":"ya29.w.tok\u0065n","expires_in":3599}`, scopes: []string{"asked"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 1, 2, 3, 4, 5, 900e6, time.UTC)
			c := userSTS(answering(200, tc.body))
			c.Now = func() time.Time { return now }
			req := refreshRequest()
			req.Scopes = []string{"asked"}
			token, err := c.Refresh(t.Context(), req)
			if err != nil || token.AccessToken.Reveal() != "ya29.w.token" || token.RefreshToken.Reveal() != tc.refresh || !slices.Equal(token.Scopes, tc.scopes) {
				t.Errorf("got %+v, %v", token, err)
			}
			if want := time.Date(2026, 1, 2, 4, 4, 4, 0, time.UTC); token.Expiry != want || token.TokenType != "Bearer" {
				t.Errorf("expiry %v, want %v; type %s", token.Expiry, want, token.TokenType)
			}
		})
	}
}

// Whatever is wrong with an answer, a new refresh token in it is not lost: the
// old one may be void already.
func TestRefreshAnswersThatAreNot(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ body, text, saved string }{
		"nothing":                       {"", "not a JSON object", ""},
		"null":                          {"null", "not a JSON object", ""},
		"a list":                        {"[]", "not a JSON object", ""},
		"truncated JSON":                {goodRefresh[:50], "not a JSON object", ""},
		"an empty object":               {"{}", "no access_token", ""},
		"no access_token":               {`{"expires_in":3599,"refresh_token":"1//n"}`, "no access_token", "1//n"},
		"an access_token of two lines":  {`{"access_token":"a\nb","expires_in":3599,"refresh_token":"1//n"}`, "no header", "1//n"},
		"another token_type":            {`{"access_token":"a","expires_in":3599,"token_type":"DPoP","refresh_token":"1//n"}`, "not Bearer", "1//n"},
		"token_type a number":           {`{"access_token":"a","expires_in":3599,"token_type":1,"refresh_token":"1//n"}`, "token_type has the wrong", "1//n"},
		"no expires_in":                 {`{"access_token":"a","refresh_token":"1//n"}`, "no expires_in", "1//n"},
		"expires_in negative":           {`{"access_token":"a","expires_in":-1,"refresh_token":"1//n"}`, "expires_in is -1", "1//n"},
		"a refresh_token of wrong type": {`{"access_token":"a","expires_in":3599,"refresh_token":{"a":"1//n"}}`, "refresh_token has the wrong", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			c := userSTS(server(func(*http.Request) (*http.Response, error) { calls++; return response(200, tc.body), nil }))
			token, err := c.Refresh(t.Context(), refreshRequest())
			e := asError(t, err)
			if e.Code != "invalid_response" || e.HTTPStatus != 200 || e.Retryable || !strings.Contains(e.Description, tc.text) || calls != 1 {
				t.Errorf("got %v after %d calls, want something about %q", err, calls, tc.text)
			}
			if token.RefreshToken.Reveal() != tc.saved || !token.AccessToken.IsZero() || !token.Expiry.IsZero() {
				t.Errorf("got %+v, refresh token %q", token, token.RefreshToken.Reveal())
			}
		})
	}
}

func TestARefreshedTokensExpiryIsNeverLaterThanGooglesOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := userSTS(server(func(*http.Request) (*http.Response, error) {
			time.Sleep(3 * time.Second)
			return response(200, goodRefresh), nil
		}))
		start := time.Now()
		token, err := slow.Refresh(t.Context(), refreshRequest())
		if want := start.Add(3599 * time.Second); err != nil || !token.Expiry.Equal(want) {
			t.Errorf("expiry %v, want %v: %v", token.Expiry, want, err)
		}
	})
}

func FuzzRefreshAnswer(f *testing.F) {
	for _, body := range []string{goodRefresh, `{"access_token":"a","expires_in":1,"refresh_token":"r"}`, `{"token_type":null}`, "{}", "null", "<html>"} {
		f.Add(body)
	}
	for _, seed := range hostilejson.Seeds(goodRefresh) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		token, err := userSTS(answering(200, body)).Refresh(t.Context(), refreshRequest())
		if err != nil {
			if e := asError(t, err); e.Code != "invalid_response" || e.Retryable || !token.AccessToken.IsZero() || len(err.Error()) > 400 {
				t.Errorf("got %v, %v", token, err)
			}
			return
		}
		if access := token.AccessToken.Reveal(); access == "" || strings.ContainsAny(access, " \r\n\x00") || token.TokenType != "Bearer" || token.Expiry.IsZero() {
			t.Errorf("believed %q of type %q until %v", access, token.TokenType, token.Expiry)
		}
	})
}
