package fakecloud_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

const tokenInfoURL = "https://oauth2.googleapis.com/tokeninfo"

func TestTokenInfoDescribesAnAccessToken(t *testing.T) {
	t.Parallel()
	at := newClock(noon)
	c := fakecloud.New(fakecloud.Options{Now: at.now})
	c.AddAWSKey(minterKey)
	c.AddProvider(fakecloud.Provider{Audience: provider, AWSAccount: "123456789012"})
	c.AddServiceAccount(fakecloud.ServiceAccount{Email: reports, UniqueID: "117"})
	federated := federate(t, c, platform)
	_, answer := callIAM(t, c, federated, reports+":generateAccessToken", `{"scope":["`+platform+`","https://www.googleapis.com/auth/userinfo.email"]}`)
	token, _ := answer["accessToken"].(string)

	at.advance(90*time.Second + time.Millisecond)
	status, info := post(t, c, tokenInfoURL, url.Values{"access_token": {token}})
	want := map[string]any{
		"azp": "117", "aud": "117", "sub": "117", "scope": platform + " https://www.googleapis.com/auth/userinfo.email",
		"exp": "1704200400", "expires_in": "3509", "access_type": "online", "email": reports, "email_verified": "true",
	}
	if diff := cmp.Diff(want, info); status != http.StatusOK || diff != "" {
		t.Errorf("%d %s", status, diff)
	}
	if n := c.TokensInURLs(); n != 0 {
		t.Errorf("%d tokens came in URLs", n)
	}
	r, _ := http.NewRequest("GET", tokenInfoURL+"?access_token="+token, nil)
	if status, info := do(t, c, r); status != http.StatusOK || c.TokensInURLs() != 1 {
		t.Errorf("in the URL: %d %v, counted %d", status, info, c.TokensInURLs())
	}

	for name, form := range map[string]url.Values{
		"an unknown token":            {"access_token": {"ya29.x"}},
		"a federated token":           {"access_token": {federated}},
		"an ID token as access token": {"access_token": {idToken(t, c, federated)}},
		"a false ID token":            {"id_token": {"a.b.c"}},
		"no token":                    {},
	} {
		checkInvalidToken(t, c, name, form)
	}
	at.advance(time.Hour)
	checkInvalidToken(t, c, "an expired token", url.Values{"access_token": {token}})
}

func checkInvalidToken(t *testing.T, c *fakecloud.Cloud, name string, form url.Values) {
	t.Helper()
	status, info := post(t, c, tokenInfoURL, form)
	if diff := cmp.Diff(map[string]any{"error": "invalid_token", "error_description": "Invalid Value"}, info); status != 400 || diff != "" {
		t.Errorf("%s: %d %s", name, status, diff)
	}
}
