package fakecloud_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// clock is a cloud's clock that tests move.
type clock struct{ nanoseconds atomic.Int64 }

func newClock(at time.Time) *clock {
	c := &clock{}
	c.nanoseconds.Store(at.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.nanoseconds.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.nanoseconds.Add(int64(d)) }

// The world of these tests: one role with a key, one day.
const (
	minterARN = "arn:aws:sts::123456789012:assumed-role/minter/session"
	provider  = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws"
)

var (
	noon      = time.Date(2024, 1, 2, 12, 0, 0, 0, time.UTC)
	minterKey = fakecloud.AWSKey{
		AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", SessionToken: "token/+=", ARN: minterARN,
	}
)

func stsClient(c *fakecloud.Cloud, key fakecloud.AWSKey) *sts.Client {
	return sts.New(sts.Options{
		Region:     "eu-west-1",
		HTTPClient: &http.Client{Transport: c},
		Retryer:    aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey, SessionToken: key.SessionToken}, nil
		}),
	})
}

// awsCode is the error code that the SDK read from an answer; "" for success.
func awsCode(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var apiError smithy.APIError
	if !errors.As(err, &apiError) {
		t.Fatalf("not an answer of AWS: %v", err)
	}
	return apiError.ErrorCode()
}

func TestGetCallerIdentityTellsTheSDKWhoSigned(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	c.AddAWSKey(minterKey)
	who, err := stsClient(c, minterKey).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *who.Arn != minterARN || *who.Account != "123456789012" || !strings.HasPrefix(*who.UserId, "AROA") || !strings.HasSuffix(*who.UserId, ":session") {
		t.Errorf("got %s, %s, %s", *who.Arn, *who.Account, *who.UserId)
	}
	wrong := minterKey
	wrong.SecretAccessKey = "wrong"
	if _, err := stsClient(c, wrong).GetCallerIdentity(t.Context(), nil); awsCode(t, err) != "SignatureDoesNotMatch" {
		t.Errorf("with the wrong secret: %v", err)
	}
	var calls []string
	for _, call := range c.Calls() {
		calls = append(calls, call.Service+" "+call.Operation+" "+call.Err)
	}
	want := []string{"aws-sts GetCallerIdentity ", "aws-sts GetCallerIdentity SignatureDoesNotMatch"}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Error(diff)
	}
}

func TestCallsTellWhoMadeThem(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	c.AddAWSKey(minterKey)
	c.PutSecret("a", "v")
	wrong := minterKey
	wrong.SecretAccessKey = "wrong"
	for _, key := range []fakecloud.AWSKey{minterKey, wrong} {
		_, _ = stsClient(c, key).GetCallerIdentity(t.Context(), nil)
		client := secretsmanager.New(secretsmanager.Options{
			Region: "us-east-1", HTTPClient: &http.Client{Transport: c}, Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, key.SessionToken),
		})
		_, _ = client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("a")})
	}
	var got []string
	for _, call := range c.Calls() {
		got = append(got, call.Service+" "+call.Principal)
	}
	want := []string{"aws-sts " + minterARN, "secretsmanager " + minterARN, "aws-sts ", "secretsmanager "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestAWSSTSIsServedUnderAPathPrefix(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	c.AddAWSKey(minterKey)
	server, err := c.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client := stsClient(c, minterKey)
	endpoint := func(o *sts.Options) {
		o.BaseEndpoint, o.HTTPClient = aws.String(server.Endpoints().AWSSTS), http.DefaultClient
	}
	if _, err := client.GetCallerIdentity(t.Context(), nil, endpoint); err != nil {
		t.Fatal(err)
	}
}

const readerRole = "arn:aws:iam::123456789012:role/path/reader"

func TestAssumedRolesKeysSignUntilTheyExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fakecloud.New(fakecloud.Options{})
		c.AddAWSKey(minterKey)
		c.AddRole(fakecloud.AWSRole{ARN: readerRole})
		assumed, err := stsClient(c, minterKey).AssumeRole(t.Context(), &sts.AssumeRoleInput{
			RoleArn: aws.String(readerRole), RoleSessionName: aws.String("me@x"), DurationSeconds: aws.Int32(900),
		})
		if err != nil {
			t.Fatal(err)
		}
		keys := assumed.Credentials
		if !keys.Expiration.Equal(time.Now().Add(15 * time.Minute)) {
			t.Errorf("the keys expire at %s", keys.Expiration)
		}
		reader := stsClient(c, fakecloud.AWSKey{AccessKeyID: *keys.AccessKeyId, SecretAccessKey: *keys.SecretAccessKey, SessionToken: *keys.SessionToken})
		who, err := reader.GetCallerIdentity(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := "arn:aws:sts::123456789012:assumed-role/reader/me@x"; *who.Arn != want || *assumed.AssumedRoleUser.Arn != want {
			t.Errorf("the keys are those of %s and %s", *who.Arn, *assumed.AssumedRoleUser.Arn)
		}
		if *who.UserId != *assumed.AssumedRoleUser.AssumedRoleId {
			t.Errorf("the user ids %s and %s differ", *who.UserId, *assumed.AssumedRoleUser.AssumedRoleId)
		}
		time.Sleep(15 * time.Minute)
		if _, err := reader.GetCallerIdentity(t.Context(), nil); awsCode(t, err) != "ExpiredToken" {
			t.Errorf("after a quarter of an hour: %v", err)
		}
	})
}

