package fakecloud_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

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
	return &s.Headers[slices.IndexFunc(s.Headers, func(h subjectHeader) bool { return h.Key == key })].Value
}

func (s *subjectToken) without(key string) {
	s.Headers = slices.DeleteFunc(s.Headers, func(h subjectHeader) bool { return h.Key == key })
}

// form is the exchange of the token for a federated one.
func (s *subjectToken) form() url.Values {
	document, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return exchangeForm(url.QueryEscape(string(document)))
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
			if status, answer := post(t, c, tokenURL, s.form()); status != http.StatusOK {
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
			status, answer := post(t, newFederation(fakecloud.Provider{}), tokenURL, s.form())
			checkOAuthError(t, status, answer, 400, test.code, test.description)
		})
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
