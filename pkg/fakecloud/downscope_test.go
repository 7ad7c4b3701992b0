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

const (
	accessTokenType = "urn:ietf:params:oauth:token-type:access_token"
	bucketRule      = `{"availableResource":"//storage.googleapis.com/projects/_/buckets/b","availablePermissions":["inRole:roles/storage.objectViewer"]}`
)

func boundary(rules ...string) string {
	return `{"accessBoundary":{"accessBoundaryRules":[` + strings.Join(rules, ",") + `]}}`
}

func downscopeForm(token, options string) url.Values {
	return url.Values{
		"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"requested_token_type": {accessTokenType}, "subject_token_type": {accessTokenType},
		"subject_token": {token}, "options": {options},
	}
}

// impersonate is an access token of reports that lives for ten minutes.
func impersonate(t *testing.T, c *fakecloud.Cloud) string {
	t.Helper()
	status, answer := callIAM(t, c, federate(t, c, platform), reports+":generateAccessToken", `{"scope":["`+platform+`"],"lifetime":"600s"}`)
	if status != http.StatusOK {
		t.Fatalf("impersonating: %d %v", status, answer)
	}
	return answer["accessToken"].(string)
}

func TestADownscopedTokenExpiresWithItsSource(t *testing.T) {
	t.Parallel()
	c := newWorkspace()
	_, user := post(t, c, oauthURL, url.Values{"grant_type": {jwtBearer}, "assertion": {signClaims(t, c, nil)}})
	for name, test := range map[string]struct {
		source    string
		principal string
		expiresIn any
		expires   time.Time
	}{
		"a service account's":                     {impersonate(t, c), reports, 600.0, noon.Add(10 * time.Minute)},
		"a user's, of which Google tells nothing": {user["access_token"].(string), ada, nil, noon.Add(time.Hour)},
	} {
		status, answer := post(t, c, tokenURL, downscopeForm(test.source, boundary(bucketRule)))
		token, _ := answer["access_token"].(string)
		want := map[string]any{"access_token": token, "issued_token_type": accessTokenType, "token_type": "Bearer"}
		if test.expiresIn != nil {
			want["expires_in"] = test.expiresIn
		}
		if diff := cmp.Diff(want, answer); status != http.StatusOK || diff != "" {
			t.Errorf("%s: %d %s", name, status, diff)
		}
		issued, valid := c.LookupToken(token)
		if !valid || issued.Kind != fakecloud.DownscopedToken || issued.Principal != test.principal || !issued.Expires.Equal(test.expires) {
			t.Errorf("%s: looked up: %v %+v", name, valid, issued)
		}
		if status, _ := callIAM(t, c, token, reports+":generateAccessToken", `{"scope":["`+platform+`"]}`); status != http.StatusForbidden {
			t.Errorf("%s: it can impersonate: %d", name, status)
		}
	}
}

func TestDownscopingRefusesWhatGoogleRefuses(t *testing.T) {
	t.Parallel()
	const resource = `"availableResource":"//storage.googleapis.com/projects/_/buckets/b"`
	for name, test := range map[string]struct {
		options string
		change  func(*testing.T, *fakecloud.Cloud, url.Values)
		code    string
	}{
		"no rules":                     {options: boundary(), code: "invalid_request"},
		"no options":                   {options: "", code: "invalid_request"},
		"options that are none":        {options: "[]", code: "invalid_request"},
		"eleven rules":                 {options: boundary(strings.Split(strings.Repeat(bucketRule+"\n", 11), "\n")[:11]...), code: "invalid_request"},
		"more than 4,096 characters":   {options: boundary(strings.Replace(bucketRule, "buckets/b", "buckets/"+strings.Repeat("b", 4096), 1)), code: "invalid_request"},
		"a rule without a resource":    {options: boundary(`{"availablePermissions":["inRole:r"]}`), code: "invalid_request"},
		"a rule of another service":    {options: boundary(strings.Replace(bucketRule, "//storage", "//bigquery", 1)), code: "invalid_request"},
		"a rule without permissions":   {options: boundary(`{` + resource + `,"availablePermissions":[]}`), code: "invalid_request"},
		"a role without its prefix":    {options: boundary(`{` + resource + `,"availablePermissions":["roles/storage.objectViewer"]}`), code: "invalid_request"},
		"a rule with an unknown field": {options: boundary(strings.Replace(bucketRule, "{", `{"condition":{},`, 1)), code: "invalid_request"},
		"a condition that is empty":    {options: boundary(strings.Replace(bucketRule, "{", `{"availabilityCondition":{"title":"t"},`, 1)), code: "invalid_request"},
		"a token that nobody issued":   {options: boundary(bucketRule), change: func(_ *testing.T, _ *fakecloud.Cloud, f url.Values) { f.Set("subject_token", "ya29.x") }, code: "invalid_grant"},
		"a federated token": {options: boundary(bucketRule), change: func(t *testing.T, c *fakecloud.Cloud, f url.Values) {
			f.Set("subject_token", federate(t, c, platform))
		}, code: "invalid_grant"},
		"a token that was downscoped": {options: boundary(bucketRule), change: func(t *testing.T, c *fakecloud.Cloud, f url.Values) {
			_, answer := post(t, c, tokenURL, f)
			f.Set("subject_token", answer["access_token"].(string))
		}, code: "invalid_grant"},
		"an audience":            {options: boundary(bucketRule), change: func(_ *testing.T, _ *fakecloud.Cloud, f url.Values) { f.Set("audience", provider) }, code: "invalid_request"},
		"another requested type": {options: boundary(bucketRule), change: func(_ *testing.T, _ *fakecloud.Cloud, f url.Values) { f.Set("requested_token_type", "x") }, code: "invalid_request"},
		"another grant":          {options: boundary(bucketRule), change: func(_ *testing.T, _ *fakecloud.Cloud, f url.Values) { f.Set("grant_type", "x") }, code: "unsupported_grant_type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newWorkspace()
			form := downscopeForm(impersonate(t, c), test.options)
			if test.change != nil {
				test.change(t, c, form)
			}
			if status, answer := post(t, c, tokenURL, form); status != http.StatusBadRequest || answer["error"] != test.code {
				t.Errorf("got %d %v, want %s", status, answer, test.code)
			}
		})
	}
}
