package fakecloud_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func TestProvidersRulesDecideWhoIsLetIn(t *testing.T) {
	t.Parallel()
	long := minterKey
	long.ARN = "arn:aws:sts::123456789012:assumed-role/" + strings.Repeat("r", 64) + "/" + strings.Repeat("s", 127-39-64-1)
	tooLong := long
	tooLong.ARN += "s"
	for _, test := range []struct {
		name     string
		key      fakecloud.AWSKey
		provider fakecloud.Provider
		code     string
	}{
		{"a role that is allowed", minterKey, fakecloud.Provider{AllowedRoleARNs: []string{"arn:aws:iam::123456789012:role/minter"}}, ""},
		{"a role that is allowed as attribute.aws_role has it", minterKey, fakecloud.Provider{AllowedRoleARNs: []string{"arn:aws:sts::123456789012:assumed-role/minter"}}, ""},
		{"not another role", minterKey, fakecloud.Provider{AllowedRoleARNs: []string{"arn:aws:iam::123456789012:role/mint"}}, "unauthorized_client"},
		{"whom the condition takes", minterKey, fakecloud.Provider{Condition: func(arn string) bool { return arn == minterARN }}, ""},
		{"not whom the condition refuses", minterKey, fakecloud.Provider{Condition: func(arn string) bool { return arn != minterARN }}, "unauthorized_client"},
		{"not by a provider that is disabled", minterKey, fakecloud.Provider{Disabled: true}, "invalid_target"},
		{"with a signed target, when that is required", minterKey, fakecloud.Provider{RequireSignedTarget: true}, ""},
		{"a subject of 127 bytes", long, fakecloud.Provider{}, ""},
		{"not a subject of 128 bytes", tooLong, fakecloud.Provider{}, "invalid_request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newFederation(test.provider)
			c.AddAWSKey(test.key)
			status, answer := post(t, c, tokenURL, newSubjectToken(test.key, noon).form())
			if code, _ := answer["error"].(string); code != test.code || (status == 200) != (test.code == "") {
				t.Errorf("got %d %v, want %q", status, answer, test.code)
			}
		})
	}
	t.Run("no one of another account", func(t *testing.T) {
		t.Parallel()
		c := newFederation(fakecloud.Provider{})
		foreign := minterKey
		foreign.ARN = strings.Replace(minterARN, "123456789012", "999999999999", 1)
		c.AddAWSKey(foreign)
		status, answer := post(t, c, tokenURL, newSubjectToken(foreign, noon).form())
		checkOAuthError(t, status, answer, 400, "invalid_grant", "The AWS account 999999999999")
	})
}

// Google's Python and Node libraries add the target after signing.
func TestUnsignedTargetIsTakenUnlessTheProviderRequiresIt(t *testing.T) {
	t.Parallel()
	r, _ := http.NewRequest("POST", "https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15", nil)
	credentials := aws.Credentials{AccessKeyID: minterKey.AccessKeyID, SecretAccessKey: minterKey.SecretAccessKey, SessionToken: minterKey.SessionToken}
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, emptySHA256, "sts", "eu-west-1", noon); err != nil {
		t.Fatal(err)
	}
	s := &subjectToken{URL: r.URL.String(), Method: "POST", Headers: []subjectHeader{
		{"authorization", r.Header.Get("Authorization")}, {"host", r.URL.Host}, {"x-amz-date", r.Header.Get("X-Amz-Date")},
		{"x-amz-security-token", minterKey.SessionToken}, {"x-goog-cloud-target-resource", provider},
	}}
	form := s.form()

	c := newFederation(fakecloud.Provider{})
	status, answer := post(t, c, tokenURL, form)
	if status != http.StatusOK {
		t.Fatalf("answered %d %v", status, answer)
	}
	if issued, _ := c.LookupToken(answer["access_token"].(string)); issued.TargetSigned {
		t.Error("the target counts as signed")
	}
	status, answer = post(t, newFederation(fakecloud.Provider{RequireSignedTarget: true}), tokenURL, form)
	checkOAuthError(t, status, answer, 400, "invalid_grant", "AWS request has invalid format. (the provider requires")
}

func TestOAuthClientsAuthenticateInHeaderOrBody(t *testing.T) {
	t.Parallel()
	const id, secret = "client", "s:e+c ret"
	for _, test := range []struct {
		name   string
		header func(*http.Request)
		form   url.Values
		status int
		code   any
	}{
		{"in the header", func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }, nil, 200, nil},
		{"in the body", nil, url.Values{"client_id": {id}, "client_secret": {secret}}, 200, nil},
		{"not in both", func(r *http.Request) { r.SetBasicAuth(id, secret) }, url.Values{"client_id": {id}}, 400, "invalid_request"},
		{"not with another secret", nil, url.Values{"client_id": {id}, "client_secret": {"x"}}, 401, "invalid_client"},
		{"not with a bearer token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, nil, 401, "invalid_client"},
		{"not without", nil, nil, 401, "invalid_client"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newFederation(fakecloud.Provider{ClientID: id, ClientSecret: secret})
			form := newSubjectToken(minterKey, noon).form()
			for name, values := range test.form {
				form[name] = values
			}
			r, _ := http.NewRequest("POST", tokenURL, strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if test.header != nil {
				test.header(r)
			}
			if status, answer := do(t, c, r); status != test.status || answer["error"] != test.code {
				t.Errorf("got %d %v", status, answer)
			}
		})
	}
}

func TestWorkforceProvidersTakeWhatTheirVerifierTakes(t *testing.T) {
	t.Parallel()
	const workforce = "//iam.googleapis.com/locations/global/workforcePools/staff/providers/okta"
	c := fakecloud.New(fakecloud.Options{})
	c.AddProvider(fakecloud.Provider{Audience: workforce, Kind: fakecloud.OIDCProvider, Verify: func(token string) (string, error) {
		if token != "opaque" {
			return "", errors.New("Error connecting to the given credential's issuer.")
		}
		return "alice", nil
	}})
	form := exchangeForm("opaque")
	form.Set("audience", workforce)
	form.Set("subject_token_type", "urn:ietf:params:oauth:token-type:id_token")
	form.Set("options", `{"userProject":"123"}`)
	status, answer := post(t, c, tokenURL, form)
	if status != http.StatusOK {
		t.Fatalf("answered %d %v", status, answer)
	}
	issued, _ := c.LookupToken(answer["access_token"].(string))
	if want := "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/alice"; issued.Principal != want {
		t.Errorf("the principal is %s", issued.Principal)
	}
	form.Set("subject_token", "other")
	status, answer = post(t, c, tokenURL, form)
	checkOAuthError(t, status, answer, 400, "invalid_grant", "Error connecting to the given credential's issuer.")
}
