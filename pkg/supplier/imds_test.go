package supplier

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	plantedSession = "AQAEAIMDSv2-session-token=="
	imdsAnswer     = `{"Code":"Success","LastUpdated":"2026-01-02T03:00:00Z","Type":"AWS-HMAC","AccessKeyId":"` + testKeyID +
		`","SecretAccessKey":"` + plantedKey + `","Token":"` + plantedToken + `","Expiration":"2026-01-02T09:04:05Z"}`
	// gcloud writes these into a credential file.
	gcloudRegionURL = "http://169.254.169.254/latest/meta-data/placement/availability-zone"
	gcloudURL       = "http://169.254.169.254/latest/meta-data/iam/security-credentials"
	gcloudTokenURL  = "http://169.254.169.254/latest/api/token"
)

// instance answers as an EC2 instance does; over wins over what it would say.
type instance struct {
	v1   bool
	over map[string]string // "GET /path" to a body, or to a status such as "404"
}

func (i instance) wire(t *testing.T) *wire {
	return &wire{answer: func(r *http.Request) (*http.Response, error) {
		call := r.Method + " " + r.URL.Path
		if body, found := i.over[call]; found {
			if status, isStatus := map[string]int{"301": 301, "400": 400, "401": 401, "403": 403, "404": 404, "405": 405, "500": 500}[body]; isStatus {
				return respond(r, status, "<html>"+body+"</html>"), nil
			}
			return respond(r, http.StatusOK, body), nil
		}
		if call == "PUT /latest/api/token" {
			if r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") != "300" || len(r.Header) != 1 {
				t.Errorf("headers of the token request: %v", r.Header)
			}
			return respond(r, http.StatusOK, plantedSession), nil
		}
		if got := r.Header.Get("X-Aws-Ec2-Metadata-Token"); got != plantedSession && !(i.v1 && got == "") {
			t.Errorf("%s was asked with session token %q", call, got)
		}
		switch call {
		case "GET /latest/meta-data/iam/security-credentials/", "GET /latest/meta-data/iam/security-credentials":
			return respond(r, http.StatusOK, "web-server\n"), nil
		case "GET /latest/meta-data/iam/security-credentials/web-server":
			return respond(r, http.StatusOK, imdsAnswer), nil
		case "GET /latest/meta-data/placement/region":
			return respond(r, http.StatusOK, "us-west-2"), nil
		case "GET /latest/meta-data/placement/availability-zone":
			return respond(r, http.StatusOK, "us-west-2-lax-1a"), nil
		}
		return respond(r, http.StatusNotFound, "<html>404</html>"), nil
	}}
}

func wantCalls(t *testing.T, w *wire, want ...string) {
	t.Helper()
	if got := w.calls(); !slices.Equal(got, want) {
		t.Errorf("requests:\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestIMDSCredentialsTakeThreeRequests(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		imds IMDS
		want []string
	}{
		"AWS's URLs": {IMDS{}, []string{
			"PUT http://169.254.169.254/latest/api/token",
			"GET http://169.254.169.254/latest/meta-data/iam/security-credentials/",
			"GET http://169.254.169.254/latest/meta-data/iam/security-credentials/web-server"}},
		"a credential file's URLs": {IMDS{CredentialsURL: gcloudURL, TokenURL: gcloudTokenURL}, []string{
			"PUT " + gcloudTokenURL, "GET " + gcloudURL, "GET " + gcloudURL + "/web-server"}},
		"IPv6, the token on the same host": {IMDS{CredentialsURL: "http://[fd00:ec2::254]/latest/meta-data/iam/security-credentials"}, []string{
			"PUT http://[fd00:ec2::254]/latest/api/token",
			"GET http://[fd00:ec2::254]/latest/meta-data/iam/security-credentials",
			"GET http://[fd00:ec2::254]/latest/meta-data/iam/security-credentials/web-server"}},
		"any host when allowed": {IMDS{CredentialsURL: "https://fake.example/latest/meta-data/iam/security-credentials", AllowAnyEndpoint: true}, []string{
			"PUT https://fake.example/latest/api/token",
			"GET https://fake.example/latest/meta-data/iam/security-credentials",
			"GET https://fake.example/latest/meta-data/iam/security-credentials/web-server"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := instance{}.wire(t)
			tc.imds.Getenv, tc.imds.HTTPClient, tc.imds.Now = environ(), w.client(), testNow
			creds, err := tc.imds.AwsSecurityCredentials(t.Context(), SupplierContext{})
			wantTestKeys(t, creds, err)
			wantCalls(t, w, tc.want...)
		})
	}
}

func TestIMDSFindsTheRegionOfALocalZone(t *testing.T) {
	t.Parallel()
	const token = "PUT http://169.254.169.254/latest/api/token"
	const region = "GET http://169.254.169.254/latest/meta-data/placement/region"
	for name, tc := range map[string]struct {
		url  string
		over map[string]string
		want []string
	}{
		"AWS's URL":                         {"", nil, []string{token, region}},
		"gcloud's URL of the zone":          {gcloudRegionURL, nil, []string{token, region}},
		"a metadata service without region": {gcloudRegionURL, map[string]string{"GET /latest/meta-data/placement/region": "404"}, []string{token, region, "GET " + gcloudRegionURL}},
		"a zone where the region should be": {"", map[string]string{"GET /latest/meta-data/placement/region": "us-west-2b\n"}, []string{token, region}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := instance{over: tc.over}.wire(t)
			m := IMDS{RegionURL: tc.url, Getenv: environ(), HTTPClient: w.client()}
			if got, err := m.AwsRegion(t.Context(), SupplierContext{}); got != "us-west-2" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			wantCalls(t, w, tc.want...)
		})
	}
}

func TestIMDSAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	const (
		put   = "PUT /latest/api/token"
		roles = "GET /latest/meta-data/iam/security-credentials/"
		role  = roles + "web-server"
	)
	for name, tc := range map[string]struct {
		over  map[string]string
		says  string
		calls int
	}{
		"a token of HTML":                   {map[string]string{put: "<html>hotel</html> sign in"}, "no session token", 1},
		"an empty token":                    {map[string]string{put: ""}, "no session token", 1},
		"a token with a header in it":       {map[string]string{put: "a\r\nX: y"}, "no session token", 1},
		"metadata switched off":             {map[string]string{put: "403"}, "answered 403", 1},
		"version 1 alone":                   {map[string]string{put: "404"}, "answered 404", 1},
		"a bad request":                     {map[string]string{put: "400"}, "answered 400", 1},
		"the token redirected":              {map[string]string{put: "301"}, "redirects are not followed", 1},
		"no role":                           {map[string]string{roles: "404"}, "no IAM role is attached", 2},
		"the token refused":                 {map[string]string{roles: "401"}, "answered 401", 2},
		"a role that leaves its path":       {map[string]string{roles: "../../user-data"}, "no role name", 2},
		"a role that is the parent":         {map[string]string{roles: ".."}, "no role name", 2},
		"a role with a query":               {map[string]string{roles: "r?x=y"}, "no role name", 2},
		"an encoded role":                   {map[string]string{roles: "%2e%2e"}, "no role name", 2},
		"a role of HTML":                    {map[string]string{roles: "<html>"}, "no role name", 2},
		"an empty role":                     {map[string]string{roles: " \n"}, "no role name", 2},
		"a role too long":                   {map[string]string{roles: strings.Repeat("r", 65)}, "no role name", 2},
		"a redirect of a URL with slash":    {map[string]string{roles: "301"}, "redirects are not followed", 2},
		"credentials of HTML":               {map[string]string{role: "<html>"}, "not the JSON document", 3},
		"credentials that failed":           {map[string]string{role: `{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role"}`}, "AssumeRoleUnauthorizedAccess: EC2 cannot", 3},
		"an error that repeats its session": {map[string]string{role: `{"Code":"Failed","Message":"session ` + plantedSession + ` of ` + plantedKey + `","Token":"` + plantedKey + `"}`}, "session sha256:", 3},
		"expired credentials":               {map[string]string{role: strings.Replace(imdsAnswer, "09:04:05", "03:04:00", 1)}, "role web-server: the credentials expired", 3},
		"credentials not found":             {map[string]string{role: "404"}, "answered 404", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := instance{over: tc.over}.wire(t)
			m := IMDS{Getenv: environ(), HTTPClient: w.client(), Now: testNow}
			_, err := m.AwsSecurityCredentials(t.Context(), SupplierContext{})
			if e := wantError(t, err, "imds", tc.says); e.Retryable {
				t.Errorf("it is retryable: %v", err)
			}
			if strings.Contains(err.Error(), plantedSession) {
				t.Errorf("error shows the session token: %v", err)
			}
			if len(w.calls()) != tc.calls {
				t.Errorf("%d requests, want %d: %s", len(w.calls()), tc.calls, w.calls())
			}
		})
	}
}

func TestIMDSRegionAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	const region = "GET /latest/meta-data/placement/region"
	for name, tc := range map[string]struct{ body, says string }{
		"HTML":                {"<html><body>sign in here please</body></html>", "a text of 45 characters"},
		"another host's name": {"us-west-2.evil.example", "which is no region"},
		"nothing":             {"", "an empty region"},
		"refused":             {"401", "answered 401"},
		"not there":           {"404", "answered 404"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := instance{over: map[string]string{region: tc.body}}.wire(t)
			got, err := IMDS{Getenv: environ(), HTTPClient: w.client()}.AwsRegion(t.Context(), SupplierContext{})
			wantError(t, err, "imds", tc.says)
			if got != "" {
				t.Errorf("a region beside an error: %q", got)
			}
		})
	}
}

func TestIMDSFollowsTheSlashOfOldInstances(t *testing.T) {
	t.Parallel()
	w := instance{over: map[string]string{"GET /latest/meta-data/iam/security-credentials": "301"}}.wire(t)
	m := IMDS{CredentialsURL: gcloudURL, Getenv: environ(), HTTPClient: w.client(), Now: testNow}
	creds, err := m.AwsSecurityCredentials(t.Context(), SupplierContext{})
	wantTestKeys(t, creds, err)
	wantCalls(t, w, "PUT "+gcloudTokenURL, "GET "+gcloudURL, "GET "+gcloudURL+"/", "GET "+gcloudURL+"/web-server")
}

func TestIMDSIsNotAskedWhereItIsNot(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ variable, value, says string }{
		"in a Lambda function":    {"AWS_LAMBDA_FUNCTION_NAME", "minter", "Lambda has no instance metadata"},
		"in a Lambda extension":   {"AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001", "Lambda has no instance metadata"},
		"when it is switched off": {"AWS_EC2_METADATA_DISABLED", "True", "AWS_EC2_METADATA_DISABLED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := IMDS{
				CredentialsURL: gcloudURL, RegionURL: gcloudRegionURL, TokenURL: gcloudTokenURL, AllowAnyEndpoint: true, AllowV1: true,
				Getenv: environ(tc.variable, tc.value), HTTPClient: noCalls(t),
			}
			_, err := m.AwsSecurityCredentials(t.Context(), SupplierContext{})
			wantError(t, err, "imds", tc.says)
			_, err = m.AwsRegion(t.Context(), SupplierContext{})
			wantError(t, err, "imds", tc.says)
		})
	}
}

func TestIMDSAsksNoOtherHost(t *testing.T) {
	t.Parallel()
	for _, u := range []string{
		"http://169.254.169.253/x", "http://metadata.google.internal/x", "http://169.254.169.254.evil.example/x", "http://169.254.169.254@evil.example/x",
		"http://user@169.254.169.254/x", "http://169.254.169.254:8080/x", "https://169.254.169.254/x", "http://2852039166/x", "http://[::ffff:169.254.169.254]/x",
		"http://[fd00:ec2::253]/x", "http://localhost/x", "ftp://169.254.169.254/x", "//169.254.169.254/x", "latest/meta-data", "%zz",
	} {
		for name, m := range map[string]IMDS{"url": {CredentialsURL: u}, "imdsv2_session_token_url": {TokenURL: u}} {
			m.Getenv, m.HTTPClient = environ(), noCalls(t)
			_, err := m.AwsSecurityCredentials(t.Context(), SupplierContext{})
			wantError(t, err, "imds", name)
		}
		m := IMDS{RegionURL: u, Getenv: environ(), HTTPClient: noCalls(t)}
		_, err := m.AwsRegion(t.Context(), SupplierContext{})
		wantError(t, err, "imds", "region_url")
	}
}

