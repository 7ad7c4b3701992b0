package subjecttoken

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
)

const oidcAudience = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws-oidc"

// cloud knows the keys of knownCredentials and a provider that trusts AWS's JWTs.
func cloud() *fakecloud.Cloud {
	c := fakecloud.New(fakecloud.Options{})
	creds := knownCredentials(plantedKey)
	c.AddAWSKey(fakecloud.AWSKey{
		AccessKeyID: creds.AccessKeyID, SecretAccessKey: creds.SecretAccessKey.Reveal(), SessionToken: plantedKey,
		ARN: "arn:aws:sts::123456789012:assumed-role/minter/minter",
	})
	c.AddProvider(fakecloud.Provider{Audience: oidcAudience, Kind: fakecloud.OIDCProvider})
	return c
}

func webIdentity(transport http.RoundTripper) *AWSWebIdentity {
	return &AWSWebIdentity{
		Supplier:   fixed{creds: knownCredentials(plantedKey), region: "eu-west-1"},
		Audience:   oidcAudience,
		HTTPClient: &http.Client{Transport: transport},
	}
}

func claims(t *testing.T, token secret.Text) (header, payload map[string]any) {
	t.Helper()
	parts := strings.Split(token.Reveal(), ".")
	for i, into := range []*map[string]any{&header, &payload} {
		part, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(part, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return header, payload
}

// The fakes verify the signature of the call and that of the JWT.
func TestGoogleTakesAWSsJWT(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]*AWSWebIdentity{
		"by default":                    {},
		"ES384":                         {SigningAlgorithm: "ES384", Duration: time.Hour},
		"the bare provider as audience": {TokenAudiences: []string{oidcAudience}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cloud()
			known := webIdentity(c)
			source.Supplier, source.Audience, source.HTTPClient = known.Supplier, known.Audience, known.HTTPClient
			token, err := source.SubjectToken(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			resp, err := (&http.Client{Transport: c}).PostForm("https://sts.googleapis.com/v1/token", url.Values{
				"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
				"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
				"audience":             {oidcAudience},
				"scope":                {"https://www.googleapis.com/auth/cloud-platform"},
				"subject_token":        {token.Reveal()},
				"subject_token_type":   {JWTTokenType},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
				t.Errorf("Google answers %d: %s, %v", resp.StatusCode, body, err)
			}
		})
	}
}

func TestWhatTheJWTSays(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change   func(*AWSWebIdentity)
		alg      string
		audience any
		seconds  float64
	}{
		"by default": {func(*AWSWebIdentity) {}, "RS256", "https:" + oidcAudience, 300},
		"as asked for": {func(a *AWSWebIdentity) {
			a.SigningAlgorithm, a.Duration, a.TokenAudiences = "ES384", 90*time.Second, []string{"a", "b&c=d"}
		}, "ES384", []any{"a", "b&c=d"}, 90},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := webIdentity(cloud())
			tc.change(source)
			token, err := source.SubjectToken(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			header, payload := claims(t, token)
			if header["alg"] != tc.alg || !cmp.Equal(payload["aud"], tc.audience) || payload["exp"].(float64)-payload["iat"].(float64) != tc.seconds ||
				payload["sub"] != "arn:aws:iam::123456789012:role/minter" {
				t.Errorf("got %v, %v", header, payload)
			}
		})
	}
}

func TestAWSIsAskedWhatTheSDKAsks(t *testing.T) {
	t.Parallel()
	for region, host := range map[string]string{
		"eu-west-1": "sts.eu-west-1.amazonaws.com", "us-gov-west-1": "sts.us-gov-west-1.amazonaws.com",
		"cn-north-1": "sts.cn-north-1.amazonaws.com.cn", "eusc-de-east-1": "sts.eusc-de-east-1.amazonaws.eu",
	} {
		t.Run(region, func(t *testing.T) {
			t.Parallel()
			var own, sdk map[string]any
			source := webIdentity(record(&own))
			source.Supplier = fixed{creds: knownCredentials(plantedKey), region: region}
			source.TokenAudiences, source.Duration = []string{"https://a.example/?b=c&d", "ü"}, time.Hour
			if _, err := source.SubjectToken(t.Context()); err != nil {
				t.Fatal(err)
			}
			client := sts.New(sts.Options{
				Region: region, HTTPClient: record(&sdk).client(),
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					creds := knownCredentials(plantedKey)
					return aws.Credentials{AccessKeyID: creds.AccessKeyID, SecretAccessKey: creds.SecretAccessKey.Reveal(), SessionToken: plantedKey}, nil
				}),
			})
			_, err := client.GetWebIdentityToken(t.Context(), &sts.GetWebIdentityTokenInput{
				Audience: source.TokenAudiences, SigningAlgorithm: aws.String("RS256"), DurationSeconds: aws.Int32(3600),
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sdk, own); diff != "" || own["url"] != "https://"+host {
				t.Errorf("%v; the SDK's request (-) and ours (+):\n%s", own["url"], diff)
			}
		})
	}
}

