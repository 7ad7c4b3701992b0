package supplier

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wifmint/wifmint/internal/hostilejson"
)

const (
	goodAnswer = `{"RoleArn":"arn:aws:iam::123456789012:role/r","AccessKeyId":"` + testKeyID + `","SecretAccessKey":"` + plantedKey +
		`","Token":"` + plantedToken + `","Expiration":"2026-01-02T04:04:05Z"}`
	localURI = "http://127.0.0.1:9001/2024/credentials"
)

func container(w *wire, pairs ...string) Container {
	return Container{Getenv: environ(pairs...), HTTPClient: w.client(), Now: testNow}
}

func TestContainerRequest(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(plantedAuth), 0o600); err != nil {
		t.Fatal(err)
	}
	const ecs = "/v2/" + plantedPath
	for name, tc := range map[string]struct {
		env        []string
		want, auth string
	}{
		"ECS's relative URI":            {[]string{relativeURIVariable, ecs}, "GET http://169.254.170.2" + ecs, ""},
		"the relative URI wins":         {[]string{relativeURIVariable, ecs, fullURIVariable, localURI}, "GET http://169.254.170.2" + ecs, ""},
		"SnapStart's full URI":          {[]string{fullURIVariable, localURI, tokenVariable, plantedAuth}, "GET " + localURI, plantedAuth},
		"EKS's token file wins":         {[]string{fullURIVariable, "http://169.254.170.23/v1/credentials", tokenVariable, "old", tokenFileVariable, file}, "GET http://169.254.170.23/v1/credentials", plantedAuth},
		"a token on the relative URI":   {[]string{relativeURIVariable, ecs, tokenVariable, plantedAuth}, "GET http://169.254.170.2" + ecs, plantedAuth},
		"a query of the URI is kept":    {[]string{fullURIVariable, "https://creds.example/x?id=1"}, "GET https://creds.example/x?id=1", ""},
		"an empty relative URI is none": {[]string{relativeURIVariable, "", fullURIVariable, localURI}, "GET " + localURI, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := says(http.StatusOK, goodAnswer)
			creds, err := container(w, tc.env...).AwsSecurityCredentials(t.Context(), SupplierContext{})
			wantTestKeys(t, creds, err)
			if got := strings.Join(w.calls(), ", "); got != tc.want {
				t.Errorf("requests: got %s, want %s", got, tc.want)
			}
			if got := w.last.Get("Authorization"); got != tc.auth {
				t.Errorf("Authorization is %q, want %q", got, tc.auth)
			}
		})
	}
}

