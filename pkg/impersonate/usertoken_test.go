package impersonate_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/internal/hostilejson"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/impersonate"
)

var userTokenRequest = impersonate.UserTokenRequest{ServiceAccount: reports, Subject: ada, Scopes: []string{calendar}}

// newWorkspace is a cloud whose reports may act for example.com's users.
func newWorkspace() *fakecloud.Cloud {
	cloud := newCloud(fakecloud.ServiceAccount{Email: reports})
	cloud.AddDelegation(fakecloud.Delegation{ServiceAccount: reports, Domain: "example.com", Scopes: []string{calendar}})
	return cloud
}

func TestUserTokenIsTheUsers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cloud := newWorkspace()
		token, err := client(cloud).UserToken(t.Context(), federate(t, cloud), userTokenRequest)
		if err != nil {
			t.Fatal(err)
		}
		issued, valid := cloud.LookupToken(token.Value.Reveal())
		if !valid || issued.Kind != fakecloud.UserToken || issued.Principal != ada || !token.Expiry.Equal(issued.Expires) || token.Expiry.Location() != time.UTC {
			t.Errorf("issued %v %+v; expiry %v", valid, issued, token.Expiry)
		}
		if n, m := cloud.Count("iamcredentials", "signJwt"), cloud.Count("oauth2", "token"); n != 1 || m != 1 {
			t.Errorf("%d signatures, %d tokens", n, m)
		}
	})
}

