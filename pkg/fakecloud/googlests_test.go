package fakecloud_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func exchangeForm(subjectToken string) url.Values {
	return url.Values{
		"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"audience":             {provider},
		"scope":                {"https://www.googleapis.com/auth/cloud-platform"},
		"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		"subject_token":        {subjectToken},
		"subject_token_type":   {"urn:ietf:params:aws:token-type:aws4_request"},
	}
}

// post sends a form and reads the JSON that comes back.
func post(t *testing.T, c *fakecloud.Cloud, target string, form url.Values) (status int, answer map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(t, c, r)
}

func do(t *testing.T, c *fakecloud.Cloud, r *http.Request) (status int, answer map[string]any) {
	t.Helper()
	response, err := c.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("answered %d %q: %v", response.StatusCode, body, err)
	}
	return response.StatusCode, answer
}

const tokenURL = "https://sts.googleapis.com/v1/token"

// newFederation is a cloud at noon whose provider trusts minterKey's account.
func newFederation(p fakecloud.Provider) *fakecloud.Cloud {
	c := fakecloud.New(fakecloud.Options{Now: func() time.Time { return noon }})
	c.AddAWSKey(minterKey)
	p.Audience, p.AWSAccount = provider, "123456789012"
	c.AddProvider(p)
	return c
}

func TestExchangeYieldsAFederatedToken(t *testing.T) {
	t.Parallel()
	c := newFederation(fakecloud.Provider{TokenLifetime: 30 * time.Minute})
	status, answer := post(t, c, tokenURL, newSubjectToken(minterKey, noon).form())
	if status != http.StatusOK {
		t.Fatalf("answered %d %v", status, answer)
	}
	token, _ := answer["access_token"].(string)
	want := map[string]any{
		"access_token": token, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer", "expires_in": 1800.0,
	}
	if diff := cmp.Diff(want, answer); diff != "" || !strings.HasPrefix(token, "ya29.d.") {
		t.Errorf("%s: %s", token, diff)
	}
	issued, valid := c.LookupToken(token)
	wantIssued := fakecloud.IssuedToken{
		Token: token, Kind: fakecloud.FederatedToken,
		Principal: "principal://iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/subject/" + minterARN,
		Scopes:    []string{"https://www.googleapis.com/auth/cloud-platform"}, Audience: provider,
		IssuedAt: noon, Expires: noon.Add(30 * time.Minute), TargetSigned: true,
	}
	if diff := cmp.Diff(wantIssued, issued, cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".pool" || p.Last().String() == ".awsRole"
	}, cmp.Ignore())); diff != "" || !valid {
		t.Errorf("looked up: %v %s", valid, diff)
	}
	if got := c.IssuedTokens(); len(got) != 1 || got[0].Token != token {
		t.Errorf("issued are %v", got)
	}
	var calls []string
	for _, call := range c.Calls() {
		calls = append(calls, call.Service+" "+call.Operation+" "+call.Resource)
	}
	if diff := cmp.Diff([]string{"aws-sts GetCallerIdentity ", "google-sts token " + provider}, calls); diff != "" {
		t.Error(diff)
	}
}

func checkOAuthError(t *testing.T, status int, answer map[string]any, wantStatus int, code, description string) {
	t.Helper()
	got, _ := answer["error_description"].(string)
	if status != wantStatus || answer["error"] != code || !strings.HasPrefix(got, description) {
		t.Errorf("got %d %v\nwant %d %s: %s…", status, answer, wantStatus, code, description)
	}
	for _, secret := range []string{minterKey.SecretAccessKey, minterKey.SessionToken, "Signature="} {
		if strings.Contains(got, secret) {
			t.Errorf("the description tells a secret: %s", got)
		}
	}
}

