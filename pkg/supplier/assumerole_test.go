package supplier

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	testRole   = "arn:aws:iam::123456789012:role/deploy/web"
	assumedKey = "ASIAASSUMEDEXAMPLE"
)

func assumed(expires time.Time) string {
	return fmt.Sprintf(`<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>`, assumedKey, plantedKey, plantedToken, expires.UTC().Format(time.RFC3339))
}

func stsError(code, message string) string {
	return fmt.Sprintf(`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code, message)
}

// hourly is AWS STS as it answers in good times.
func hourly() *wire {
	return &wire{answer: func(r *http.Request) (*http.Response, error) {
		return respond(r, http.StatusOK, assumed(time.Now().Add(time.Hour))), nil
	}}
}

func baseKeys() custom { return custom{creds: testKeys(), region: "eu-west-1"} }

func wantAssumed(t *testing.T, creds AwsSecurityCredentials, err error) {
	t.Helper()
	if err != nil || creds.AccessKeyID != assumedKey || creds.SecretAccessKey.Reveal() != plantedKey || creds.SessionToken.Reveal() != plantedToken {
		t.Fatalf("got %v, %v", creds, err)
	}
}

func TestAssumeRoleRequest(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		role                  *AssumeRole
		url, session, signing string
	}{
		"by default":       {&AssumeRole{}, "POST https://sts.eu-west-1.amazonaws.com/", "wifmint", "/eu-west-1/sts/"},
		"as the file says": {&AssumeRole{Region: "us-east-1", SessionName: "ci@main"}, "POST https://sts.us-east-1.amazonaws.com/", "ci@main", "/us-east-1/sts/"},
		"China":            {&AssumeRole{Region: "cn-north-1"}, "POST https://sts.cn-north-1.amazonaws.com.cn/", "wifmint", "/cn-north-1/sts/"},
		"another endpoint": {&AssumeRole{BaseEndpoint: "http://127.0.0.1:9/aws-sts"}, "POST http://127.0.0.1:9/aws-sts/", "wifmint", "/eu-west-1/sts/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var form url.Values
			w := hourly()
			sts := w.answer
			w.answer = func(r *http.Request) (*http.Response, error) {
				body, _ := io.ReadAll(r.Body)
				form, _ = url.ParseQuery(string(body))
				return sts(r)
			}
			role := tc.role
			role.Base, role.RoleARN, role.HTTPClient = baseKeys(), testRole, w.client()
			creds, err := role.AwsSecurityCredentials(t.Context(), SupplierContext{})
			wantAssumed(t, creds, err)
			if got := w.calls(); len(got) != 1 || strings.TrimSuffix(got[0], "/") != strings.TrimSuffix(tc.url, "/") {
				t.Errorf("requests %s, want %s", got, tc.url)
			}
			if form.Get("Action") != "AssumeRole" || form.Get("RoleArn") != testRole || form.Get("RoleSessionName") != tc.session {
				t.Errorf("form %v", form)
			}
			if auth := w.last.Get("Authorization"); !strings.Contains(auth, "Credential="+testKeyID+"/") || !strings.Contains(auth, tc.signing) {
				t.Errorf("signed %s", auth)
			}
			if w.last.Get("X-Amz-Security-Token") != plantedToken {
				t.Error("Base's session token is not sent")
			}
		})
	}
}

func TestAssumeRoleRegionIsItsOwnElseBases(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ own, want string }{{"us-gov-east-1", "us-gov-east-1"}, {"", "eu-west-1"}} {
		got, err := (&AssumeRole{Base: baseKeys(), Region: tc.own}).AwsRegion(t.Context(), SupplierContext{})
		if got != tc.want || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, tc.want)
		}
	}
	_, err := (&AssumeRole{Base: baseKeys(), Region: "us-west-2-lax-1a"}).AwsRegion(t.Context(), SupplierContext{})
	wantError(t, err, "assume-role", "AssumeRole.Region")
	_, err = (&AssumeRole{}).AwsRegion(t.Context(), SupplierContext{})
	wantError(t, err, "supplier", "nil")
}

func TestAssumeRoleAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	good := assumed(time.Date(2026, 1, 2, 4, 4, 5, 0, time.UTC))
	canonical := "The request signature we calculated does not match.\n\nThe Canonical String was 'POST\nx-amz-security-token:" + plantedToken + "'"
	for name, tc := range map[string]struct {
		status    int
		body      string
		says      string
		retryable bool
	}{
		"denied":                         {403, stsError("AccessDenied", "User: x is not authorized to perform: sts:AssumeRole"), testRole + ": AccessDenied: User: x is not authorized to perform: sts:AssumeRole; it takes both: the role's trust policy has to name the caller", false},
		"a signature quoted in full":     {403, stsError("SignatureDoesNotMatch", canonical), "SignatureDoesNotMatch: The request signature we calculated does not match.", false},
		"a signature quoted in one line": {403, stsError("SignatureDoesNotMatch", strings.ReplaceAll(canonical, "\n", " ")), "SignatureDoesNotMatch: The request signature we calculated does not match.", false},
		"a token quoted on one line":     {403, stsError("InvalidClientTokenId", "token "+plantedToken+" of "+plantedKey), "token sha256:", false},
		"a base session that ended":      {403, stsError("ExpiredTokenException", "expired"), "ExpiredTokenException: expired; the AWS session that assumes it is over", false},
		"throttled":                      {400, stsError("Throttling", "Rate exceeded"), "Throttling", true},
		"timed out on their side":        {400, stsError("RequestTimeout", "slow"), "RequestTimeout", true},
		"quoted characters":              {400, stsError("ValidationError", "Value &apos;x&apos; at &#39;roleArn&#39;"), "ValidationError: Value 'x' at 'roleArn'", false},
		"an error without a message":     {403, stsError("AccessDenied", ""), "role/deploy/web: AccessDenied", false},
		"broken":                         {500, stsError("InternalFailure", "oops"), "InternalFailure", true},
		"broken without words":           {503, "", "the endpoint answered 503", true},
		"a busy proxy":                   {429, "<html>busy</html>", "the endpoint answered 429", true},
		"HTML":                           {200, "<html><body>Sign in</body></html>", "the endpoint answered 200", false},
		"not even XML":                   {200, "sign in " + plantedKey, "the endpoint answered 200", false},
		"nothing":                        {200, "", "the endpoint answered 200", false},
		"cut off":                        {200, good[:200], "the endpoint answered 200", false},
		"an error for an answer":         {200, stsError("AccessDenied", "no"), "the endpoint answered 200", false},
		"an answer for an error":         {400, good, "the endpoint answered 400", false},
		"another service's error":        {400, "<Response><Error><Code>AccessDenied</Code><Message>no</Message></Error></Response>", "the endpoint answered 400", false},
		"another action's answer":        {200, strings.ReplaceAll(good, "AssumeRoleRes", "GetSessionTokenRes"), "the endpoint answered 200", false},
		"no credentials":                 {200, "<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>", "AWS STS answered without credentials", false},
		"a document type":                {200, `<!DOCTYPE x [<!ENTITY k "` + plantedKey + `">]>` + strings.Replace(good, plantedKey, "&k;", 1), "the endpoint answered 200", false},
		"a redirect":                     {302, "", "the endpoint answered 302", false},
		"no secret key":                  {200, strings.Replace(good, plantedKey, "", 1), "secret access key is empty", false},
		"no session token":               {200, strings.Replace(good, plantedToken, "", 1), "without a session token", false},
		"expired":                        {200, assumed(testNow()), "have expired", false},
		"no expiry":                      {200, strings.Replace(good, "2026-01-02T04:04:05Z", "", 1), "", false},
		"a body that does not end":       {200, good[:100] + strings.Repeat(" ", 2*maxAnswer) + good[100:], "more than 65536 bytes", false},
		"an error that does not parse":   {400, "<html>" + plantedKey + "</html>", "the endpoint answered 400", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				role := &AssumeRole{Base: baseKeys(), RoleARN: testRole, HTTPClient: says(tc.status, tc.body).client(), Now: testNow}
				creds, err := role.AwsSecurityCredentials(t.Context(), SupplierContext{})
				if e := wantError(t, err, "assume-role", tc.says); e.Retryable != tc.retryable {
					t.Errorf("retryable is %v: %v", e.Retryable, err)
				}
				if creds != (AwsSecurityCredentials{}) {
					t.Error("credentials beside an error")
				}
				if strings.ContainsAny(err.Error(), "\n\r") || strings.Contains(err.Error(), "x-amz-security-token") {
					t.Errorf("more than one line, or the signed request: %v", err)
				}
			})
		})
	}
}

func TestAssumeRoleIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := hangs()
		_, err := (&AssumeRole{Base: baseKeys(), RoleARN: testRole, HTTPClient: w.client()}).AwsSecurityCredentials(t.Context(), SupplierContext{})
		if e := wantError(t, err, "assume-role", "AWS STS did not answer within 15s", "VPC"); !e.Retryable {
			t.Errorf("not retryable: %v", err)
		}
		if took := time.Since(start); took != 15*time.Second || len(w.calls()) != 3 {
			t.Errorf("took %v and %d attempts", took, len(w.calls()))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := &wire{answer: func(*http.Request) (*http.Response, error) {
			n++
			return nil, errors.New("connection refused")
		}}
		_, err := (&AssumeRole{Base: baseKeys(), RoleARN: testRole, HTTPClient: w.client()}).AwsSecurityCredentials(t.Context(), SupplierContext{})
		if e := wantError(t, err, "assume-role", "connection refused"); !e.Retryable || n != 3 {
			t.Errorf("retryable %v after %d attempts: %v", e.Retryable, n, err)
		}
	})
}

func TestAssumeRoleWithoutWhatItNeedsMakesNoCall(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		role   *AssumeRole
		source string
		says   string
	}{
		"no role":             {&AssumeRole{Base: baseKeys()}, "assume-role", "RoleARN"},
		"a user's ARN":        {&AssumeRole{Base: baseKeys(), RoleARN: "arn:aws:iam::123456789012:user/u"}, "assume-role", "RoleARN"},
		"a bad session name":  {&AssumeRole{Base: baseKeys(), RoleARN: testRole, SessionName: "a b"}, "assume-role", "SessionName"},
		"a bad region":        {&AssumeRole{Base: baseKeys(), RoleARN: testRole, Region: "evil.example"}, "assume-role", "Region"},
		"no base":             {&AssumeRole{RoleARN: testRole}, "supplier", "nil"},
		"a base with nothing": {&AssumeRole{Base: custom{region: "eu-west-1"}, RoleARN: testRole}, "supplier", "empty"},
		"no region anywhere":  {&AssumeRole{Base: custom{creds: testKeys()}, RoleARN: testRole}, "supplier", "an empty region"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			role := tc.role
			role.HTTPClient = noCalls(t)
			_, err := role.AwsSecurityCredentials(t.Context(), SupplierContext{})
			wantError(t, err, tc.source, tc.says)
		})
	}
}

func TestOnlyARolesARNIsTakenForOne(t *testing.T) {
	t.Parallel()
	for arn, want := range map[string]bool{
		"arn:aws:iam::123456789012:role/web":            true,
		"arn:aws:iam::123456789012:role/a/b-c/web":      true,
		"arn:aws-cn:iam::123456789012:role/web":         true,
		"arn:aws-us-gov:iam::123456789012:role/web":     true,
		"arn:aws-iso-b:iam::123456789012:role/w+=,.@-_": true,
		"arn:aws-eusc:iam::123456789012:role/web":       true,
		"":                                   false,
		"web":                                false,
		"arn:aws:iam::12345678901:role/web":  false,
		"arn:aws:iam::1234567890ab:role/web": false,
		"arn:aws:iam:eu-west-1:123456789012:role/web":  false,
		"arn:aws:sts::123456789012:assumed-role/web/s": false,
		"arn:aws:iam::123456789012:user/web":           false,
		"arn:aws:iam::123456789012:role/":              false,
		"arn:aws:iam::123456789012:role/a b":           false,
		"arn:aws:iam::123456789012:role/web\n":         false,
		"arn:aws:iam::123456789012:role/ü":             false,
		"arn:gcp:iam::123456789012:role/web":           false,
		"arn:aws-:iam::123456789012:role/web":          false,
		"arn:AWS:iam::123456789012:role/web":           false,
		" arn:aws:iam::123456789012:role/web":          false,
		"arn:aws:iam::123456789012:role/web:x":         false,
		testRole + strings.Repeat("x", 65):             false,
	} {
		if got := ValidRoleARN(arn); got != want {
			t.Errorf("ValidRoleARN(%q) = %v", arn, got)
		}
	}
}

func TestSessionNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"wifmint": true, "ab": true, "a_b+c=d,e.f@g-h": true, strings.Repeat("x", 64): true,
		"": false, "a": false, "a b": false, "a/b": false, "ü1": false, "ab\n": false, strings.Repeat("x", 65): false,
	} {
		if got := ValidSessionName(name); got != want {
			t.Errorf("ValidSessionName(%q) = %v", name, got)
		}
	}
}

// What passes goes into a host's name, a form and a log.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{testRole, "arn:aws-us-gov:iam::123456789012:role/a/b", "eu-west-1", "us-gov-east-1", "wifmint", "x@evil.example/#", "a\n", "\xff", "ü"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		role, region, session := ValidRoleARN(text), ValidRegion(text), ValidSessionName(text)
		if (role || region || session) && strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q is valid: a role's ARN %v, a region %v, a session's name %v", text, role, region, session)
		}
		if role && (region || session) || role && strings.Count(text, ":") != 5 {
			t.Errorf("%q is a role's ARN", text)
		}
		u, err := url.Parse("https://sts." + text + ".amazonaws.com/")
		if region && (err != nil || u.Host != "sts."+text+".amazonaws.com" || u.Path != "/" || len(text) > 63) {
			t.Errorf("%q is a region, and makes %v", text, u)
		}
	})
}
