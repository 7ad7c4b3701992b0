package supplier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
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
)

// sdkSTS is AWS's own client of STS, for comparison.
func sdkSTS(region string, keys AwsSecurityCredentials, transport http.RoundTripper, more ...func(*sts.Options)) *sts.Client {
	return sts.New(sts.Options{
		Region:     region,
		HTTPClient: &http.Client{Transport: transport},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return keys.forSDK(), nil
		}),
	}, more...)
}

func TestSTSIsAskedWhatTheSDKAsks(t *testing.T) {
	t.Parallel()
	for name, role := range map[string]*AssumeRole{
		"by default":    {RoleARN: testRole},
		"a session":     {RoleARN: testRole, SessionName: "a_b+c=d,e.f@g-h"},
		"GovCloud":      {RoleARN: "arn:aws-us-gov:iam::123456789012:role/web", Region: "us-gov-west-1"},
		"odd role path": {RoleARN: "arn:aws:iam::123456789012:role/a&b=c/%41+/web", Region: "us-east-1"},
		"an endpoint":   {RoleARN: testRole, BaseEndpoint: "http://127.0.0.1:9"},
		"with a path":   {RoleARN: testRole, BaseEndpoint: "http://127.0.0.1:9/aws-sts"},
		"with a slash":  {RoleARN: testRole, BaseEndpoint: "http://127.0.0.1:9/aws-sts/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own, sdk := &request{}, &request{}
			role.Base, role.HTTPClient = baseKeys(), &http.Client{Transport: own}
			creds, err := role.AwsSecurityCredentials(t.Context(), SupplierContext{})
			wantAssumed(t, creds, err)
			region, err := role.AwsRegion(t.Context(), SupplierContext{})
			if err != nil {
				t.Fatal(err)
			}
			session := role.SessionName
			if session == "" {
				session = "wifmint"
			}
			endpoint := func(o *sts.Options) {
				if role.BaseEndpoint != "" {
					o.BaseEndpoint = &role.BaseEndpoint
				}
			}
			_, err = sdkSTS(region, testKeys(), sdk, endpoint).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role.RoleARN, RoleSessionName: &session})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sdk, own, cmp.AllowUnexported(request{})); diff != "" {
				t.Errorf("the SDK's request (-) and ours (+):\n%s", diff)
			}
		})
	}
}

// request is a transport that keeps what matters of one request to STS.
type request struct {
	method, host, uri, contentType string
	form                           url.Values
	token, scope                   string
}

func (q *request) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	credential, _, _ = strings.Cut(credential, ",")
	*q = request{r.Method, r.URL.Scheme + "://" + r.URL.Host, r.URL.RequestURI(), r.Header.Get("Content-Type"), form, r.Header.Get("X-Amz-Security-Token"), credential}
	return respond(r, http.StatusOK, assumed(time.Now().Add(time.Hour))), err
}

func TestSTSIsWhereTheSDKFindsIt(t *testing.T) {
	t.Parallel()
	for region, domain := range map[string]string{
		"us-east-1": "amazonaws.com", "us-west-2": "amazonaws.com", "eu-central-2": "amazonaws.com", "ap-southeast-7": "amazonaws.com",
		"ca-west-1": "amazonaws.com", "mx-central-1": "amazonaws.com", "il-central-1": "amazonaws.com", "xx-tomorrow-1": "amazonaws.com",
		"us-gov-east-1": "amazonaws.com", "us-gov-west-1": "amazonaws.com",
		"cn-north-1": "amazonaws.com.cn", "cn-northwest-1": "amazonaws.com.cn",
		"eusc-de-east-1": "amazonaws.eu",
		"us-iso-east-1":  "c2s.ic.gov", "us-iso-west-1": "c2s.ic.gov", "us-isob-east-1": "sc2s.sgov.gov", "us-isob-west-1": "sc2s.sgov.gov",
		"eu-isoe-west-1": "cloud.adc-e.uk", "us-isof-east-1": "csp.hci.ic.gov", "us-isof-south-1": "csp.hci.ic.gov",
	} {
		sdk, err := sts.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), sts.EndpointParameters{Region: aws.String(region)}.WithDefaults())
		if err != nil {
			t.Fatal(err)
		}
		got, err := stsURL("", region)
		if want := "https://sts." + region + "." + domain; err != nil || got != want || sdk.URI.String() != want {
			t.Errorf("%s: got %s, %v; the SDK has %s, want %s", region, got, err, sdk.URI.String(), want)
		}
	}
}

func TestAnEndpointThatIsNoURLIsNotCalled(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"sts.eu-west-1.amazonaws.com", "ftp://sts.example", "https://", "http://a b", "://", "/path"} {
		role := &AssumeRole{Base: baseKeys(), RoleARN: testRole, BaseEndpoint: base, HTTPClient: noCalls(t)}
		_, err := role.AwsSecurityCredentials(t.Context(), SupplierContext{})
		wantError(t, err, "assume-role", "BaseEndpoint")
	}
}