func TestTheAssertionIsWhatGoogleDocuments(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		client impersonate.Client
		want   string
	}{
		"Google's endpoint":       {impersonate.Client{}, "https://oauth2.googleapis.com/token"},
		"one of its other forms":  {impersonate.Client{TokenURL: "https://oauth2.mtls.googleapis.com/token"}, "https://oauth2.mtls.googleapis.com/token"},
		"anything, if so allowed": {impersonate.Client{TokenURL: "http://127.0.0.1:9/oauth2/token", AllowAnyEndpoint: true}, "http://127.0.0.1:9/oauth2/token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var claims map[string]any
			signed, asked := jwt(`{"a":1}`), ""
			tc.client.APIClient = "gl-go/1.26"
			tc.client.Now = func() time.Time { return now }
			tc.client.HTTPClient = &http.Client{Transport: server(func(r *http.Request) (*http.Response, error) {
				body, _ := io.ReadAll(r.Body)
				if strings.HasSuffix(r.URL.Path, ":signJwt") {
					var req struct{ Payload string }
					if err := json.Unmarshal(body, &req); err != nil {
						t.Error(err)
					}
					if err := json.Unmarshal([]byte(req.Payload), &claims); err != nil {
						t.Error(err)
					}
					return response(200, `{"keyId":"k","signedJwt":"`+signed+`"}`), nil
				}
				asked = r.URL.String()
				form, err := url.ParseQuery(string(body))
				want := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {signed}}
				if diff := cmp.Diff(want, form); err != nil || diff != "" {
					t.Errorf("form (-want +got): %v\n%s", err, diff)
				}
				header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}, "X-Goog-Api-Client": {"gl-go/1.26"}}
				if diff := cmp.Diff(header, r.Header); diff != "" {
					t.Errorf("header (-want +got):\n%s", diff)
				}
				return response(200, `{"access_token":"ya29.u","token_type":"Bearer","expires_in":3599}`), nil
			})}
			req := userTokenRequest
			req.Scopes = []string{calendar, "openid"}
			token, err := tc.client.UserToken(t.Context(), bearer, req)
			if err != nil || token.Value.Reveal() != "ya29.u" || token.Expiry != now.Add(3599*time.Second) || asked != tc.want {
				t.Errorf("got %v, %v from %s", token, err, asked)
			}
			issued := float64(now.Unix() - 10)
			want := map[string]any{
				"iss": reports, "sub": ada, "scope": calendar + " openid", "aud": "https://oauth2.googleapis.com/token", "iat": issued, "exp": issued + 3600,
			}
			if diff := cmp.Diff(want, claims); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUserTokensThatCannotBeAreNotSignedFor(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		client impersonate.Client
		change func(*impersonate.UserTokenRequest)
		code   string
		text   string
	}{
		"no user":                     {change: func(r *impersonate.UserTokenRequest) { r.Subject = "" }, code: "invalid_request", text: `Subject is "": write the user's email`},
		"a user without a domain":     {change: func(r *impersonate.UserTokenRequest) { r.Subject = "ada@" }, code: "invalid_request", text: "write the user's email"},
		"a user of two domains":       {change: func(r *impersonate.UserTokenRequest) { r.Subject = "ada@b@example.com" }, code: "invalid_request", text: "write the user's email"},
		"a user with a display name":  {change: func(r *impersonate.UserTokenRequest) { r.Subject = "Ada <ada@example.com>" }, code: "invalid_request", text: "write the user's email"},
		"no account":                  {change: func(r *impersonate.UserTokenRequest) { r.ServiceAccount = "" }, code: "invalid_request", text: "ServiceAccount"},
		"a delegate that is none":     {change: func(r *impersonate.UserTokenRequest) { r.Delegates = []string{"x"} }, code: "invalid_request", text: "Delegates[0]"},
		"no scopes":                   {change: func(r *impersonate.UserTokenRequest) { r.Scopes = nil }, code: "invalid_request", text: "Scopes is empty"},
		"another universe":            {client: impersonate.Client{UniverseDomain: "example.goog"}, code: "invalid_request", text: "no domain-wide delegation in universes other than googleapis.com"},
		"a token URL of another host": {client: impersonate.Client{TokenURL: "https://evil.com/token"}, code: "invalid_endpoint", text: `the host "evil.com"`},
		"a token URL by http":         {client: impersonate.Client{TokenURL: "http://oauth2.googleapis.com/token"}, code: "invalid_endpoint", text: `"http"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := userTokenRequest
			if tc.change != nil {
				tc.change(&req)
			}
			tc.client.HTTPClient = &http.Client{Transport: silent(t)}
			_, err := tc.client.UserToken(t.Context(), bearer, req)
			if e := asError(t, err); e.Code != tc.code || e.Retryable || e.Subject != req.Subject || !strings.Contains(e.Message, tc.text) {
				t.Errorf("got %v, want something with %q", err, tc.text)
			}
		})
	}
}

func TestEachLegOfAUserTokenFailsAsItself(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		req     func(*impersonate.UserTokenRequest)
		callers []string
		op      string
		status  int
		text    string
	}{
		"nobody may sign": {
			callers: []string{hop}, op: "signJwt", status: 403,
			text: "impersonating ada@example.com through reports@p.iam.gserviceaccount.com: PERMISSION_DENIED: Permission 'iam.serviceAccounts.signJwt' denied on resource (or it may not exist). (HTTP 403)",
		},
		"the domain has not granted it": {
			req: func(r *impersonate.UserTokenRequest) { r.Scopes = []string{bigquery} }, op: "token", status: 401,
			text: "impersonating ada@example.com through reports@p.iam.gserviceaccount.com: unauthorized_client: Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested. (HTTP 401)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := newWorkspace()
			cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: reports, Callers: tc.callers})
			req := userTokenRequest
			if tc.req != nil {
				tc.req(&req)
			}
			_, err := client(cloud).UserToken(t.Context(), federate(t, cloud), req)
			if e := asError(t, err); e.Op != tc.op || e.HTTPStatus != tc.status || !strings.HasPrefix(e.Error(), tc.text+"; ") || e.Account != reports || e.Subject != ada {
				t.Errorf("got %+v\n%v", e, err)
			}
		})
	}
}

func TestTheTokenEndpointIsAskedAgainWithTheSameAssertion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cloud := newWorkspace()
		cloud.Fault(fakecloud.Fault{Service: "oauth2", Status: 503, Times: 2})
		if _, err := client(cloud).UserToken(t.Context(), federate(t, cloud), userTokenRequest); err != nil {
			t.Error(err)
		}
		if n, m := cloud.Count("iamcredentials", ""), cloud.Count("oauth2", ""); n != 1 || m != 3 {
			t.Errorf("%d signatures, %d calls of the token endpoint", n, m)
		}
	})
}

func TestTokenEndpointsAnswersThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ body, text string }{
		"nothing":               {"", "not a JSON object"},
		"no access_token":       {`{"token_type":"Bearer","expires_in":3599}`, "no access_token"},
		"an ID token alone":     {`{"id_token":"a.b.c"}`, "no access_token"},
		"another token_type":    {`{"access_token":"ya29.u","token_type":"DPoP","expires_in":3599}`, "token_type is not Bearer"},
		"no expires_in":         {`{"access_token":"ya29.u","token_type":"Bearer"}`, "no expires_in"},
		"expires_in zero":       {`{"access_token":"ya29.u","token_type":"Bearer","expires_in":0}`, "expires_in is 0"},
		"a token with a break":  {`{"access_token":"ya29.u\n","token_type":"Bearer","expires_in":3599}`, "no header"},
		"expires_in of a month": {`{"access_token":"ya29.u","token_type":"Bearer","expires_in":2592000}`, "between 1 and 43200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := atNow(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, ":signJwt") {
					return response(200, `{"keyId":"k","signedJwt":"`+jwt(`{}`)+`"}`), nil
				}
				return response(200, tc.body), nil
			})
			token, err := c.UserToken(t.Context(), bearer, userTokenRequest)
			e := asError(t, err)
			if e.Code != "invalid_response" || e.Op != "token" || !strings.Contains(e.Message, tc.text) || (token != impersonate.Token{}) || strings.Contains(err.Error(), "ya29") {
				t.Errorf("got %v, %v, want something about %q", token, err, tc.text)
			}
		})
	}
}

// Whatever the two legs answer: a token to be believed, or an error of the leg that
// went wrong, which quotes neither the assertion nor the bearer token.
func FuzzUserTokenAnswers(f *testing.F) {
	signed := `{"keyId":"k","signedJwt":"` + jwt(`{"sub":"`+ada+`"}`) + `"}`
	const good = `{"access_token":"ya29.u","token_type":"Bearer","expires_in":3599,"scope":"a b"}`
	for _, told := range append(hostilejson.Seeds(good),
		`{"access_token":"ya29.u","token_type":"bearer","expires_in":"3599.5"}`, `{"access_token":"ASSERTION","token_type":"Bearer","expires_in":1}`,
		`{"access_token":{},"token_type":1,"expires_in":[]}`, "<html>ASSERTION</html>",
	) {
		f.Add(signed, uint16(200), told)
	}
	for _, told := range []string{
		`{"error":"invalid_grant","error_description":"Invalid JWT Signature: ASSERTION"}`, `{"error":"ASSERTION"}`, `{"error":{"code":400,"status":"ASSERTION","message":"ASSERTION"}}`,
		"ASSERTION", "<html>\xffASSERTION", `{"error":"` + strings.Repeat("x", 100_000) + `"}`, `{"error_description":"\ud800\u202e` + "\x1b[2J" + `"}`, "",
	} {
		f.Add(signed, uint16(400), told)
		f.Add(signed, uint16(503), told)
		f.Add(told, uint16(200), good)
	}
	f.Add(`{"keyId":"k","signedJwt":"`+jwt(`[]`)+`"}`, uint16(302), good)
	f.Add(`{"keyId":"BEARER","signedJwt":"BEARER"}`, uint16(200), good)
	f.Add(`{"keyId":"k","signedJwt":"IHsiYWxnIjoiUlMyNTYifQ.e30.eHl6"}`, uint16(999), `{"error":"invalid_grant","error_description":"ASSERTION"}`)
	f.Fuzz(func(t *testing.T, signed string, status uint16, told string) {
		if status < 200 || status > 999 {
			return
		}
		assertion := ""
		c := atNow(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, ":signJwt") {
				return response(200, strings.ReplaceAll(signed, "BEARER", bearer.Reveal())), nil
			}
			if err := r.ParseForm(); err != nil {
				t.Fatal(err)
			}
			assertion = r.PostForm.Get("assertion")
			return response(int(status), strings.ReplaceAll(told, "ASSERTION", assertion)), nil
		})
		c.MaxAttempts = 1
		token, err := c.UserToken(t.Context(), bearer, userTokenRequest)
		if assertion != "" && (strings.Count(assertion, ".") != 2 || strings.ContainsAny(assertion, " \r\n\x00")) {
			t.Errorf("sent the assertion %q", assertion)
		}
		switch {
		case err == nil && (assertion == "" || status >= 300):
			t.Errorf("believed %v of status %d to the assertion %q", token, status, assertion)
		case err == nil || status < 300 || assertion == "":
			checkBelief(t, token, err)
		}
		if err == nil {
			return
		}
		op, text := "signJwt", fmt.Sprintf("%v %+v", err, err)
		if assertion != "" {
			op = "token"
		}
		if e := asError(t, err); e.Op != op || e.Subject != ada {
			t.Errorf("of leg %s: %+v", op, e)
		}
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) || len(text) > 6000 ||
			strings.Contains(text, bearer.Reveal()) || assertion != "" && strings.Contains(text, assertion) {
			t.Errorf("unfit text %q", text)
		}
	})
}