func TestContainerHostRules(t *testing.T) {
	t.Parallel()
	addrs := map[string][]string{
		"localhost":        {"127.0.0.1", "::1"},
		"agent.internal":   {"::ffff:169.254.170.23"}, // as the resolver may put an IPv4 address,
		"half.example":     {"127.0.0.1", "203.0.113.7"},
		"outside.example":  {"203.0.113.7"},
		"nowhere.example":  {},
		"mapped.example":   {"::ffff:203.0.113.7"},
		"metadata.example": {"169.254.169.254"},
	}
	lookup := func(_ context.Context, host string) ([]netip.Addr, error) {
		found, known := addrs[host]
		if !known {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		var list []netip.Addr
		for _, a := range found {
			list = append(list, netip.MustParseAddr(a))
		}
		return list, nil
	}
	for uri, allowed := range map[string]bool{
		"http://127.0.0.1/":                  true,
		"http://127.8.9.10:8080/x":           true,
		"http://[::1]:80/":                   true,
		"http://[::ffff:127.0.0.1]/":         true,
		"http://169.254.170.2/v2/x":          true,
		"http://169.254.170.23/v1":           true,
		"http://[fd00:ec2::23]/v1":           true,
		"http://[fd00:0ec2:0:0::0023]/v1":    true,
		"http://localhost:9001/":             true,
		"http://agent.internal/":             true,
		"https://creds.example/":             true,
		"https://203.0.113.7:8443/":          true,
		"http://203.0.113.7/":                false,
		"http://169.254.169.254/latest":      false,
		"http://169.254.170.3/":              false,
		"http://[fd00:ec2::24]/":             false,
		"http://[fd00:ec2::254]/":            false,
		"http://10.0.0.1/":                   false,
		"http://0.0.0.0/":                    false,
		"http://outside.example/":            false,
		"http://half.example/":               false,
		"http://nowhere.example/":            false,
		"http://mapped.example/":             false,
		"http://metadata.example/":           false,
		"http://unknown.example/":            false,
		"http://127.0.0.1.evil.example/":     false,
		"http://user@127.0.0.1/":             false,
		"https://user:pw@creds.example/":     false,
		"http://127.0.0.1@evil.example/":     false,
		"ftp://127.0.0.1/":                   false,
		"file:///etc/passwd":                 false,
		"127.0.0.1/x":                        false,
		"http:///x":                          false,
		"http://127.0.0.1:port/":             false,
		"http://[::1%25lo]:x/":               false,
		"http:127.0.0.1/" + plantedPath:      false,
		"http://203.0.113.7/" + plantedPath:  false,
		"%zz" + plantedPath:                  false,
		"http://127.0.0.1/\x00" + plantedKey: false,
	} {
		t.Run(uri, func(t *testing.T) {
			t.Parallel()
			w := says(http.StatusOK, goodAnswer)
			c := container(w, fullURIVariable, uri, tokenVariable, plantedAuth)
			c.lookupHost = lookup
			creds, err := c.AwsSecurityCredentials(t.Context(), SupplierContext{})
			if allowed {
				wantTestKeys(t, creds, err)
				return
			}
			wantError(t, err, "container")
			if calls := w.calls(); len(calls) != 0 {
				t.Errorf("the token went to %s", calls)
			}
		})
	}
}

func TestARelativeURICannotLeaveTheECSAddress(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"@evil.example/x", ".evil.example/", ":80@evil.example/", "x", "\\evil.example", "1/x", "%zz", "/%zz"} {
		w := says(http.StatusOK, goodAnswer)
		_, err := container(w, relativeURIVariable, path).AwsSecurityCredentials(t.Context(), SupplierContext{})
		wantError(t, err, "container", relativeURIVariable)
		if calls := w.calls(); len(calls) != 0 {
			t.Errorf("%q made requests: %s", path, calls)
		}
	}
	w := says(http.StatusOK, goodAnswer)
	_, err := container(w, relativeURIVariable, "//evil.example/x").AwsSecurityCredentials(t.Context(), SupplierContext{})
	if got := w.calls(); err != nil || len(got) != 1 || !strings.HasPrefix(got[0], "GET http://169.254.170.2/") {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestContainerTokenFileIsReadAtEveryCall(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	w := says(http.StatusOK, goodAnswer)
	c := container(w, fullURIVariable, localURI, tokenFileVariable, file)
	for _, token := range []string{"first", "second"} {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := c.AwsSecurityCredentials(t.Context(), SupplierContext{}); err != nil {
			t.Fatal(err)
		}
		if got := w.last.Get("Authorization"); got != token {
			t.Errorf("sent %q, want %q", got, token)
		}
	}
}

func TestABadContainerTokenIsNeverSent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tc := range map[string]struct {
		variable, value, says string
	}{
		"a header in the variable":      {tokenVariable, plantedAuth + "\r\nHost: evil", "line break"},
		"a line break ending the file":  {tokenFileVariable, write("a", plantedAuth+"\n"), "line break"},
		"a control character":           {tokenVariable, plantedAuth + "\x00", "control character"},
		"an empty file":                 {tokenFileVariable, write("b", ""), "is empty"},
		"a file that is not there":      {tokenFileVariable, filepath.Join(dir, "none"), "no such file"},
		"a directory in a file's place": {tokenFileVariable, dir, "reading"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Container{Getenv: environ(fullURIVariable, localURI, tc.variable, tc.value), HTTPClient: noCalls(t)}
			_, err := c.AwsSecurityCredentials(t.Context(), SupplierContext{})
			wantError(t, err, "container", tc.variable, tc.says)
		})
	}
}

func TestContainerWithoutVariablesMakesNoCall(t *testing.T) {
	t.Parallel()
	_, err := Container{Getenv: environ(), HTTPClient: noCalls(t)}.AwsSecurityCredentials(t.Context(), SupplierContext{})
	wantError(t, err, "container", relativeURIVariable, fullURIVariable)
}

