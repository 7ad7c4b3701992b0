package fakecloud_test

import (
	"encoding/base64"
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
	reports   = "reports@p.iam.gserviceaccount.com"
	hop       = "hop@p.iam.gserviceaccount.com"
	poolURL   = "iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool"
	platform  = "https://www.googleapis.com/auth/cloud-platform"
	iamPrefix = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
)

// federate exchanges a subject token for a federated one.
func federate(t *testing.T, c *fakecloud.Cloud, scope string) string {
	t.Helper()
	form := newSubjectToken(minterKey, noon).form()
	form.Set("scope", scope)
	status, answer := post(t, c, tokenURL, form)
	if status != http.StatusOK {
		t.Fatalf("exchanging: %d %v", status, answer)
	}
	return answer["access_token"].(string)
}

// callIAM calls a method of IAM Credentials.
func callIAM(t *testing.T, c *fakecloud.Cloud, bearer, nameAndMethod, body string) (status int, answer map[string]any) {
	t.Helper()
	r, err := http.NewRequest("POST", iamPrefix+nameAndMethod, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return do(t, c, r)
}

// googleStatus is the status and the message of a refusal.
func googleStatus(answer map[string]any) string {
	e, isError := answer["error"].(map[string]any)
	if !isError {
		return ""
	}
	return e["status"].(string) + ": " + e["message"].(string)
}

func TestGenerateAccessTokenYieldsATokenOfTheAccount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, body string
		account    fakecloud.ServiceAccount
		expireTime string
	}{
		{"for an hour", `{"scope":["` + platform + `"]}`, fakecloud.ServiceAccount{}, "2024-01-02T13:00:00Z"},
		{"for a lifetime with a fraction", `{"scope":["` + platform + `"],"lifetime":"600.5s"}`, fakecloud.ServiceAccount{}, "2024-01-02T12:10:00Z"},
		{"for 12 hours, where a policy allows it", `{"delegates":[],"scope":["` + platform + `"],"lifetime":"43200s"}`, fakecloud.ServiceAccount{MaxLifetime: 12 * time.Hour}, "2024-01-03T00:00:00Z"},
		{"with fractional seconds", `{"scope":["` + platform + `"],"lifetime":"600.5s"}`, fakecloud.ServiceAccount{FractionalExpiry: true}, "2024-01-02T12:10:00.500000000Z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newFederation(fakecloud.Provider{})
			test.account.Email = reports
			c.AddServiceAccount(test.account)
			status, answer := callIAM(t, c, federate(t, c, platform), strings.Replace(reports, "@", "%40", 1)+":generateAccessToken", test.body)
			token, _ := answer["accessToken"].(string)
			if diff := cmp.Diff(map[string]any{"accessToken": token, "expireTime": test.expireTime}, answer); status != 200 || diff != "" {
				t.Fatalf("%d %s", status, diff)
			}
			issued, valid := c.LookupToken(token)
			expires, _ := time.Parse(time.RFC3339Nano, test.expireTime)
			if !valid || issued.Principal != reports || issued.Kind != fakecloud.AccessToken || !issued.Expires.Equal(expires) {
				t.Errorf("looked up: %v %+v", valid, issued)
			}
		})
	}
}

