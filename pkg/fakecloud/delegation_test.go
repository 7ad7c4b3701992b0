package fakecloud_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

const (
	oauthURL  = "https://oauth2.googleapis.com/token"
	jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	ada       = "ada@example.com"
	calendar  = "https://www.googleapis.com/auth/calendar"
	drive     = "https://www.googleapis.com/auth/drive"
)

// newWorkspace is a federation with an account that may act for example.com.
func newWorkspace() *fakecloud.Cloud {
	c := newFederation(fakecloud.Provider{})
	c.AddServiceAccount(fakecloud.ServiceAccount{Email: reports})
	c.AddDelegation(fakecloud.Delegation{ServiceAccount: reports, Domain: "example.com", Scopes: []string{calendar, drive}})
	return c
}

// signClaims has IAM Credentials sign the usual claims, some of them changed.
func signClaims(t *testing.T, c *fakecloud.Cloud, change map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": reports, "sub": ada, "scope": calendar, "aud": oauthURL, "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
	}
	for name, value := range change {
		claims[name] = value
	}
	payload, _ := json.Marshal(claims)
	body, _ := json.Marshal(map[string]string{"payload": string(payload)})
	status, answer := callIAM(t, c, federate(t, c, platform), reports+":signJwt", string(body))
	if status != http.StatusOK {
		t.Fatalf("signing: %d %v", status, answer)
	}
	return answer["signedJwt"].(string)
}

func TestDelegationYieldsAUsersToken(t *testing.T) {
	t.Parallel()
	c := newWorkspace()
	form := url.Values{"grant_type": {jwtBearer}, "assertion": {signClaims(t, c, map[string]any{"scope": calendar + " " + drive})}}
	for _, at := range []string{oauthURL, "http://localhost/oauth2/token"} {
		status, answer := post(t, c, at, form)
		token, _ := answer["access_token"].(string)
		want := map[string]any{"access_token": token, "scope": calendar + " " + drive, "token_type": "Bearer", "expires_in": 3600.0}
		if diff := cmp.Diff(want, answer); status != http.StatusOK || diff != "" {
			t.Fatalf("%s: %d %s", at, status, diff)
		}
		issued, valid := c.LookupToken(token)
		if !valid || issued.Kind != fakecloud.UserToken || issued.Principal != ada || !issued.Expires.Equal(noon.Add(time.Hour)) {
			t.Errorf("%s: looked up: %v %+v", at, valid, issued)
		}
	}
	if n := c.Count("oauth2", "token"); n != 2 {
		t.Errorf("%d calls on record", n)
	}
	if last := c.Calls()[len(c.Calls())-1]; last.Resource != reports {
		t.Errorf("on record as %+v", last)
	}
}

func TestAnAssertionWithoutASubjectYieldsTheAccountsOwnToken(t *testing.T) {
	t.Parallel()
	c := newWorkspace()
	_, answer := post(t, c, oauthURL, url.Values{"grant_type": {jwtBearer}, "assertion": {signClaims(t, c, map[string]any{"sub": ""})}})
	token, _ := answer["access_token"].(string)
	if issued, valid := c.LookupToken(token); !valid || issued.Kind != fakecloud.AccessToken || issued.Principal != reports {
		t.Errorf("looked up: %v %+v", valid, issued)
	}
}

func TestTheOAuthTokenEndpointRefuses(t *testing.T) {
	t.Parallel()
	const timeframe = "invalid_grant: Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
	for name, test := range map[string]struct {
		claims map[string]any
		change func(url.Values)
		status int
		want   string
	}{
		"a user of another domain":         {map[string]any{"sub": "ada@example.org"}, nil, 401, "unauthorized_client: Client is unauthorized"},
		"a scope that was not granted":     {map[string]any{"scope": calendar + " " + platform}, nil, 401, "unauthorized_client: Client is unauthorized"},
		"no scope":                         {map[string]any{"scope": ""}, nil, 400, "invalid_scope: "},
		"a scope that is none":             {map[string]any{"scope": "calendar"}, nil, 400, "invalid_scope: "},
		"an account that is not there":     {map[string]any{"iss": hop}, nil, 400, "invalid_grant: Invalid grant: account not found"},
		"an assertion of nobody":           {map[string]any{"iss": ""}, nil, 400, "invalid_grant: Invalid grant: account not found"},
		"another audience":                 {map[string]any{"aud": tokenURL}, nil, 400, "invalid_grant: Invalid JWT: Failed audience check."},
		"an assertion for over an hour":    {map[string]any{"exp": noon.Add(time.Hour + time.Second).Unix()}, nil, 400, timeframe},
		"an assertion that has expired":    {map[string]any{"iat": noon.Add(-time.Hour).Unix(), "exp": noon.Add(-6 * time.Minute).Unix()}, nil, 400, timeframe},
		"an assertion from the future":     {map[string]any{"iat": noon.Add(6 * time.Minute).Unix()}, nil, 400, timeframe},
		"an assertion without exp":         {map[string]any{"exp": nil}, nil, 400, timeframe},
		"an assertion that is none":        {nil, func(f url.Values) { f.Set("assertion", "x") }, 400, "invalid_request: "},
		"an assertion that was changed":    {nil, func(f url.Values) { f.Set("assertion", changed(f.Get("assertion"))) }, 400, "invalid_grant: Invalid JWT Signature."},
		"another grant":                    {nil, func(f url.Values) { f.Set("grant_type", "assertion") }, 400, "unsupported_grant_type: Invalid grant_type: assertion"},
		"a parameter that is there twice":  {nil, func(f url.Values) { f.Add("grant_type", jwtBearer) }, 400, "invalid_request: The parameter"},
		"a user whose domain is a longer":  {map[string]any{"sub": "ada@sub.example.com"}, nil, 401, "unauthorized_client: "},
		"a user who is named by a number":  {map[string]any{"sub": "1234567890"}, nil, 401, "unauthorized_client: "},
		"a subject that is not an account": {map[string]any{"sub": hop}, nil, 401, "unauthorized_client: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newWorkspace()
			form := url.Values{"grant_type": {jwtBearer}, "assertion": {signClaims(t, c, test.claims)}}
			if test.change != nil {
				test.change(form)
			}
			status, answer := post(t, c, oauthURL, form)
			code, _ := answer["error"].(string)
			description, _ := answer["error_description"].(string)
			if got := code + ": " + description; status != test.status || !strings.HasPrefix(got, test.want) {
				t.Errorf("got %d %v, want %d %s", status, answer, test.status, test.want)
			}
		})
	}
}

// changed is a JWT with another signature.
func changed(token string) string {
	cut := strings.LastIndex(token, ".") + 1
	return token[:cut] + strings.Repeat("A", len(token)-cut)
}

func TestADelegationNeedsAllItsFields(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("it was taken")
		}
	}()
	newWorkspace().AddDelegation(fakecloud.Delegation{ServiceAccount: reports, Domain: "example.com"})
}