func TestIMDSVersion1OnlyWhenAllowed(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"403", "404", "405"} {
		w := instance{v1: true, over: map[string]string{"PUT /latest/api/token": status}}.wire(t)
		m := IMDS{Getenv: environ(), HTTPClient: w.client(), Now: testNow}
		_, err := m.AwsSecurityCredentials(t.Context(), SupplierContext{})
		wantError(t, err, "imds", status)
		m.AllowV1 = true
		creds, err := m.AwsSecurityCredentials(t.Context(), SupplierContext{})
		wantTestKeys(t, creds, err)
	}
	w := instance{v1: true, over: map[string]string{"PUT /latest/api/token": "400"}}.wire(t)
	_, err := IMDS{AllowV1: true, Getenv: environ(), HTTPClient: w.client()}.AwsSecurityCredentials(t.Context(), SupplierContext{})
	wantError(t, err, "imds", "400")
	if len(w.calls()) != 1 {
		t.Errorf("a bad request led to %s", w.calls())
	}
}

func TestIMDSVersion1WhenNobodyAnswersForAToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := instance{v1: true}.wire(t)
		w := &wire{answer: func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut { // the hop limit ends here
				return hangs().answer(r)
			}
			return i.answer(r)
		}}
		m := IMDS{AllowV1: true, Getenv: environ(), HTTPClient: w.client(), Now: testNow}
		creds, err := m.AwsSecurityCredentials(t.Context(), SupplierContext{})
		wantTestKeys(t, creds, err)
	})
}

func TestOffEC2IMDSCostsOneSecond(t *testing.T) {
	t.Parallel()
	for _, v1 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := hangs()
			start := time.Now()
			_, err := IMDS{AllowV1: v1, Getenv: environ(), HTTPClient: w.client()}.AwsSecurityCredentials(t.Context(), SupplierContext{})
			e := wantError(t, err, "imds", "did not answer within 1s", "is this an EC2 instance?")
			if !e.Retryable || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("retryable %v, %v", e.Retryable, err)
			}
			if took, most := time.Since(start), map[bool]time.Duration{false: time.Second, true: 2 * time.Second}[v1]; took != most {
				t.Errorf("took %v, want %v", took, most)
			}
		})
	}
}

func TestIMDSEndsWithTheContext(t *testing.T) {
	t.Parallel()
	for _, v1 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			w := hangs()
			_, err := IMDS{AllowV1: v1, Getenv: environ(), HTTPClient: w.client()}.AwsSecurityCredentials(ctx, SupplierContext{})
			wantError(t, err, "imds", "gave up waiting")
			if !errors.Is(err, context.DeadlineExceeded) || len(w.calls()) != 1 {
				t.Errorf("%d requests: %v", len(w.calls()), err)
			}
		})
	}
}

// A role name becomes a path: whatever is answered, no request leaves the
// directory of the roles.
func FuzzIMDSRole(f *testing.F) {
	for _, s := range []string{"web-server", "..", "../x", "a/b", "%2e%2e", "r\ns", "<html>", "", "role+=,.@-_", "\x00"} {
		f.Add(s)
	}
	const put, roles = "PUT /latest/api/token", "GET /latest/meta-data/iam/security-credentials/"
	f.Fuzz(func(t *testing.T, body string) {
		w := &wire{answer: func(r *http.Request) (*http.Response, error) {
			switch r.Method + " " + r.URL.Path {
			case put:
				return respond(r, http.StatusOK, plantedSession), nil
			case roles:
				return respond(r, http.StatusOK, body), nil
			}
			rest, below := strings.CutPrefix(r.URL.String(), "http://169.254.169.254/latest/meta-data/iam/security-credentials/")
			if !below || rest == "" || strings.ContainsAny(rest, "/?#%\\") {
				t.Errorf("role %q led to %s", body, r.URL)
			}
			return respond(r, http.StatusOK, imdsAnswer), nil
		}}
		m := IMDS{Getenv: environ(), HTTPClient: w.client(), Now: testNow}
		_, _ = m.AwsSecurityCredentials(t.Context(), SupplierContext{})
	})
}
