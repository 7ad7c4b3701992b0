package fakecloud_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

const stsURL = "https://sts.googleapis.com/v1/"

var adasLogin = fakecloud.WorkforceUser{Pool: "staff", Subject: "ada", RefreshToken: "1//ada", ClientID: "gcloud", ClientSecret: "gcloud-secret"}

// asClient posts a form to a method of Google STS; the client's secret is its id and "-secret".
func asClient(t *testing.T, c *fakecloud.Cloud, client, method string, form url.Values) (status int, answer map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", stsURL+method, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client != "" {
		r.SetBasicAuth(client, client+"-secret")
	}
	if method != "revoke" {
		return do(t, c, r)
	}
	response, err := c.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode, nil
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

func TestARefreshTokenIsGoodForAccessTokens(t *testing.T) {
	t.Parallel()
	at := newClock(noon)
	c := fakecloud.New(fakecloud.Options{Now: at.now})
	c.AddWorkforceUser(adasLogin)
	status, answer := asClient(t, c, "gcloud", "oauthtoken", refreshForm("1//ada"))
	token, _ := answer["access_token"].(string)
	delete(answer, "access_token")
	want := map[string]any{"token_type": "Bearer", "expires_in": 3600.0, "scope": platform}
	if diff := cmp.Diff(want, answer); status != http.StatusOK || diff != "" {
		t.Errorf("%d %s", status, diff)
	}
	issued, valid := c.LookupToken(token)
	if !valid || issued.Kind != fakecloud.WorkforceToken || issued.Principal != "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/ada" {
		t.Errorf("got %v, valid: %v", issued, valid)
	}
	_, told := asClient(t, c, "gcloud", "introspect", url.Values{"token": {token}})
	want = map[string]any{
		"active": true, "client_id": "gcloud", "exp": "1704200400", "iat": "1704196800", "iss": "https://sts.googleapis.com/", "scope": platform,
		"sub": "locations/global/workforcePools/staff/subject/ada", "username": issued.Principal,
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
	at.advance(time.Hour)
	if _, told := asClient(t, c, "gcloud", "introspect", url.Values{"token": {token}}); cmp.Diff(map[string]any{"active": false}, told) != "" {
		t.Errorf("an expired token is %v", told)
	}
	if calls := c.Calls(); calls[0].Service != "google-sts" || calls[0].Operation != "oauthtoken" || calls[1].Operation != "introspect" {
		t.Errorf("on record: %v", calls)
	}
}

func TestARotatedRefreshTokenThatComesBackEndsTheLogin(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	u := adasLogin
	u.Rotate = true
	c.AddWorkforceUser(u)
	_, first := asClient(t, c, "gcloud", "oauthtoken", refreshForm("1//ada"))
	second, _ := first["refresh_token"].(string)
	status, answer := asClient(t, c, "gcloud", "oauthtoken", refreshForm(second))
	if status != http.StatusOK {
		t.Fatalf("the second: %d %v", status, answer)
	}
	third, _ := answer["refresh_token"].(string)
	for _, void := range []string{"1//ada", third} {
		if status, answer := asClient(t, c, "gcloud", "oauthtoken", refreshForm(void)); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
			t.Errorf("%s: %d %v", void, status, answer)
		}
	}
	if _, valid := c.LookupToken(answer["access_token"].(string)); valid {
		t.Error("its access token is still valid")
	}
}

func TestOnlyTheClientRevokes(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	c.AddWorkforceUser(adasLogin)
	c.AddOAuthClient("other", "other-secret")
	_, answer := asClient(t, c, "gcloud", "oauthtoken", refreshForm("1//ada"))
	access, _ := answer["access_token"].(string)
	for _, token := range []string{"1//ada", access} {
		if status, _ := asClient(t, c, "other", "revoke", url.Values{"token": {token}}); status != http.StatusBadRequest {
			t.Errorf("another client: %d", status)
		}
	}
	if _, valid := c.LookupToken(access); !valid {
		t.Error("another client's revocation had an effect")
	}
	for _, token := range []string{access, access, "unknown", "1//ada", "1//ada"} {
		if status, _ := asClient(t, c, "gcloud", "revoke", url.Values{"token": {token}}); status != http.StatusOK {
			t.Errorf("revoking %s: %d", token, status)
		}
	}
	if _, valid := c.LookupToken(access); valid {
		t.Error("a revoked token is valid")
	}
	if status, _ := asClient(t, c, "gcloud", "oauthtoken", refreshForm("1//ada")); status != http.StatusBadRequest {
		t.Errorf("a revoked refresh token: %d", status)
	}
}

func TestWorkforceEndpointsRefuse(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	c.AddWorkforceUser(adasLogin)
	for name, tc := range map[string]struct {
		client, method string
		form           url.Values
		status         int
		code           string
	}{
		"no client":             {"", "oauthtoken", refreshForm("1//ada"), 401, "invalid_client"},
		"an unknown client":     {"nobody", "introspect", url.Values{"token": {"x"}}, 401, "invalid_client"},
		"a wrong secret":        {"", "oauthtoken", url.Values{"client_id": {"gcloud"}, "client_secret": {"x"}}, 401, "invalid_client"},
		"another grant":         {"gcloud", "oauthtoken", url.Values{"grant_type": {"authorization_code"}}, 400, "unsupported_grant_type"},
		"no refresh token":      {"gcloud", "oauthtoken", url.Values{"grant_type": {"refresh_token"}}, 400, "invalid_grant"},
		"no token":              {"gcloud", "introspect", url.Values{}, 400, "invalid_request"},
		"an unknown token hint": {"gcloud", "introspect", url.Values{"token": {"x"}, "token_type_hint": {"refresh_token"}}, 400, "unsupported_token_type"},
	} {
		status, answer := asClient(t, c, tc.client, tc.method, tc.form)
		if status != tc.status || answer["error"] != tc.code {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
	if status, _ := asClient(t, c, "gcloud", "revoke", nil); status != http.StatusBadRequest {
		t.Errorf("revoking nothing: %d", status)
	}
	r, _ := http.NewRequest("GET", stsURL+"introspect", nil)
	if status, _ := do(t, c, r); status != http.StatusNotFound {
		t.Errorf("GET: %d", status)
	}
	for field, u := range map[string]fakecloud.WorkforceUser{"no refresh token": {Pool: "p", Subject: "s", ClientID: "c", ClientSecret: "s"}, "nothing": {}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a user with %s is taken", field)
				}
			}()
			c.AddWorkforceUser(u)
		}()
	}
}

func TestAFederatedTokenIsIntrospectedByAnyClient(t *testing.T) {
	t.Parallel()
	c := newFederation(fakecloud.Provider{})
	c.AddOAuthClient("gcloud", "gcloud-secret")
	_, told := asClient(t, c, "gcloud", "introspect", url.Values{"token": {federate(t, c, platform)}, "token_type_hint": {"access_token"}})
	if told["active"] != true || told["username"] != "principal://iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/subject/"+minterARN || told["client_id"] != nil {
		t.Errorf("got %v", told)
	}
}

func TestWorkforceEndpointsAreServedUnderABase(t *testing.T) {
	t.Parallel()
	e := fakecloud.EndpointsAt("http://localhost/")
	for url, operation := range map[string]string{e.OAuthTokenURL: "oauthtoken", e.RevokeURL: "revoke", e.IntrospectURL: "introspect"} {
		c := fakecloud.New(fakecloud.Options{})
		if _, err := get(t.Context(), c, url); err != nil || c.Count("google-sts", operation) != 1 {
			t.Errorf("%s: %v, calls %v", url, err, c.Calls())
		}
	}
}
