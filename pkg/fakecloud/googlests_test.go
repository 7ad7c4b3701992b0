package fakecloud_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// subjectToken is what a client puts together before it is quoted; a header
// list, since its order and duplicates matter.
type subjectToken struct {
	URL     string          `json:"url"`
	Method  string          `json:"method"`
	Headers []subjectHeader `json:"headers"`
}

type subjectHeader struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// newSubjectToken signs GetCallerIdentity for the provider, as the AWS SDK signs.
func newSubjectToken(key fakecloud.AWSKey, at time.Time) *subjectToken {
	s := &subjectToken{URL: "https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15", Method: "POST"}
	r, _ := http.NewRequest(s.Method, s.URL, nil)
	r.Header.Set("x-goog-cloud-target-resource", provider)
	credentials := aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey, SessionToken: key.SessionToken}
	if err := v4.NewSigner().SignHTTP(context.Background(), credentials, r, emptySHA256, "sts", "eu-west-1", at); err != nil {
		panic(err)
	}
	s.Headers = []subjectHeader{{"host", r.URL.Host}}
	for name, values := range r.Header {
		s.Headers = append(s.Headers, subjectHeader{strings.ToLower(name), values[0]})
	}
	return s
}

func (s *subjectToken) header(key string) *string {
	for i := range s.Headers {
		if s.Headers[i].Key == key {
			return &s.Headers[i].Value
		}
	}
	panic("no header " + key)
}

func (s *subjectToken) without(key string) {
	var rest []subjectHeader
	for _, h := range s.Headers {
		if h.Key != key {
			rest = append(rest, h)
		}
	}
	s.Headers = rest
}

func (s *subjectToken) document() string {
	document, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(document)
}

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
	status, answer := post(t, c, tokenURL, exchangeForm(url.QueryEscape(newSubjectToken(minterKey, noon).document())))
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

