package googlests_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// Google's own words, and what a person is told to look at.
func TestErrorsSayWhatToChange(t *testing.T) {
	t.Parallel()
	const awsSays = "Received invalid AWS response of type "
	for _, tc := range []struct {
		status          int
		code, text, fix string
	}{
		{400, "invalid_target", `The target service indicated by the "audience" parameters is invalid. This might either be because the pool or provider is disabled or deleted or because it doesn't exist.`, "projects/NUMBER/"},
		{400, "invalid_request", `Invalid value for "audience". This value should be the full resource name of the Identity Provider.`, "down to the provider, not the pool"},
		{400, "invalid_request", "The audience and subject token type do not match.", "an AWS provider"},
		{400, "invalid_request", "The size of mapped attribute google.subject exceeds the 127 bytes limit. Either modify your attribute mapping …", "shorten the name of the role"},
		{400, "unauthorized_client", "The given credential is rejected by the attribute condition.", "aws sts get-caller-identity"},
		{400, "invalid_grant", "The given credential is rejected by the attribute condition.", "aws sts get-caller-identity"},
		{400, "unauthorized_client", "The mapped attribute 'google.subject' must be of type STRING.", "attribute mapping"},
		{400, "invalid_grant", awsSays + "InvalidClientTokenId with error message: The security token included in the request is invalid", "of one session"},
		{400, "invalid_grant", awsSays + "ExpiredToken with error message: The security token included in the request is expired", "get new ones"},
		{400, "invalid_grant", awsSays + "SignatureDoesNotMatch with error message: The request signature we calculated does not match", "secret key"},
		{400, "invalid_grant", awsSays + "SignatureDoesNotMatch with error message: Signature expired: soon (", "secret key"},
		{400, "invalid_grant", awsSays + "SignatureDoesNotMatch with error message: Signature expired: 20260102T030405Z is now earlier than 20260102T034905Z (20260102T040405Z - 15 min.)", "60 minutes behind AWS's: set it"},
		{400, "invalid_grant", awsSays + "SignatureDoesNotMatch with error message: Signature not yet current: 20260102T030405Z is still later than 20260102T025805Z (20260102T024235Z + 15 min.)", "22 minutes ahead of AWS's: set it"},
		{400, "invalid_grant", "AWS request has invalid format.", "regional_cred_verification_url"},
		{400, "invalid_grant", "Error connecting to the given credential's issuer.", "public"},
		{400, "invalid_grant", "The audience in ID Token [x] does not match the expected audience.", "allowed audiences"},
		{400, "invalid_grant", "", "clock"},
		{400, "invalid_scope", "Some requested scopes were invalid.", "in full"},
		{401, "invalid_client", "The OAuth client was not found.", "client_secret"},
		{403, "PERMISSION_DENIED", "Security Token Service API has not been used in project 123 before or it is disabled.", "gcloud services enable sts.googleapis.com"},
		{403, "PERMISSION_DENIED", "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: x", "ingress"},
		{403, "PERMISSION_DENIED", "Caller does not have required permission to use project 123.", "serviceusage"},
		{403, "http_error", "a page of HTML or XML instead of JSON", "proxy"},
		{400, "invalid_dream", "The pool is dry.", ""},
		{502, "http_error", "a page of HTML or XML instead of JSON", ""},
		{503, "invalid_grant", "", ""},
		{0, "invalid_request", "SubjectToken is nil", ""},
		{200, "invalid_response", "the answer has no access_token", ""},
	} {
		e := &googlests.Error{Op: "exchanging token", HTTPStatus: tc.status, Code: tc.code, Description: tc.text}
		means, fix := e.Advice()
		if advice := means + ": " + fix; tc.fix == "" && advice != ": " || !strings.Contains(advice, tc.fix) {
			t.Errorf("%d %s, %q: the advice is %q, want %q", tc.status, tc.code, tc.text, advice, tc.fix)
		}
		if tc.fix != "" && !strings.HasSuffix(e.Error(), fmt.Sprintf("(HTTP %d); %s: %s", tc.status, means, fix)) {
			t.Errorf("the advice is not at the end of %q", e)
		}
	}
	for _, tc := range []struct {
		status          int
		code, text, fix string
	}{
		{400, "invalid_grant", "Token has been expired or revoked.", "log in again: gcloud auth application-default login"},
		{400, "invalid_grant", "reauth related error (invalid_rapt)", "log in again"},
		{401, "invalid_client", "The OAuth client was not found.", "client_id and client_secret are those that the login was made with"},
		{400, "unauthorized_client", "Unauthorized", "log in again"},
		{404, "http_error", "a page of HTML or XML instead of JSON", "proxy"},
		{503, "invalid_grant", "", ""},
	} {
		e := &googlests.Error{Op: "refreshing token", HTTPStatus: tc.status, Code: tc.code, Description: tc.text}
		if _, fix := e.Advice(); tc.fix == "" && fix != "" || !strings.Contains(fix, tc.fix) {
			t.Errorf("refreshing, %d %s: the advice is %q, want %q", tc.status, tc.code, fix, tc.fix)
		}
	}
	if means, _ := (&googlests.Error{Op: "downscoping token", HTTPStatus: 400, Code: "invalid_grant"}).Advice(); means != "" {
		t.Errorf("a downscoping, where there is no provider, says %q", means)
	}
}