// record keeps what matters of a request to AWS STS and answers it.
func record(into *map[string]any) wire {
	return func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(body))
		_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		scope, _, _ = strings.Cut(scope, ",")
		*into = map[string]any{
			"method": r.Method, "url": r.URL.Scheme + "://" + r.URL.Host, "form": form, "scope": scope,
			"type": r.Header.Get("Content-Type"), "token": r.Header.Get("X-Amz-Security-Token"),
		}
		return respond(200, webIdentityAnswer("a.b.c")), err
	}
}

func webIdentityAnswer(token string) string {
	return `<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult><WebIdentityToken>` + token +
		`</WebIdentityToken><Expiration>2024-01-02T03:09:05Z</Expiration></GetWebIdentityTokenResult></GetWebIdentityTokenResponse>`
}

func refusal(code, message string) string {
	return `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>` + code + `</Code><Message>` + message +
		`</Message></Error><RequestId>1</RequestId></ErrorResponse>`
}

func TestAWSsRefusalsAreTold(t *testing.T) {
	t.Parallel()
	signature := "The request signature we calculated does not match. The Canonical String for this request should have been 'POST x-amz-security-token:" + plantedKey + "'"
	for name, tc := range map[string]struct {
		status    int
		body      string
		says      string
		code      string
		attempts  int
		retryable bool
	}{
		"not enabled":             {403, refusal("OutboundWebIdentityFederationDisabledException", "Not enabled."), "enable-outbound-web-identity-federation: OutboundWebIdentityFederationDisabledException: Not enabled.", "OutboundWebIdentityFederationDisabledException", 1, false},
		"denied":                  {403, refusal("AccessDenied", "User: x is not authorized"), "has to allow sts:GetWebIdentityToken: AccessDenied: User: x", "AccessDenied", 1, false},
		"longer than the session": {403, refusal("SessionDurationEscalationException", "m"), "choose a shorter Duration", "SessionDurationEscalationException", 1, false},
		"a large token":           {400, refusal("JWTPayloadSizeExceededException", "m"), "name fewer", "JWTPayloadSizeExceededException", 1, false},
		"the global endpoint":     {400, refusal("InvalidAction", "Could not find operation"), "is BaseEndpoint that of a region?", "InvalidAction", 1, false},
		"a signature quoted":      {403, refusal("SignatureDoesNotMatch", signature), "does not match.", "SignatureDoesNotMatch", 1, false},
		"a token quoted":          {403, refusal("InvalidClientTokenId", "token "+plantedKey), "token [masked]", "InvalidClientTokenId", 1, false},
		"throttling":              {400, refusal("Throttling", "Rate exceeded"), "Throttling: Rate exceeded", "Throttling", 3, true},
		"a timeout":               {400, refusal("RequestTimeout", "Too slow"), "RequestTimeout: Too slow", "RequestTimeout", 3, true},
		"broken":                  {500, refusal("InternalFailure", "oops"), "InternalFailure: oops", "InternalFailure", 3, true},
		"a page of a proxy":       {503, "<html>" + planted, "http_error", "http_error", 3, true},
		"a redirect":              {307, "", "redirects are never followed", "redirected", 1, false},
		"a page for an answer":    {200, "<html>" + planted, "what AWS STS does not say; is a proxy in between?", "", 1, false},
		"an answer cut off":       {200, webIdentityAnswer(planted)[:200], "what AWS STS does not say", "", 1, false},
		"another's answer":        {200, strings.ReplaceAll(webIdentityAnswer(planted), "GetWebIdentityTokenResponse", "Other"), "what AWS STS does not say", "", 1, false},
		"an empty token":          {200, webIdentityAnswer(""), "AWS STS answered without a JWT", "", 1, false},
		"no JWT":                  {200, webIdentityAnswer(planted[:30]), "AWS STS answered without a JWT", "", 1, false},
		"a JWT with line breaks":  {200, webIdentityAnswer("<a>" + planted + "</a>"), "AWS STS answered without a JWT", "", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				attempts := 0
				source := webIdentity(wire(func(*http.Request) (*http.Response, error) {
					attempts++
					return respond(tc.status, tc.body), nil
				}))
				token, err := source.SubjectToken(t.Context())
				e := wantError(t, err, "aws-web-identity", tc.says)
				if !token.IsZero() || e.Code != tc.code || e.Retryable != tc.retryable || attempts != tc.attempts {
					t.Errorf("%d attempts: %+v", attempts, e)
				}
			})
		})
	}
}

func TestEveryAttemptIsSignedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := cloud()
		c.Fault(fakecloud.Fault{Service: "aws-sts", Hang: true, Times: 1})
		var dates []string
		source := webIdentity(wire(func(r *http.Request) (*http.Response, error) {
			dates = append(dates, r.Header.Get("X-Amz-Date"))
			return c.RoundTrip(r)
		}))
		if _, err := source.SubjectToken(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(dates) != 2 || dates[0] == dates[1] {
			t.Errorf("signed at %s", dates)
		}
	})
}

func TestAnAWSThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, start := cloud(), time.Now()
		c.Fault(fakecloud.Fault{Service: "aws-sts", Hang: true})
		_, err := webIdentity(c).SubjectToken(t.Context())
		if e := wantError(t, err, "aws-web-identity"); !e.Retryable || time.Since(start) > 21*time.Second {
			t.Errorf("after %v: %+v", time.Since(start), e)
		}
	})
}

func TestNoJWTIsAskedForInVain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*AWSWebIdentity)
		says   string
	}{
		"no audience":            {func(a *AWSWebIdentity) { a.Audience = "" }, "the audience is empty"},
		"an algorithm of Google": {func(a *AWSWebIdentity) { a.SigningAlgorithm = "ES256" }, `SigningAlgorithm is "ES256"; AWS knows RS256 and ES384`},
		"less than a minute":     {func(a *AWSWebIdentity) { a.Duration = 59 * time.Second }, "Duration is 59s; AWS takes 1m to 1h"},
		"more than an hour":      {func(a *AWSWebIdentity) { a.Duration = time.Hour + 1 }, "AWS takes 1m to 1h"},
		"eleven audiences":       {func(a *AWSWebIdentity) { a.TokenAudiences = strings.Split("abcdefghijk", "") }, "has 11 values"},
		"an empty audience":      {func(a *AWSWebIdentity) { a.TokenAudiences = []string{"a", ""} }, "one of TokenAudiences is empty"},
		"a long audience":        {func(a *AWSWebIdentity) { a.TokenAudiences = []string{strings.Repeat("a", 1001)} }, "longer than 1000 characters"},
		"the global endpoint":    {func(a *AWSWebIdentity) { a.BaseEndpoint = "https://sts.amazonaws.com/" }, "AWS's global endpoint"},
		"an endpoint of no URL":  {func(a *AWSWebIdentity) { a.BaseEndpoint = "sts.example" }, "BaseEndpoint is not an http or https URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := webIdentity(wire(func(r *http.Request) (*http.Response, error) {
				t.Errorf("%s was called", r.URL)
				return respond(200, webIdentityAnswer(planted)), nil
			}))
			tc.change(source)
			_, err := source.SubjectToken(t.Context())
			if e := wantError(t, err, "aws-web-identity", tc.says); e.Retryable {
				t.Error("retryable")
			}
		})
	}
}

func TestASuppliersErrorStaysItsOwn(t *testing.T) {
	t.Parallel()
	sealed := errors.New("the vault is sealed")
	for name, s := range map[string]supplier.AwsSecurityCredentialsSupplier{
		"none":                 nil,
		"one that fails":       fixed{err: sealed},
		"one without a region": fixed{creds: knownCredentials("")},
	} {
		source := webIdentity(cloud())
		source.Supplier = s
		_, err := source.SubjectToken(t.Context())
		if !errors.As(err, new(*supplier.Error)) || errors.As(err, new(*Error)) {
			t.Errorf("%s: got a %T: %v", name, err, err)
		}
	}
}

func TestAWSWebIdentityOverARealConnection(t *testing.T) {
	t.Parallel()
	server, err := cloud().Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	source := webIdentity(nil)
	source.HTTPClient, source.BaseEndpoint = nil, server.Endpoints().AWSSTS
	if _, err := source.SubjectToken(t.Context()); err != nil {
		t.Error(err)
	}
}

func FuzzWebIdentityAnswer(f *testing.F) {
	for _, body := range []string{webIdentityAnswer(planted), refusal("AccessDenied", "m"), "", "<html>", "{}", strings.Repeat("<a>", 100), webIdentityAnswer("a.b"), "\xff"} {
		f.Add([]byte(body), 200)
		f.Add([]byte(body), 400)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		token, flaw := readWebIdentity(body)
		if flaw == "" && strings.Count(token.Reveal(), ".") != 2 {
			t.Errorf("accepted %q", token.Reveal())
		}
		resp, err := awsRefusals{wire(func(*http.Request) (*http.Response, error) { return respond(status, string(body)), nil })}.RoundTrip(nil)
		if err != nil {
			t.Fatal(err)
		}
		told, err := io.ReadAll(resp.Body)
		if err != nil || int64(len(told)) != resp.ContentLength || resp.StatusCode < 400 != (status < 400) {
			t.Errorf("status %d of %d, %d of %d bytes, %v", resp.StatusCode, status, len(told), resp.ContentLength, err)
		}
	})
}