// The project's known answers, which were computed elsewhere: two requests of
// which only the signature is known.
func TestExchangeTakesTheKnownAnswers(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct{ name, sessionToken, signedHeaders, signature string }{
		{"without a session token", "", "host;x-amz-date;x-goog-cloud-target-resource",
			"2301b23cd6e5024a064d4bffdb9fe8c5f75dc9fd086da953376d4e9e64a4e8f6"},
		{"with a session token", "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCWV1LXdlc3QtMSJHMEUCIQD+a/b=", "host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource",
			"c72e8b18d9607948bfd500c0a532e4eacd0b409131ca02fbedd23a6d2f6dccfc"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := fakecloud.New(fakecloud.Options{Now: func() time.Time { return at }})
			c.AddAWSKey(fakecloud.AWSKey{AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", SessionToken: test.sessionToken, ARN: minterARN})
			c.AddProvider(fakecloud.Provider{Audience: provider, AWSAccount: "123456789012"})
			s := &subjectToken{URL: "https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15", Method: "POST", Headers: []subjectHeader{
				{"Authorization", "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20240102/eu-west-1/sts/aws4_request, SignedHeaders=" + test.signedHeaders + ", Signature=" + test.signature},
				{"host", "sts.eu-west-1.amazonaws.com"},
				{"x-amz-date", "20240102T030405Z"},
				{"x-goog-cloud-target-resource", provider},
			}}
			if test.sessionToken != "" {
				s.Headers = append(s.Headers, subjectHeader{"x-amz-security-token", test.sessionToken})
			}
			if status, answer := post(t, c, tokenURL, exchangeForm(url.QueryEscape(s.document()))); status != http.StatusOK {
				t.Errorf("answered %d %v", status, answer)
			}
		})
	}
}

func TestExchangeRefusesSubjectTokens(t *testing.T) {
	t.Parallel()
	const malformed = "AWS request has invalid format. ("
	for _, test := range []struct {
		name        string
		edit        func(*subjectToken)
		code        string
		description string
	}{
		{"with an unsigned target of another provider", func(s *subjectToken) { *s.header("x-goog-cloud-target-resource") += "2" }, "invalid_grant", malformed + "the header x-goog-cloud-target-resource is"},
		{"without the target", func(s *subjectToken) { s.without("x-goog-cloud-target-resource") }, "invalid_grant", malformed + `the header "x-goog-cloud-target-resource" is missing`},
		{"without the host", func(s *subjectToken) { s.without("host") }, "invalid_grant", malformed + `the header "host" is missing`},
		{"without the date", func(s *subjectToken) { s.without("x-amz-date") }, "invalid_grant", malformed + `the header "x-amz-date" is missing`},
		{"without the authorization", func(s *subjectToken) { s.without("authorization") }, "invalid_grant", malformed + `the header "authorization" is missing`},
		{"with a header twice", func(s *subjectToken) {
			s.Headers = append(s.Headers, subjectHeader{"Host", "sts.eu-west-1.amazonaws.com"})
		}, "invalid_grant", malformed + `the header "Host" is there twice`},
		{"with another host in the header", func(s *subjectToken) { *s.header("host") = "sts.us-east-1.amazonaws.com" }, "invalid_grant", malformed + `the header "host" is not the url's host`},
		{"for a host that is not AWS's", func(s *subjectToken) { s.URL = strings.Replace(s.URL, "amazonaws.com", "amazonaws.com.example", 1) }, "invalid_grant", malformed + "the url"},
		{"for a host without a region between the dots", func(s *subjectToken) { s.URL = strings.Replace(s.URL, "sts.eu-west-1.", "sts..", 1) }, "invalid_grant", malformed + "the url"},
		{"for another service of AWS", func(s *subjectToken) { s.URL = strings.Replace(s.URL, "//sts.", "//iam.", 1) }, "invalid_grant", malformed + "the url"},
		{"for a host with a user", func(s *subjectToken) { s.URL = strings.Replace(s.URL, "//", "//sts.eu-west-1.amazonaws.com@", 1) }, "invalid_grant", malformed + "the url"},
		{"over http", func(s *subjectToken) { s.URL = strings.Replace(s.URL, "https", "http", 1) }, "invalid_grant", malformed + "the url"},
		{"for another action", func(s *subjectToken) { s.URL = strings.Replace(s.URL, "GetCallerIdentity", "AssumeRole", 1) }, "invalid_grant", malformed + "the url's query"},
		{"with more in the query", func(s *subjectToken) { s.URL += "&RoleArn=x" }, "invalid_grant", malformed + "the url's query"},
		{"with GET", func(s *subjectToken) { s.Method = "GET" }, "invalid_grant", malformed + "the method"},
		{"with another signature", func(s *subjectToken) { a := s.header("authorization"); *a = (*a)[:len(*a)-1] + "x" }, "invalid_grant",
			"Received invalid AWS response of type SignatureDoesNotMatch with error message: The request signature we calculated"},
		{"of an unknown key", func(s *subjectToken) { a := s.header("authorization"); *a = strings.Replace(*a, "ASIA", "ASIB", 1) }, "invalid_grant",
			"Received invalid AWS response of type InvalidClientTokenId with error message: The security token included in the request is invalid."},
		{"that is 16 minutes old", func(s *subjectToken) { *s = *newSubjectToken(minterKey, noon.Add(-16*time.Minute)) }, "invalid_grant",
			"Received invalid AWS response of type SignatureDoesNotMatch with error message: Signature expired: 20240102T114400Z is now earlier than"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSubjectToken(minterKey, noon)
			test.edit(s)
			status, answer := post(t, newFederation(fakecloud.Provider{}), tokenURL, exchangeForm(url.QueryEscape(s.document())))
			checkOAuthError(t, status, answer, 400, test.code, test.description)
		})
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

func TestExchangeRefusesDocumentsThatAreNotASubjectToken(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, token, reason string }{
		{"what is not quoted right", "%zz", "not URL-quoted"},
		{"an empty object", "{}", `has no key "url"`},
		{"an array", "[]", "not a JSON object"},
		{"a truncated document", `{"url":"https://sts.eu`, "is not JSON"},
		{"a document with something after it", `{"url":"u","method":"POST","headers":[]} x`, "something after it"},
		{"an unknown key", `{"url":"u","method":"POST","headers":[],"Body":""}`, `the key "Body"`},
		{"a key twice", `{"url":"u","url":"u","method":"POST","headers":[]}`, `the key "url"`},
		{"headers that are an object", `{"url":"u","method":"POST","headers":{}}`, "headers an array"},
		{"a header without a value", `{"url":"https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15","method":"POST","headers":[{"key":"a"}]}`, `a header has no key "value"`},
		{"a header with a number", `{"url":"https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15","method":"POST","headers":[{"key":"a","value":1}]}`, "have to be strings"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			token := test.token
			if strings.HasPrefix(token, "{") || strings.HasPrefix(token, "[") {
				token = url.QueryEscape(token)
			}
			status, answer := post(t, newFederation(fakecloud.Provider{}), tokenURL, exchangeForm(token))
			checkOAuthError(t, status, answer, 400, "invalid_grant", "AWS request has invalid format. (")
			if description := answer["error_description"].(string); !strings.Contains(description, test.reason) {
				t.Errorf("the reason is not %q: %s", test.reason, description)
			}
		})
	}
}

func TestExchangeRefusesForms(t *testing.T) {
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
			form := exchangeForm(url.QueryEscape(newSubjectToken(minterKey, noon).document()))
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
			status, answer := post(t, c, tokenURL, exchangeForm(url.QueryEscape(newSubjectToken(minterKey, noon).document())))
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
	form := exchangeForm(url.QueryEscape(newSubjectToken(minterKey, noon).document()))
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
	_, answer := post(t, c, tokenURL, exchangeForm(url.QueryEscape(newSubjectToken(minterKey, noon).document())))
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