func TestAssumeRoleAsksWhatAWSAsks(t *testing.T) {
	t.Parallel()
	user := fakecloud.AWSKey{AccessKeyID: "AKIAUSER", SecretAccessKey: "s", ARN: "arn:aws:iam::123456789012:user/alice"}
	stranger := fakecloud.AWSKey{AccessKeyID: "AKIASTRANGER", SecretAccessKey: "s", ARN: "arn:aws:iam::999999999999:user/eve"}
	for _, test := range []struct {
		name   string
		role   fakecloud.AWSRole
		caller fakecloud.AWSKey
		edit   func(*sts.AssumeRoleInput)
		code   string
	}{
		{name: "anyone of the account, without a trust list", caller: user},
		{name: "no one of another account, without a trust list", caller: stranger, code: "AccessDenied"},
		{name: "a user that is trusted", role: fakecloud.AWSRole{TrustedARNs: []string{user.ARN}}, caller: user},
		{name: "a session of a role that is trusted", role: fakecloud.AWSRole{TrustedARNs: []string{"arn:aws:iam::123456789012:role/minter"}}, caller: minterKey},
		{name: "a whole account that is trusted", role: fakecloud.AWSRole{TrustedARNs: []string{"arn:aws:iam::999999999999:root"}}, caller: stranger},
		{name: "not a session of a role with another name", role: fakecloud.AWSRole{TrustedARNs: []string{"arn:aws:iam::123456789012:role/mint"}}, caller: minterKey, code: "AccessDenied"},
		{name: "not another account than the one that is trusted", role: fakecloud.AWSRole{TrustedARNs: []string{"arn:aws:iam::888888888888:root"}}, caller: stranger, code: "AccessDenied"},
		{name: "not who is not on the list", role: fakecloud.AWSRole{TrustedARNs: []string{user.ARN}}, caller: minterKey, code: "AccessDenied"},
		{name: "not without the external id", role: fakecloud.AWSRole{ExternalID: "x"}, caller: user, code: "AccessDenied"},
		{name: "with the external id", role: fakecloud.AWSRole{ExternalID: "x"}, caller: user, edit: func(in *sts.AssumeRoleInput) { in.ExternalId = aws.String("x") }},
		{name: "not a role that is not there", caller: user, edit: func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String(readerRole + "2") }, code: "AccessDenied"},
		{name: "not a session name with a space", caller: user, edit: func(in *sts.AssumeRoleInput) { in.RoleSessionName = aws.String("a b") }, code: "ValidationError"},
		{name: "not a session name of one letter", caller: user, edit: func(in *sts.AssumeRoleInput) { in.RoleSessionName = aws.String("a") }, code: "ValidationError"},
		{name: "not less than 15 minutes", caller: user, edit: func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(899) }, code: "ValidationError"},
		{name: "not more than the role's hour", caller: user, edit: func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) }, code: "ValidationError"},
		{name: "as long as the role allows", role: fakecloud.AWSRole{MaxSession: 12 * time.Hour}, caller: user, edit: func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(43200) }},
		{name: "an hour for a chained role at most", role: fakecloud.AWSRole{MaxSession: 12 * time.Hour}, caller: minterKey, edit: func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) }, code: "ValidationError"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := fakecloud.New(fakecloud.Options{})
			c.AddAWSKey(test.caller)
			test.role.ARN = readerRole
			c.AddRole(test.role)
			in := &sts.AssumeRoleInput{RoleArn: aws.String(readerRole), RoleSessionName: aws.String("session")}
			if test.edit != nil {
				test.edit(in)
			}
			if _, err := stsClient(c, test.caller).AssumeRole(t.Context(), in); awsCode(t, err) != test.code {
				t.Errorf("got %v, want %q", err, test.code)
			}
		})
	}
}