func TestContainerAnswersThatAreNoCredentials(t *testing.T) {
	t.Parallel()
	replace := func(old, new string) string { return strings.ReplaceAll(goodAnswer, old, new) }
	for name, tc := range map[string]struct {
		status    int
		body      string
		says      string
		retryable bool
	}{
		"HTML":                       {200, "<html><body>Sign in to the hotel</body></html>", "not the JSON document", false},
		"nothing":                    {200, "", "not the JSON document", false},
		"an empty object":            {200, "{}", "empty", false},
		"null":                       {200, "null", "empty", false},
		"a list":                     {200, "[]", "not the JSON document", false},
		"cut off within the key":     {200, goodAnswer[:strings.Index(goodAnswer, plantedKey)+20], "not the JSON document", false},
		"cut off after the key":      {200, goodAnswer[:strings.Index(goodAnswer, "Token")], "not the JSON document", false},
		"two documents":              {200, goodAnswer + goodAnswer, "not the JSON document", false},
		"no key id":                  {200, replace(testKeyID, ""), "access key id is empty", false},
		"no secret key":              {200, replace(plantedKey, ""), "secret access key is empty", false},
		"no session token":           {200, replace(plantedToken, ""), "no session token", false},
		"a number for a token":       {200, replace(`"`+plantedToken+`"`, "7"), "not the JSON document", false},
		"a header in the token":      {200, replace(plantedToken, `a\r\nX: y`), "white space or control", false},
		"expired":                    {200, replace("04:04:05Z", "03:04:05Z"), "expired at 2026-01-02T03:04:05Z", false},
		"an Expiration that is none": {200, replace("2026-01-02T04:04:05Z", plantedKey), "RFC 3339", false},
		"an error with status 200":   {200, `{"code":"AccessDenied","message":"no role for this pod"}`, "AccessDenied: no role for this pod", false},
		"an error beside keys":       {200, replace(`{`, `{"Code":"Failed",`), "Failed", false},
		"an error document":          {403, `{"code":"AccessDenied","message":"no role"}`, "127.0.0.1:9001 answered 403: AccessDenied: no role", false},
		"a code that is a number":    {401, `{"code":401,"message":"token expired"}`, "401: token expired", false},
		"an error that repeats what was sent": {403, `{"code":"Denied","message":"bad token ` + plantedAuth + ` for ` + plantedKey + `","SecretAccessKey":"` + plantedKey + `"}`,
			"bad token sha256:", false},
		"an error of many lines":  {400, `{"message":"first\nsecond ` + plantedKey + `"}`, "400: first", false},
		"an endless error":        {400, `{"code":"Long","message":"` + strings.Repeat("ä", 1000) + `"}`, "Long: ää", false},
		"an error for a terminal": {400, `{"message":"\u001b[31mred\u0007"}`, "400: [31mred", false},
		"a secret in two parts":   {400, `{"message":"key ` + plantedAuth[:9] + `\u0007` + plantedAuth[9:] + `"}`, "key sha256:", false},
		"text with a key in it":   {400, "oops " + plantedKey, "answered 400", false},
		"throttled":               {429, "slow down", "answered 429", true},
		"broken":                  {500, `{"code":"InternalServerError","message":"try again"}`, "try again", true},
		"not there":               {404, "", "answered 404", false},
		"a redirect":              {302, "", "redirects are not followed", false},
		"more than it could hold": {200, `{"AccessKeyId":"` + strings.Repeat("A", maxAnswer) + `"}`, "more than 65536 bytes", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // for the pauses between attempts
				w := says(tc.status, tc.body)
				creds, err := container(w, fullURIVariable, localURI, tokenVariable, plantedAuth).AwsSecurityCredentials(t.Context(), SupplierContext{})
				e := wantError(t, err, "container", tc.says)
				if e.Retryable != tc.retryable {
					t.Errorf("retryable is %v: %v", e.Retryable, err)
				}
				if want := map[bool]int{false: 1, true: maxAttempts}[tc.retryable]; len(w.calls()) != want {
					t.Errorf("%d requests, want %d", len(w.calls()), want)
				}
				if creds != (AwsSecurityCredentials{}) {
					t.Error("credentials beside an error")
				}
				if strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 500 {
					t.Errorf("not fit for a log: %q", err)
				}
			})
		})
	}
}

func TestContainerAnswerWithoutExpirationIsTaken(t *testing.T) {
	t.Parallel()
	w := says(http.StatusOK, strings.Replace(goodAnswer, `,"Expiration":"2026-01-02T04:04:05Z"`, "", 1))
	creds, err := container(w, fullURIVariable, localURI).AwsSecurityCredentials(t.Context(), SupplierContext{})
	wantTestKeys(t, creds, err)
}

// Whatever the endpoint answers: whole credentials or an error without any of it.
func FuzzCredentialDocument(f *testing.F) {
	for _, s := range []string{
		goodAnswer, "", "null", "{}", "[]", "<html></html>", `{"code":"x","message":"y"}`, `{"Code":"Success","AccessKeyId":1}`,
		`{"Code":"Failed","SecretAccessKey":"k","Message":"about k"}`, goodAnswer[:60], `{"AccessKeyId":"a","SecretAccessKey":"b","Token":"c","Expiration":"x"}`,
		`{"accesskeyid":"a","secretaccesskey":"b","token":"c"}`,
	} {
		f.Add([]byte(s))
	}
	for _, seed := range hostilejson.Seeds(goodAnswer) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		creds, reason := parseDocument(body).credentials(testNow())
		if reason == "" {
			if creds.flaw() != "" || creds.SessionToken.IsZero() {
				t.Errorf("accepted %q as %+v", body, creds)
			}
			return
		}
		if creds != (AwsSecurityCredentials{}) {
			t.Errorf("credentials beside %q", reason)
		}
		if len(reason) > 500 || strings.ContainsAny(reason, "\r\n\x00\x1b") {
			t.Errorf("the reason is not fit for a log: %q", reason)
		}
		d := parseDocument(body)
		for _, s := range []string{d.SecretAccessKey.Reveal(), d.Token.Reveal()} {
			if len(s) > 8 && strings.Contains(reason, s) && !strings.Contains("the answer is an error: sha256:", s) {
				t.Errorf("the reason shows %q: %s", s, reason)
			}
		}
	})
}