func TestIAMCredentialsRefuses(t *testing.T) {
	t.Parallel()
	const (
		good   = `{"scope":["` + platform + `"]}`
		denied = "PERMISSION_DENIED: Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
	)
	for _, test := range []struct {
		name    string
		account fakecloud.ServiceAccount
		scope   string // of the bearer token; zero is cloud-platform
		bearer  string // instead of a federated token; "-" for none
		call    string
		body    string
		status  int
		want    string
	}{
		{name: "a call without a token", bearer: "-", status: 401, want: "UNAUTHENTICATED: Request is missing required authentication credential."},
		{name: "a token that nobody issued", bearer: "ya29.d.x", status: 401, want: "UNAUTHENTICATED: Request had invalid authentication credentials."},
		{name: "a token without a scope for it", scope: "https://www.googleapis.com/auth/bigquery", status: 403, want: "PERMISSION_DENIED: Request had insufficient authentication scopes."},
		{name: "a caller that is not on the list", account: fakecloud.ServiceAccount{Callers: []string{hop}}, status: 403, want: denied},
		{name: "an account that is disabled", account: fakecloud.ServiceAccount{Disabled: true}, status: 403, want: denied},
		{name: "an account that is not there", call: "nobody@p.iam.gserviceaccount.com:generateAccessToken", status: 404, want: "NOT_FOUND: Not found; Gaia id not found for email nobody@"},
		{name: "a method that is not there", call: reports + ":generate", status: 404, want: "NOT_FOUND: Method not found."},
		{name: "an ID token without permission", account: fakecloud.ServiceAccount{Callers: []string{hop}}, call: reports + ":generateIdToken", body: `{"audience":"a"}`, status: 403, want: "PERMISSION_DENIED: Permission 'iam.serviceAccounts.getOpenIdToken' denied"},
		{name: "an ID token without an audience", call: reports + ":generateIdToken", body: `{"includeEmail":true}`, status: 400, want: "INVALID_ARGUMENT: The request's field audience is required."},
		{name: "a request without scopes", body: `{"scope":[]}`, status: 400, want: "INVALID_ARGUMENT: The request's field scope is required."},
		{name: "a scope that is none", body: `{"scope":["bigquery"]}`, status: 400, want: `INVALID_ARGUMENT: Invalid scope: "bigquery"`},
		{name: "a field that it does not have", body: `{"scopes":["a"]}`, status: 400, want: "INVALID_ARGUMENT: Invalid JSON payload received."},
		{name: "a body that is not JSON", body: `scope=x`, status: 400, want: "INVALID_ARGUMENT: Invalid JSON payload received."},
		{name: "a lifetime that is a number", body: `{"scope":["` + platform + `"],"lifetime":3600}`, status: 400, want: "INVALID_ARGUMENT: Invalid JSON payload received."},
		{name: "a lifetime without its s", body: `{"scope":["` + platform + `"],"lifetime":"3600"}`, status: 400, want: "INVALID_ARGUMENT: Invalid value at 'lifetime'"},
		{name: "a lifetime in minutes", body: `{"scope":["` + platform + `"],"lifetime":"10m0s"}`, status: 400, want: "INVALID_ARGUMENT: Invalid value at 'lifetime'"},
		{name: "a lifetime in hours with a point", body: `{"scope":["` + platform + `"],"lifetime":"1.h"}`, status: 400, want: "INVALID_ARGUMENT: Invalid value at 'lifetime'"},
		{name: "a lifetime in milliseconds", body: `{"scope":["` + platform + `"],"lifetime":"1.5ms"}`, status: 400, want: "INVALID_ARGUMENT: Invalid value at 'lifetime'"},
		{name: "a lifetime of nothing", body: `{"scope":["` + platform + `"],"lifetime":"0s"}`, status: 400, want: "INVALID_ARGUMENT: The lifetime 0s"},
		{name: "a negative lifetime", body: `{"scope":["` + platform + `"],"lifetime":"-1s"}`, status: 400, want: "INVALID_ARGUMENT: Invalid value at 'lifetime'"},
		{name: "more than an hour without the policy", body: `{"scope":["` + platform + `"],"lifetime":"3601s"}`, status: 400, want: "INVALID_ARGUMENT: The lifetime 3601s"},
		{name: "more than the policy allows", account: fakecloud.ServiceAccount{MaxLifetime: 12 * time.Hour}, body: `{"scope":["` + platform + `"],"lifetime":"43201s"}`, status: 400, want: "INVALID_ARGUMENT: The lifetime 43201s"},
		{name: "a delegate without the long form", body: `{"delegates":["` + hop + `"],"scope":["` + platform + `"]}`, status: 400, want: "INVALID_ARGUMENT: Invalid delegate"},
		{name: "a delegate that is not there", body: `{"delegates":["projects/-/serviceAccounts/` + hop + `"],"scope":["` + platform + `"]}`, status: 403, want: denied},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newFederation(fakecloud.Provider{})
			test.account.Email = reports
			c.AddServiceAccount(test.account)
			if test.bearer == "" {
				test.bearer = federate(t, c, orElse(test.scope, platform))
			}
			status, answer := callIAM(t, c, strings.TrimPrefix(test.bearer, "-"), orElse(test.call, reports+":generateAccessToken"), orElse(test.body, good))
			if got := googleStatus(answer); status != test.status || !strings.HasPrefix(got, test.want) {
				t.Errorf("got %d %v\nwant %d %s", status, answer, test.status, test.want)
			}
		})
	}
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func TestImpersonationFollowsWhoIsGrantedWhat(t *testing.T) {
	t.Parallel()
	const delegate = `"projects/-/serviceAccounts/` + hop + `"`
	for _, test := range []struct {
		name       string
		reports    []string // who may impersonate reports
		hop        []string // who may impersonate hop
		delegates  string
		wantStatus int
	}{
		{"a principal", []string{"principal://" + poolURL + "/subject/" + minterARN}, nil, "", 200},
		{"not another principal", []string{"principal://" + poolURL + "/subject/" + minterARN + "2"}, nil, "", 403},
		{"everyone of the pool", []string{"principalSet://" + poolURL + "/*"}, nil, "", 200},
		{"not everyone of another pool", []string{"principalSet://" + poolURL + "2/*"}, nil, "", 403},
		{"every session of the role", []string{"principalSet://" + poolURL + "/attribute.aws_role/arn:aws:sts::123456789012:assumed-role/minter"}, nil, "", 200},
		{"not those of another role", []string{"principalSet://" + poolURL + "/attribute.aws_role/arn:aws:sts::123456789012:assumed-role/mint"}, nil, "", 403},
		{"a chain", []string{hop}, []string{"principalSet://" + poolURL + "/*"}, delegate, 200},
		{"a chain that policies spell out", []string{"serviceAccount:" + hop}, nil, delegate, 200},
		{"not a chain whose first link is missing", []string{hop}, []string{reports}, delegate, 403},
		{"not a chain whose last link is missing", []string{"principalSet://" + poolURL + "/*"}, nil, delegate, 403},
		{"not a chain that is skipped", []string{hop}, nil, "", 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newFederation(fakecloud.Provider{})
			c.AddServiceAccount(fakecloud.ServiceAccount{Email: reports, Callers: test.reports})
			c.AddServiceAccount(fakecloud.ServiceAccount{Email: hop, Callers: test.hop})
			body := `{"delegates":[` + test.delegates + `],"scope":["` + platform + `"]}`
			if status, answer := callIAM(t, c, federate(t, c, platform), reports+":generateAccessToken", body); status != test.wantStatus {
				t.Errorf("got %d %v", status, answer)
			}
		})
	}
}