func TestGetWebIdentityTokenMakesATokenThatAnOIDCProviderTakes(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "ES384"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := fakecloud.New(fakecloud.Options{})
				c.AddAWSKey(minterKey)
				c.AddProvider(fakecloud.Provider{Audience: provider, Kind: fakecloud.OIDCProvider})
				token := webIdentityToken(t, c, "https:"+provider, alg)
				status, answer := exchangeJWT(t, c, token)
				if status != http.StatusOK {
					t.Fatalf("exchanged: %d %v", status, answer)
				}
				issued, _ := c.LookupToken(answer["access_token"].(string))
				if !strings.HasSuffix(issued.Principal, "/subject/arn:aws:iam::123456789012:role/minter") {
					t.Errorf("the principal is %s", issued.Principal)
				}
				other := webIdentityToken(t, c, "https:"+provider+"2", alg)
				for name, token := range map[string]string{
					"a token for another audience":        other,
					"another token's signature":           token[:strings.LastIndex(token, ".")] + other[strings.LastIndex(other, "."):],
					"a token of another issuer":           idToken(t, c, issued.Token),
					"a token without a signature":         token[:strings.LastIndex(token, ".")],
					"a token whose algorithm is changed ": base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + token[strings.Index(token, "."):],
				} {
					if status, answer := exchangeJWT(t, c, token); answer["error"] != "invalid_grant" {
						t.Errorf("%s: %d %v", name, status, answer)
					}
				}
				time.Sleep(5 * time.Minute)
				if status, answer := exchangeJWT(t, c, token); answer["error"] != "invalid_grant" {
					t.Errorf("when it has expired: %d %v", status, answer)
				}
			})
		})
	}
}

func webIdentityToken(t *testing.T, c *fakecloud.Cloud, audience, alg string) string {
	t.Helper()
	out, err := stsClient(c, minterKey).GetWebIdentityToken(t.Context(), &sts.GetWebIdentityTokenInput{
		Audience: []string{audience}, SigningAlgorithm: aws.String(alg),
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.WebIdentityToken
}

// idToken makes a JWT for the provider's audience that is Google's, not AWS's.
func idToken(t *testing.T, c *fakecloud.Cloud, bearer string) string {
	t.Helper()
	c.AddServiceAccount(fakecloud.ServiceAccount{Email: reports})
	status, answer := callIAM(t, c, bearer, reports+":generateIdToken", `{"audience":"`+provider+`"}`)
	if status != http.StatusOK {
		t.Fatalf("making an ID token: %d %v", status, answer)
	}
	return answer["token"].(string)
}

func exchangeJWT(t *testing.T, c *fakecloud.Cloud, token string) (status int, answer map[string]any) {
	t.Helper()
	form := exchangeForm(token)
	form.Set("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
	return post(t, c, tokenURL, form)
}

func TestGetWebIdentityTokenRefuses(t *testing.T) {
	t.Parallel()
	expiring := minterKey
	expiring.Expires = time.Now().Add(2 * time.Minute)
	for _, test := range []struct {
		name string
		key  fakecloud.AWSKey
		in   sts.GetWebIdentityTokenInput
		code string
	}{
		{"an unknown algorithm", minterKey, sts.GetWebIdentityTokenInput{Audience: []string{"a"}, SigningAlgorithm: aws.String("HS256")}, "ValidationError"},
		{"no audience", minterKey, sts.GetWebIdentityTokenInput{Audience: []string{}, SigningAlgorithm: aws.String("RS256")}, "ValidationError"},
		{"more than an hour", minterKey, sts.GetWebIdentityTokenInput{Audience: []string{"a"}, SigningAlgorithm: aws.String("RS256"), DurationSeconds: aws.Int32(3601)}, "ValidationError"},
		{"to outlive the session", expiring, sts.GetWebIdentityTokenInput{Audience: []string{"a"}, SigningAlgorithm: aws.String("RS256")}, "SessionDurationEscalationException"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := fakecloud.New(fakecloud.Options{})
			c.AddAWSKey(test.key)
			if _, err := stsClient(c, test.key).GetWebIdentityToken(t.Context(), &test.in); awsCode(t, err) != test.code {
				t.Errorf("got %v, want %s", err, test.code)
			}
		})
	}
}

func TestPrintingAKeyShowsNoSecret(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"%v", "%+v", "%s"} {
		if got := fmt.Sprintf(verb, minterKey); strings.Contains(got, minterKey.SecretAccessKey) || strings.Contains(got, minterKey.SessionToken) {
			t.Errorf("%s shows %s", verb, got)
		}
	}
}