func TestExchangeRefusesFormsThatGoogleRefuses(t *testing.T) {
	t.Parallel()
	set := func(name, value string) func(url.Values) { return func(f url.Values) { f.Set(name, value) } }
	const invalidAudience = `Invalid value for "audience". This value should be the full resource name of the Identity Provider.`
	for _, test := range []struct {
		name        string
		edit        func(url.Values)
		status      int
		code        string
		description string
	}{
		{"without a grant type", func(f url.Values) { f.Del("grant_type") }, 400, "invalid_request", "Missing required parameter: grant_type"},
		{"without a scope", func(f url.Values) { f.Del("scope") }, 400, "invalid_request", "Missing required parameter: scope"},
		{"without a subject token", func(f url.Values) { f.Del("subject_token") }, 400, "invalid_request", "Missing required parameter: subject_token"},
		{"with a parameter twice", func(f url.Values) { f.Add("audience", provider) }, 400, "invalid_request", `The parameter "audience" was given twice.`},
		{"for another grant type", set("grant_type", "refresh_token"), 400, "unsupported_grant_type", ""},
		{"for another token type", set("requested_token_type", "urn:ietf:params:oauth:token-type:id_token"), 400, "invalid_request", ""},
		{"for a pool instead of a provider", set("audience", strings.TrimSuffix(provider, "/providers/aws")), 400, "invalid_request", invalidAudience},
		{"for an audience with https", set("audience", "https:"+provider), 400, "invalid_request", invalidAudience},
		{"for a project's id instead of its number", set("audience", strings.Replace(provider, "123456", "my-project", 1)), 400, "invalid_target", `The target service indicated by the "audience" parameters is invalid.`},
		{"with a scope that is none", set("scope", "https://www.googleapis.com/auth/cloud-platform cloud-platform"), 400, "invalid_scope", ""},
		{"with options that are not JSON", set("options", "{"), 400, "invalid_request", `Invalid value for "options".`},
		{"with another subject token type", set("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"), 400, "invalid_request", "The audience and subject token type do not match."},
		{"of a client nobody asked for", set("client_id", "client"), 401, "invalid_client", "The OAuth client was not found."},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			form := newSubjectToken(minterKey, noon).form()
			test.edit(form)
			status, answer := post(t, newFederation(fakecloud.Provider{}), tokenURL, form)
			checkOAuthError(t, status, answer, test.status, test.code, test.description)
		})
	}
	t.Run("that are JSON", func(t *testing.T) {
		t.Parallel()
		r, _ := http.NewRequest("POST", tokenURL, strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		status, answer := do(t, newFederation(fakecloud.Provider{}), r)
		checkOAuthError(t, status, answer, 400, "invalid_request", "The Content-Type")
	})
}

func TestExchangeSuffersFromAWSsFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault fakecloud.Fault
		code  any
	}{
		{"a reset", fakecloud.Fault{Reset: true}, "UNAVAILABLE"},
		{"an answer that is not XML", fakecloud.Fault{Status: 503, Body: "busy"}, "UNAVAILABLE"},
		{"a truncated answer", fakecloud.Fault{TruncateBody: 40}, "UNAVAILABLE"},
		{"a clock that is wrong", fakecloud.Fault{ClockSkew: 16 * time.Minute}, "invalid_grant"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newFederation(fakecloud.Provider{})
			test.fault.Service = "aws-sts"
			c.Fault(test.fault)
			status, answer := post(t, c, tokenURL, newSubjectToken(minterKey, noon).form())
			got := answer["error"]
			if google, isObject := got.(map[string]any); isObject {
				got = google["status"]
			}
			if got != test.code {
				t.Errorf("got %d %v, want %v", status, answer, test.code)
			}
		})
	}
}

func TestConcurrentExchangesYieldDifferentTokensAndOneSeedTheSame(t *testing.T) {
	t.Parallel()
	form := newSubjectToken(minterKey, noon).form()
	tokens := func() []string {
		c := newFederation(fakecloud.Provider{})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { post(t, c, tokenURL, form) })
		}
		wg.Wait()
		var tokens []string
		for _, issued := range c.IssuedTokens() {
			tokens = append(tokens, issued.Token)
		}
		slices.Sort(tokens)
		return slices.Compact(tokens)
	}
	if got := tokens(); len(got) != 50 {
		t.Errorf("of 50 tokens %d are different", len(got))
	}
	var first []string
	for range 2 {
		_, answer := post(t, newFederation(fakecloud.Provider{}), tokenURL, form)
		first = append(first, answer["access_token"].(string))
	}
	if first[0] != first[1] {
		t.Error("two clouds with the same seed and the same calls issue different tokens")
	}
}

func TestLookupTokenStopsAtExpiry(t *testing.T) {
	t.Parallel()
	at := newClock(noon)
	c := fakecloud.New(fakecloud.Options{Now: at.now})
	c.AddAWSKey(minterKey)
	c.AddProvider(fakecloud.Provider{Audience: provider, AWSAccount: "123456789012"})
	_, answer := post(t, c, tokenURL, newSubjectToken(minterKey, noon).form())
	token := answer["access_token"].(string)
	at.advance(time.Hour - 1)
	if _, valid := c.LookupToken(token); !valid {
		t.Error("a moment before it expires it is not valid")
	}
	at.advance(1)
	if issued, valid := c.LookupToken(token); valid || issued.Principal == "" {
		t.Errorf("when it expires: %v, %v", issued, valid)
	}
	if _, valid := c.LookupToken("ya29.d.unknown"); valid {
		t.Error("an unknown token is valid")
	}
}