const assumedARN = "arn:aws:sts::123456789012:assumed-role/web/wifmint"

// cloud has the keys of [baseKeys] and the role of testRole.
func cloud() *fakecloud.Cloud {
	c := fakecloud.New(fakecloud.Options{})
	c.AddAWSKey(fakecloud.AWSKey{
		AccessKeyID: testKeyID, SecretAccessKey: plantedKey, SessionToken: plantedToken,
		ARN: "arn:aws:sts::123456789012:assumed-role/minter/minter",
	})
	c.AddRole(fakecloud.AWSRole{ARN: testRole})
	return c
}

func inCloud(c *fakecloud.Cloud) *AssumeRole {
	return &AssumeRole{Base: baseKeys(), RoleARN: testRole, HTTPClient: &http.Client{Transport: c}}
}

// The fake verifies signatures with a verifier of its own.
func TestAssumedKeysAreTheRoles(t *testing.T) {
	t.Parallel()
	c := cloud()
	c.AddRole(fakecloud.AWSRole{ARN: "arn:aws:iam::123456789012:role/next", TrustedARNs: []string{"arn:aws:iam::123456789012:role/deploy/web"}})
	first := inCloud(c)
	second := &AssumeRole{Base: first, RoleARN: "arn:aws:iam::123456789012:role/next", SessionName: "a+b@c", HTTPClient: first.HTTPClient}
	for role, want := range map[*AssumeRole]string{first: assumedARN, second: "arn:aws:sts::123456789012:assumed-role/next/a+b@c"} {
		keys, err := Credentials(t.Context(), role, SupplierContext{})
		if err != nil {
			t.Fatal(err)
		}
		who, err := sdkSTS("eu-west-1", keys, c).GetCallerIdentity(t.Context(), nil)
		if err != nil || *who.Arn != want {
			t.Errorf("the keys are those of %v, %v; want %s", who, err, want)
		}
	}
}

func TestAssumeRoleWorksOverARealConnection(t *testing.T) {
	t.Parallel()
	c := cloud()
	server, err := c.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	role := &AssumeRole{Base: baseKeys(), RoleARN: testRole, BaseEndpoint: server.Endpoints().AWSSTS}
	if _, err := Credentials(t.Context(), role, SupplierContext{}); err != nil {
		t.Error(err)
	}
}

func TestAWSRefusalsAreTold(t *testing.T) {
	t.Parallel()
	wrong, stranger := testKeys(), testKeys()
	wrong.SecretAccessKey = secret.New("another/secret")
	stranger.AccessKeyID = "ASIASTRANGER"
	for name, tc := range map[string]struct {
		keys AwsSecurityCredentials
		arn  string
		says string
	}{
		"a secret that is not the key's": {wrong, testRole, "SignatureDoesNotMatch: The request signature we calculated does not match"},
		"a key that is not known":        {stranger, testRole, "InvalidClientTokenId: The security token included in the request is invalid"},
		"a role that is not there":       {testKeys(), testRole + "2", "AccessDenied: User: arn:aws:sts::123456789012:assumed-role/minter/minter is not authorized"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cloud()
			role := inCloud(c)
			role.Base, role.RoleARN = custom{creds: tc.keys, region: "eu-west-1"}, tc.arn
			_, err := role.AwsSecurityCredentials(t.Context(), SupplierContext{})
			if e := wantError(t, err, "assume-role", tc.says); e.Retryable || len(c.Calls()) != 1 {
				t.Errorf("retryable %v after %d calls: %v", e.Retryable, len(c.Calls()), err)
			}
		})
	}
}

func TestAssumeRoleComesBackAfterAPassingFailure(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakecloud.Fault{
		"an internal error":       {Status: 500, Body: stsError("InternalFailure", "oops")},
		"a proxy's 502":           {Status: 502, Body: "<html>"},
		"throttling, as STS does": {Status: 400, Body: stsError("Throttling", "Rate exceeded")},
		"throttling, by status":   {Status: 429},
		"a connection that broke": {Reset: true},
		"an answer cut off":       {TruncateBody: 100},
		"a hang":                  {Hang: true},
		"a hang after the effect": {Hang: true, AfterEffect: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := cloud()
				fault.Times = 1
				c.Fault(fault)
				keys, err := inCloud(c).AwsSecurityCredentials(t.Context(), SupplierContext{})
				if err != nil || keys.AccessKeyID == "" || len(c.Calls()) != 2 {
					t.Errorf("%v after %d calls: %v", keys, len(c.Calls()), err)
				}
			})
		})
	}
}

func TestAssumeRoleGivesUpAfterThreeAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := cloud()
		c.Fault(fakecloud.Fault{Status: 503, Body: stsError("ServiceUnavailable", "busy")})
		start := time.Now()
		_, err := inCloud(c).AwsSecurityCredentials(t.Context(), SupplierContext{})
		if e := wantError(t, err, "assume-role", "ServiceUnavailable: busy"); !e.Retryable || len(c.Calls()) != 3 {
			t.Errorf("retryable %v after %d calls", e.Retryable, len(c.Calls()))
		}
		if took := time.Since(start); took < 300*time.Millisecond || took > 450*time.Millisecond {
			t.Errorf("the pauses took %v", took)
		}
	})
}

