package impersonate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/impersonate"
)

func TestAccessTokenIsTheAccounts(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		account  fakecloud.ServiceAccount
		lifetime time.Duration
		want     time.Duration
	}{
		"for an hour, the default":           {want: time.Hour},
		"for ten minutes":                    {lifetime: 10 * time.Minute, want: 10 * time.Minute},
		"for an odd number of seconds":       {lifetime: 1234 * time.Second, want: 1234 * time.Second},
		"for twelve hours":                   {account: fakecloud.ServiceAccount{MaxLifetime: 12 * time.Hour}, lifetime: 12 * time.Hour, want: 12 * time.Hour},
		"with an expireTime in nanoseconds":  {account: fakecloud.ServiceAccount{FractionalExpiry: true}, want: time.Hour},
		"by a caller whom the policy spells": {account: fakecloud.ServiceAccount{Callers: []string{"principalSet://iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/*"}}, want: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(123456789 * time.Nanosecond)
				tc.account.Email = reports
				cloud := newCloud(tc.account)
				token, err := client(cloud).AccessToken(t.Context(), federate(t, cloud), impersonate.AccessTokenRequest{
					ServiceAccount: reports, Scopes: []string{bigquery, "openid"}, Lifetime: tc.lifetime,
				})
				if err != nil {
					t.Fatal(err)
				}
				issued, valid := cloud.LookupToken(token.Value.Reveal())
				if !valid || issued.Principal != reports || issued.Kind != fakecloud.AccessToken || !slices.Equal(issued.Scopes, []string{bigquery, "openid"}) {
					t.Errorf("issued %v %+v", valid, issued)
				}
				if want := time.Now().Add(tc.want).Truncate(time.Second).UTC(); token.Expiry != want || token.Expiry.After(issued.Expires) {
					t.Errorf("expiry %v, want %v; Google's own %v", token.Expiry, want, issued.Expires)
				}
				if text := fmt.Sprintf("%v %+v %#v %s", token, token, token, token); strings.Contains(text, "ya29") {
					t.Errorf("printing shows the token: %s", text)
				}
			})
		})
	}
}

func TestAChainOfDelegatesIsFollowed(t *testing.T) {
	t.Parallel()
	cloud := newCloud(fakecloud.ServiceAccount{Email: hop}, fakecloud.ServiceAccount{Email: reports, Callers: []string{hop}})
	for _, tc := range []struct {
		delegates []string
		code      string
	}{
		{[]string{hop}, ""},
		{[]string{"projects/-/serviceAccounts/" + hop}, ""},
		{nil, "PERMISSION_DENIED"},
		{[]string{reports}, "PERMISSION_DENIED"},
	} {
		req := accessTokenRequest
		req.Delegates = tc.delegates
		_, err := client(cloud).AccessToken(t.Context(), federate(t, cloud), req)
		if tc.code == "" && err != nil || tc.code != "" && asError(t, err).Code != tc.code {
			t.Errorf("%v: %v, want %q", tc.delegates, err, tc.code)
		}
	}
}

func TestWhatGoogleWouldNotTakeIsNotSent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*impersonate.AccessTokenRequest)
		text   string
	}{
		"no account":                     {func(r *impersonate.AccessTokenRequest) { r.ServiceAccount = "" }, `ServiceAccount is "": write the email`},
		"a member of a policy":           {func(r *impersonate.AccessTokenRequest) { r.ServiceAccount = "serviceAccount:" + reports }, "write the email"},
		"the long form of an account":    {func(r *impersonate.AccessTokenRequest) { r.ServiceAccount = "projects/-/serviceAccounts/" + reports }, "write the email"},
		"a user":                         {func(r *impersonate.AccessTokenRequest) { r.ServiceAccount = ada }, "write the email of a service account"},
		"an account with a path":         {func(r *impersonate.AccessTokenRequest) { r.ServiceAccount = "../" + reports }, "write the email"},
		"an account with another call":   {func(r *impersonate.AccessTokenRequest) { r.ServiceAccount = "a@p.iam.gserviceaccount.com:signBlob?" }, "write the email"},
		"a long text for an account":     {func(r *impersonate.AccessTokenRequest) { r.ServiceAccount = strings.Repeat("a", 9999) }, "write the email"},
		"a delegate that is none":        {func(r *impersonate.AccessTokenRequest) { r.Delegates = []string{hop, "hop"} }, `Delegates[1] is "hop": write the email`},
		"a delegate of a project":        {func(r *impersonate.AccessTokenRequest) { r.Delegates = []string{"projects/p/serviceAccounts/" + hop} }, "Delegates[0]"},
		"no scopes":                      {func(r *impersonate.AccessTokenRequest) { r.Scopes = nil }, "Scopes is empty: write at least one"},
		"an empty scope":                 {func(r *impersonate.AccessTokenRequest) { r.Scopes = []string{bigquery, ""} }, `Scopes[1] is "": write one scope`},
		"two scopes in one":              {func(r *impersonate.AccessTokenRequest) { r.Scopes = []string{bigquery + " openid"} }, "Scopes[0]"},
		"two scopes with a comma":        {func(r *impersonate.AccessTokenRequest) { r.Scopes = []string{bigquery + ",openid"} }, "Scopes[0]"},
		"a lifetime too short":           {func(r *impersonate.AccessTokenRequest) { r.Lifetime = 599 * time.Second }, "Lifetime is 9m59s: write whole seconds from 10m0s to 12h0m0s, or 0 for 1h0m0s"},
		"a lifetime too long":            {func(r *impersonate.AccessTokenRequest) { r.Lifetime = 43201 * time.Second }, "Lifetime is 12h0m1s"},
		"a lifetime that is negative":    {func(r *impersonate.AccessTokenRequest) { r.Lifetime = -time.Hour }, "Lifetime is -1h0m0s"},
		"a lifetime with a fraction":     {func(r *impersonate.AccessTokenRequest) { r.Lifetime = time.Hour + time.Millisecond }, "Lifetime is 1h0m0.001s"},
		"a number without its time unit": {func(r *impersonate.AccessTokenRequest) { r.Lifetime = 3600 }, "Lifetime is 3.6µs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := accessTokenRequest
			tc.change(&req)
			_, err := client(silent(t)).AccessToken(t.Context(), bearer, req)
			e := asError(t, err)
			if e.Code != "invalid_request" || e.Retryable || e.HTTPStatus != 0 || e.Attempts != 0 || e.Host != "" || !strings.Contains(e.Message, tc.text) {
				t.Errorf("got %v, want something with %q", err, tc.text)
			}
		})
	}
}