var awsKey = fakecloud.AWSKey{
	AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "planted-secret-access-key", SessionToken: "planted-session-token-0123456789",
	ARN: "arn:aws:sts::123456789012:assumed-role/minter/session",
}

// signing makes subject tokens of awsKey in a region whose name is long.
func signing(now time.Time) func(context.Context) (secret.Text, error) {
	source := subjecttoken.AWS{
		Audience: audience,
		Now:      func() time.Time { return now },
		Supplier: supplier.Environment{Getenv: func(name string) string {
			return map[string]string{"AWS_REGION": "ap-southeast-1", "AWS_ACCESS_KEY_ID": awsKey.AccessKeyID,
				"AWS_SECRET_ACCESS_KEY": awsKey.SecretAccessKey, "AWS_SESSION_TOKEN": awsKey.SessionToken}[name]
		}},
	}
	return source.SubjectToken
}

// AWS tells a machine whose clock is wrong so, through Google, and the dates in
// what it says are also in the signed request, none of which else may be shown.
func TestAWrongClockIsToldByHowMuch(t *testing.T) {
	t.Parallel()
	actual := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cloud := fakecloud.New(fakecloud.Options{Now: func() time.Time { return actual }, Region: "ap-southeast-1"})
	cloud.AddProvider(fakecloud.Provider{Audience: audience, AWSAccount: "123456789012"})
	cloud.AddAWSKey(awsKey)
	for off, want := range map[time.Duration]string{
		-40 * time.Minute: "Signature expired: 20260102T022405Z is now earlier than 20260102T024905Z (20260102T030405Z - 15 min.) (HTTP 400); " +
			"this machine's clock is about 40 minutes behind AWS's: set it",
		16 * time.Minute: "Signature not yet current: 20260102T032005Z is still later than 20260102T031905Z (20260102T030405Z + 15 min.) (HTTP 400); " +
			"this machine's clock is about 16 minutes ahead of AWS's: set it",
	} {
		req := request()
		req.SubjectToken = signing(actual.Add(off))
		_, err := client(cloud.RoundTrip).Exchange(t.Context(), req)
		if text := asError(t, err).Error(); !strings.Contains(text, want) {
			t.Errorf("a clock off by %v: got %s\nwant %s", off, text, want)
		}
	}
}

func TestOnlyTheHarmlessPartsOfASignedRequestAreQuoted(t *testing.T) {
	t.Parallel()
	req := request()
	req.SubjectToken = signing(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	token, err := req.SubjectToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, signature, _ := strings.Cut(token.Reveal(), "Signature%3D")
	signature = signature[:64]
	for quoted, shown := range map[string]bool{
		"20260102T030405Z":                       true,
		"sts.ap-southeast-1.amazonaws.com":       true,
		"a valid region, such as ap-southeast-1": true,
		"Action=GetCallerIdentity":               true,
		"perform: sts:GetCallerIdentity":         true,
		"x-amz-security-token":                   true,
		"x-goog-cloud-target-resource":           true,
		audience:                                 true,
		signature:                                false,
		signature[:12]:                           false,
		awsKey.SessionToken:                      false,
		awsKey.AccessKeyID:                       false,
		"AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20260102/ap-southeast-1/sts/aws4_request": false,
		token.Reveal(): false,
	} {
		_, err := client(answering(400, `{"error":"invalid_grant","error_description":"about `+quoted+`"}`)).Exchange(t.Context(), req)
		if got := asError(t, err).Description; (got == "about "+quoted) != shown || !shown && strings.Contains(got, quoted) {
			t.Errorf("of %q is shown %q", quoted, got)
		}
	}
}