func TestAnAccountsOwnTokenCanImpersonateAndAnExpiredOneCannot(t *testing.T) {
	t.Parallel()
	at := newClock(noon)
	c := fakecloud.New(fakecloud.Options{Now: at.now})
	c.AddAWSKey(minterKey)
	c.AddProvider(fakecloud.Provider{Audience: provider, AWSAccount: "123456789012"})
	c.AddServiceAccount(fakecloud.ServiceAccount{Email: hop})
	c.AddServiceAccount(fakecloud.ServiceAccount{Email: reports, UniqueID: "117", Callers: []string{hop}})
	body := `{"scope":["` + platform + `"],"lifetime":"600s"}`
	_, answer := callIAM(t, c, federate(t, c, platform), hop+":generateAccessToken", body)
	token, _ := answer["accessToken"].(string)
	if status, answer := callIAM(t, c, token, "117:generateAccessToken", body); status != 200 {
		t.Errorf("with the account's token: %d %v", status, answer)
	}
	at.advance(10 * time.Minute)
	status, answer := callIAM(t, c, token, reports+":generateAccessToken", body)
	if want := "UNAUTHENTICATED: Request had invalid"; status != 401 || !strings.HasPrefix(googleStatus(answer), want) {
		t.Errorf("when it has expired: %d %v", status, answer)
	}
}