func TestAccessTokenAnswersThatAreBelieved(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body string
		want time.Time
	}{
		"usual":                         {`{"accessToken":"ya29.c.x","expireTime":"2026-01-02T03:04:05Z"}`, now.Add(time.Hour)},
		"with milliseconds":             {`{"accessToken":"ya29.c.x","expireTime":"2026-01-02T03:04:05.999Z"}`, now.Add(time.Hour)},
		"with nanoseconds":              {`{"accessToken":"ya29.c.x","expireTime":"2026-01-02T03:04:05.999999999Z"}`, now.Add(time.Hour)},
		"with an offset":                {`{"accessToken":"ya29.c.x","expireTime":"2026-01-02T05:04:05+02:00"}`, now.Add(time.Hour)},
		"a second before it expires":    {`{"accessToken":"ya29.c.x","expireTime":"2026-01-02T02:04:06Z"}`, now.Add(time.Second)},
		"for twelve hours":              {`{"accessToken":"ya29.c.x","expireTime":"2026-01-02T14:04:05Z"}`, now.Add(12 * time.Hour)},
		"seen by a clock that is slow":  {`{"accessToken":"ya29.c.x","expireTime":"2026-01-02T14:19:05Z"}`, now.Add(12*time.Hour + 15*time.Minute)},
		"with fields that nobody knows": {` {"kind":["x"],"expireTime":"2026-01-02T03:04:05Z","accessToken":"ya29.\u0063.x"} `, now.Add(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := atNow(answering(200, tc.body)).AccessToken(t.Context(), bearer, accessTokenRequest)
			if err != nil || token.Value.Reveal() != "ya29.c.x" || token.Expiry != tc.want {
				t.Errorf("got %v, %v; want expiry %v", token, err, tc.want)
			}
		})
	}
}

func TestAccessTokenAnswersThatAreNot(t *testing.T) {
	t.Parallel()
	const token, expiry = `"accessToken":"ya29.c.x"`, `"expireTime":"2026-01-02T03:04:05Z"`
	for name, tc := range map[string]struct{ body, text string }{
		"nothing":                         {"", "not a JSON object"},
		"a page of HTML":                  {"<html>sign in</html>", "not a JSON object"},
		"null":                            {"null", "no accessToken"},
		"a list":                          {`[{` + token + `,` + expiry + `}]`, "not a JSON object"},
		"truncated JSON":                  {`{` + token + `,` + expiry, "not a JSON object"},
		"something after it":              {`{` + token + `,` + expiry + `}{}`, "not a JSON object"},
		"an error with a good status":     {`{"error":{"status":"PERMISSION_DENIED"}}`, "no accessToken"},
		"an ID token's answer":            {`{"token":"ya29.c.x"}`, "no accessToken"},
		"an empty accessToken":            {`{"accessToken":"",` + expiry + `}`, "no accessToken"},
		"accessToken null":                {`{"accessToken":null,` + expiry + `}`, "no accessToken"},
		"accessToken a number":            {`{"accessToken":29,` + expiry + `}`, "accessToken has the wrong JSON type"},
		"accessToken with a line break":   {`{"accessToken":"ya29\r\nX-Evil: 1",` + expiry + `}`, "no header"},
		"accessToken not in ASCII":        {`{"accessToken":"ya29ä",` + expiry + `}`, "no header"},
		"no expireTime":                   {`{` + token + `}`, "no expireTime"},
		"expireTime empty":                {`{` + token + `,"expireTime":""}`, "no expireTime"},
		"expireTime a number":             {`{` + token + `,"expireTime":1767323045}`, "expireTime has the wrong JSON type"},
		"expireTime not a time":           {`{` + token + `,"expireTime":"3600s"}`, "RFC 3339"},
		"expireTime without a zone":       {`{` + token + `,"expireTime":"2026-01-02T03:04:05"}`, "RFC 3339"},
		"expireTime of no day":            {`{` + token + `,"expireTime":"2026-02-30T03:04:05Z"}`, "RFC 3339"},
		"expireTime now":                  {`{` + token + `,"expireTime":"2026-01-02T02:04:05Z"}`, "is past: this machine's clock says 2026-01-02T02:04:05Z"},
		"expireTime within this second":   {`{` + token + `,"expireTime":"2026-01-02T02:04:05.9Z"}`, "is past"},
		"expireTime past":                 {`{` + token + `,"expireTime":"2025-01-02T02:04:05Z"}`, "the answer's expireTime, 2025-01-02T02:04:05Z, is past"},
		"expireTime too far off":          {`{` + token + `,"expireTime":"2026-01-02T14:19:06Z"}`, "is more than 12h0m0s away"},
		"expireTime in another millenium": {`{` + token + `,"expireTime":"9999-12-31T23:59:59Z"}`, "is more than 12h0m0s away"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantDisbelieved(t, "AccessToken", tc.body, tc.text, "ya29")
		})
	}
}
