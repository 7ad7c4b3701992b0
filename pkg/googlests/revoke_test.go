package googlests_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"unicode"

	"github.com/wifmint/wifmint/internal/hostilejson"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/secret"
)

func TestARevokedRefreshTokenEndsTheLogin(t *testing.T) {
	t.Parallel()
	cloud := loggedIn(fakecloud.WorkforceUser{})
	sts := userSTS(cloud)
	token, err := sts.Refresh(t.Context(), refreshRequest())
	if err != nil {
		t.Fatal(err)
	}
	revoke := googlests.RevokeRequest{Token: secret.New(userRefreshToken), TypeHint: "refresh_token"}
	for range 2 { // the second time there is nothing left
		if err := sts.Revoke(t.Context(), revoke); err != nil {
			t.Fatal(err)
		}
	}
	if _, valid := cloud.LookupToken(token.AccessToken.Reveal()); valid {
		t.Error("the access token is still good")
	}
	_, err = sts.Refresh(t.Context(), refreshRequest())
	if e := asError(t, err); e.Code != "invalid_grant" {
		t.Errorf("refreshing: %v", err)
	}
}

func TestARevokedAccessTokenLeavesTheRefreshToken(t *testing.T) {
	t.Parallel()
	cloud := loggedIn(fakecloud.WorkforceUser{})
	sts := userSTS(cloud)
	token, err := sts.Refresh(t.Context(), refreshRequest())
	if err != nil {
		t.Fatal(err)
	}
	if err := sts.Revoke(t.Context(), googlests.RevokeRequest{Token: token.AccessToken}); err != nil {
		t.Fatal(err)
	}
	if _, valid := cloud.LookupToken(token.AccessToken.Reveal()); valid {
		t.Error("the access token is still good")
	}
	if _, err := sts.Refresh(t.Context(), refreshRequest()); err != nil {
		t.Errorf("refreshing: %v", err)
	}
}

func TestAnUnknownTokenIsRevokedAlready(t *testing.T) {
	t.Parallel()
	err := userSTS(loggedIn(fakecloud.WorkforceUser{})).Revoke(t.Context(), googlests.RevokeRequest{Token: secret.New("1//unknown")})
	if err != nil {
		t.Error(err)
	}
}

func TestAnotherClientsTokenIsNotRevoked(t *testing.T) {
	t.Parallel()
	cloud := loggedIn(fakecloud.WorkforceUser{})
	cloud.AddOAuthClient("another", "secret")
	sts := userSTS(cloud)
	sts.ClientAuth = googlests.ClientAuth{ID: "another", Secret: secret.New("secret")}
	err := sts.Revoke(t.Context(), googlests.RevokeRequest{Token: secret.New(userRefreshToken)})
	if e := asError(t, err); e.Code != "invalid_grant" || e.HTTPStatus != 400 {
		t.Errorf("got %v", err)
	}
	if _, err := userSTS(cloud).Refresh(t.Context(), refreshRequest()); err != nil {
		t.Errorf("the login has ended: %v", err)
	}
}

func TestARevocationWhoseAnswerGotLostIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cloud := loggedIn(fakecloud.WorkforceUser{})
		cloud.Fault(fakecloud.Fault{Service: "google-sts", Operation: "revoke", Times: 1, Status: 503, AfterEffect: true})
		if err := userSTS(cloud).Revoke(t.Context(), googlests.RevokeRequest{Token: secret.New(userRefreshToken)}); err != nil {
			t.Error(err)
		}
		if n := cloud.Count("google-sts", "revoke"); n != 2 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestTheStatusTellsWhetherARevocationHappened(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status     int
		body       string
		code, text string // empty for success
	}{
		"an empty answer":               {status: 200},
		"an empty object":               {status: 200, body: "{}"},
		"a page":                        {status: 200, body: "<html>"},
		"void already":                  {status: 400, body: `{"error":"invalid_token","error_description":"Token expired or revoked"}`},
		"accepted, not done":            {status: 202, code: "invalid_response", text: "status is 202"},
		"no content":                    {status: 204, code: "invalid_response", text: "status is 204"},
		"a refusal":                     {status: 400, body: `{"error":"unsupported_token_type"}`, code: "unsupported_token_type", text: "HTTP 400"},
		"a client that is not accepted": {status: 401, body: `{"error":"invalid_client"}`, code: "invalid_client", text: "HTTP 401"},
		"an invalid_token of our own":   {status: 401, body: `{"error":"invalid_token"}`, code: "invalid_token", text: "HTTP 401"},
		"no such method":                {status: 404, body: `{"error":{"status":"NOT_FOUND","message":"Method not found."}}`, code: "NOT_FOUND", text: "Method not found."},
		"a redirect":                    {status: 302, code: "redirected", text: "never followed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := userSTS(answering(tc.status, tc.body)).Revoke(t.Context(), googlests.RevokeRequest{Token: secret.New("ya29.x")})
			if tc.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e := asError(t, err); e.Code != tc.code || e.Retryable || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Whatever is answered: only 200 and one refusal are believed to mean that the token is
// void, and no error quotes the token.
func FuzzRevokeAnswer(f *testing.F) {
	for _, seed := range hostilejson.Seeds(`{"error":"invalid_token","error_description":"TOKEN"}`) {
		f.Add(uint8(1), seed)
	}
	for status := range uint8(5) {
		f.Add(status, `{"error":"TOKEN","error_uri":"TOKEN"}`)
		f.Add(status, `{"error":{"status":"INVALID_ARGUMENT","message":"no TOKEN"}}`)
		f.Add(status, "TOKEN\x00\xff")
	}
	f.Fuzz(func(t *testing.T, of uint8, body string) {
		const token = "1//planted-refresh-token"
		status := []int{200, 400, 401, 404, 202}[of%5]
		err := userSTS(answering(status, strings.ReplaceAll(body, "TOKEN", token))).Revoke(t.Context(), googlests.RevokeRequest{Token: secret.New(token)})
		if err == nil {
			if status != 200 && (status != 400 || !strings.Contains(body, "invalid_") && !strings.Contains(body, `\u`)) {
				t.Errorf("status %d, %q is believed", status, body)
			}
			return
		}
		e := asError(t, err)
		if text := err.Error(); e.Retryable || e.HTTPStatus != status || e.Code == "" || len(text) > 2000 || strings.ContainsFunc(text, unicode.IsControl) || strings.Contains(text, "planted-refresh") {
			t.Errorf("status %d: got %q", status, text)
		}
	})
}