func TestGenerateIDTokenMakesAJWTThatTokenInfoKnows(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, body string
		lifetime   time.Duration
		want       map[string]any
	}{
		{"with the email", `{"audience":"https://api.example","includeEmail":true}`, 0,
			map[string]any{"exp": "1704200400", "email": reports, "email_verified": "true"}},
		{"without the email", `{"audience":"https://api.example"}`, 5 * time.Minute, map[string]any{"exp": "1704197100"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newFederation(fakecloud.Provider{})
			c.AddServiceAccount(fakecloud.ServiceAccount{Email: reports, UniqueID: "117", IDTokenLifetime: test.lifetime})
			bearer := federate(t, c, platform)
			status, answer := callIAM(t, c, bearer, reports+":generateIdToken", test.body)
			token, _ := answer["token"].(string)
			if status != 200 || strings.Count(token, ".") != 2 {
				t.Fatalf("got %d %v", status, answer)
			}
			for name, claim := range map[string]string{
				"iss": "https://accounts.google.com", "aud": "https://api.example", "azp": "117", "sub": "117",
				"iat": "1704196800", "alg": "RS256", "kid": "fakecloud-rs256", "typ": "JWT",
			} {
				test.want[name] = claim
			}
			status, answer = post(t, c, "https://oauth2.googleapis.com/tokeninfo", url.Values{"id_token": {token}})
			if diff := cmp.Diff(test.want, answer); status != 200 || diff != "" {
				t.Errorf("%d %s", status, diff)
			}
			if status, _ := callIAM(t, c, token, reports+":generateIdToken", test.body); status != 401 {
				t.Errorf("as an access token it is answered %d", status)
			}
		})
	}
}

func TestSigningMethodsSignWithTheAccountsKey(t *testing.T) {
	t.Parallel()
	c := newFederation(fakecloud.Provider{})
	c.AddServiceAccount(fakecloud.ServiceAccount{Email: reports})
	bearer := federate(t, c, platform)
	sign := func(method, payload string) (int, map[string]any) {
		body, _ := json.Marshal(map[string]string{"payload": payload})
		return callIAM(t, c, bearer, reports+":"+method, string(body))
	}
	status, jwt := sign("signJwt", `{"iss":"me","exp":1704240000}`)
	signed, _ := jwt["signedJwt"].(string)
	if status != 200 || jwt["keyId"] != "fakecloud-rs256" || strings.Count(signed, ".") != 2 {
		t.Fatalf("signJwt: %d %v", status, jwt)
	}
	// The same key signs blobs: signing what a JWT signs yields its signature.
	body, signature := signed[:strings.LastIndex(signed, ".")], signed[strings.LastIndex(signed, ".")+1:]
	status, blob := sign("signBlob", base64.StdEncoding.EncodeToString([]byte(body)))
	got, _ := base64.StdEncoding.DecodeString(blob["signedBlob"].(string))
	if status != 200 || base64.RawURLEncoding.EncodeToString(got) != signature {
		t.Errorf("signBlob: %d %v", status, blob)
	}
	for name, refused := range map[string][2]string{
		"a blob that is not base64":        {"signBlob", "%"},
		"claims that are not an object":    {"signJwt", "[]"},
		"claims of more than 12 hours":     {"signJwt", `{"exp":1704240001}`},
		"claims whose exp is not a number": {"signJwt", `{"exp":"1"}`},
		"nothing":                          {"signJwt", ""},
	} {
		if status, answer := sign(refused[0], refused[1]); status != 400 {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
}