// STS refuses a date that is a quarter of an hour old, and a frozen process
// may be thawed between two attempts.
func TestEveryAttemptIsSignedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := cloud()
		c.Fault(fakecloud.Fault{Hang: true, Times: 1})
		var dates []string
		w := &wire{answer: func(r *http.Request) (*http.Response, error) {
			dates = append(dates, r.Header.Get("X-Amz-Date"))
			return c.RoundTrip(r)
		}}
		role := inCloud(c)
		role.HTTPClient = w.client()
		if _, err := role.AwsSecurityCredentials(t.Context(), SupplierContext{}); err != nil {
			t.Fatal(err)
		}
		if len(dates) != 2 || dates[0] == dates[1] {
			t.Errorf("signed at %s", dates)
		}
	})
}

func TestWhatCannotPassIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"a host that does not exist": &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "sts.eu-west-9.amazonaws.com", IsNotFound: true}},
		"a certificate of nobody's":  &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &wire{answer: func(*http.Request) (*http.Response, error) { return nil, failure }}
			role := &AssumeRole{Base: baseKeys(), RoleARN: testRole, HTTPClient: w.client()}
			_, err := role.AwsSecurityCredentials(t.Context(), SupplierContext{})
			if e := wantError(t, err, "assume-role", "calling sts.eu-west-1.amazonaws.com"); e.Retryable || len(w.calls()) != 1 {
				t.Errorf("retryable %v after %d calls: %v", e.Retryable, len(w.calls()), err)
			}
		})
	}
}

// A transport may log what it sent into its error.
func TestATransportsErrorIsNotPassedOn(t *testing.T) {
	t.Parallel()
	w := &wire{answer: func(r *http.Request) (*http.Response, error) {
		return nil, &tls.CertificateVerificationError{Err: errors.New("sending " + r.Header.Get("X-Amz-Security-Token"))}
	}}
	_, err := (&AssumeRole{Base: baseKeys(), RoleARN: testRole, HTTPClient: w.client()}).AwsSecurityCredentials(t.Context(), SupplierContext{})
	wantError(t, err, "assume-role", "sending sha256:")
}

func TestSTSRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	w := &wire{answer: func(r *http.Request) (*http.Response, error) {
		resp := respond(r, http.StatusTemporaryRedirect, "")
		resp.Header.Set("Location", "https://evil.example/")
		return resp, nil
	}}
	_, err := (&AssumeRole{Base: baseKeys(), RoleARN: testRole, HTTPClient: w.client()}).AwsSecurityCredentials(t.Context(), SupplierContext{})
	if wantError(t, err, "assume-role", "307"); len(w.calls()) != 1 {
		t.Errorf("calls %s", w.calls())
	}
}

func FuzzSTSAnswer(f *testing.F) {
	good := assumed(time.Date(2026, 1, 2, 4, 4, 5, 0, time.UTC))
	for _, body := range []string{
		good, `<?xml version="1.0" encoding="UTF-8"?>` + good, good[:len(good)-5], good + good, strings.ToLower(good),
		stsError("AccessDenied", "&lt;no&gt; &#10;&amp;"), stsError("SignatureDoesNotMatch", "a\nThe Canonical String\n"+plantedToken), stsError("", ""),
		"", "<html><body>Sign in</body></html>", "<!DOCTYPE x [<!ENTITY a \"aa\">]><AssumeRoleResponse>&a;</AssumeRoleResponse>",
		strings.Repeat("<AssumeRoleResponse>", 200), "<AssumeRoleResponse><![CDATA[x]]></AssumeRoleResponse>", `{"AccessKeyId": "A"}`,
		strings.Replace(good, assumedKey, "A<B>C</B>\n", 1), strings.Replace(good, plantedKey, "", 1), "\xff\xfe<",
	} {
		f.Add(body, 200)
		f.Add(body, 400)
	}
	q := roleRequest{roleARN: testRole, signWith: testKeys(), now: testNow}
	f.Fuzz(func(t *testing.T, body string, status int) {
		a := answer{from: "sts", status: status, body: []byte(body)}
		keys, err := q.assumed(a)
		if err == nil && (keys.creds.flaw() != "" || keys.creds.SessionToken.IsZero() || !keys.expiry.After(testNow())) {
			t.Errorf("accepted %v, %s", keys.creds, keys.expiry)
		}
		for _, err := range []error{err, q.refused(a)} {
			if err == nil {
				continue
			}
			wantNoSecret(t, err)
			if s := err.Error(); len(s) > 1000 || strings.ContainsAny(s, "\n\r\x00\x1b") {
				t.Errorf("not one short printable line: %q", s)
			}
		}
	})
}
