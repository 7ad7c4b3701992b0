package doctor

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// echoed stands in a fuzzed answer for what was sent that is secret.
const echoed = "ECHO"

// repeating answers with what is given, and for echoed with the request's secrets.
// Secrets Manager, which keeps the tokens, is taken on trust not to.
func repeating(r *http.Request, status int, header http.Header, body string) *http.Response {
	secrets := strings.NewReplacer(echoed, r.Header.Get("X-Amz-Security-Token")+" "+signatureOf(r))
	if strings.HasPrefix(r.URL.Host, "secretsmanager.") {
		secrets = strings.NewReplacer()
	}
	answered := http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}
	for name, values := range header {
		answered[name] = []string{secrets.Replace(values[0])}
	}
	return &http.Response{StatusCode: status, Header: answered, Body: io.NopCloser(strings.NewReader(secrets.Replace(body))), Request: r}
}

func signatureOf(r *http.Request) string {
	_, signature, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	return signature
}

// hostileBodies are no answers of anybody's.
var hostileBodies = []string{
	"", "null", "[]", "{}", `""`, "\x00", "\xff\xfe", "<html>ECHO</html>", "<a>" + strings.Repeat("<a>", 20_000), strings.Repeat("[", 50_000), strings.Repeat(`{"Schedules":`, 20_000),
	`{"__type":"a#ECHO:x","message":"ECHO"}`, `{"code":"\u001b[2J","Message":"\u202e` + "\u009b" + `2J\n\n"}`, `{"Message":"` + strings.Repeat("x", 100_000) + `"}`,
	`{"__type":"InvalidSignatureException","message":"no match. The Canonical String is ECHO"}`, `{"Message":"1","Message":"2","__type":{}}`, `{"__type":"\ud800"}`, `{"a":1e999999999,"b":` + strings.Repeat("9", 1000) + `}`,
}

// aboutAFunction are whoever is asked about a deployed one, by the last part of the
// path as lambdas has it.
var aboutAFunction = []string{"configuration", "invocations", "schedules", "tick", "logs"}

func FuzzAnswersAboutAFunction(f *testing.F) {
	const tick = `{"Name":"tick","GroupName":"default","State":"DISABLED","Target":{"Arn":"` + functionARN + `","Input":"{\"canary\":ECHO"}}`
	for i, bodies := range [][]string{
		{`{"FunctionArn":"` + functionARN + `:\u001b[2J","State":"` + strings.Repeat("x", 3000) + `","LoggingConfig":{"LogGroup":"'$(id)\n\\ECHO"}}`, `{"FunctionArn":"ECHO","State":1}`, `{"FunctionArn":"ECHO"}`, `{"FunctionArn":"::::::::::","LoggingConfig":null}`},
		{healthy, `{"errorType":"ConfigError","errorMessage":"ECHO\u001b[2J"}`, `{"errorType":"ECHO","errorMessage":[]}`, `{"function":"\u001b","checks":[{}]}`, `{"checks":[{"check":"sts","status":"fail"}]}`,
			`{"checks":[{"check":"sts\n\u009b","target":"\u001b[2J","status":"fail","cause":"\n","found":"\u001b[2J\nECHO","means":"\r","fix":"a\nb\u001b"}]}`, `{"checks":[{"check":"sts","status":"good"}]}`,
			`{"function":"\u001b","checks":[{"check":"sts\n\u009b","target":"\u001b[2J","status":"fail","cause":"\n","found":"\u001b[2J\nECHO","means":"\r","fix":"a\nb"}]}`,
			`{"checks":[` + strings.Repeat(`{"check":"a","status":"ok"},`, 3000) + `{"check":"a","status":"ok"}]}`},
		{`{"Schedules":[` + tick + `],"NextToken":"ECHO&\n"}`, `{"Schedules":[{"Name":"\u001b[2J ECHO","State":"` + strings.Repeat("X", 3000) + `","Target":{"Arn":"` + functionARN + `:live"}}]}`, `{"Schedules":[{"Name":"../x?y=z#","GroupName":"&\u0000","State":"DISABLED","Target":{"Arn":"` + functionARN + `"}}]}`, `{"Schedules":{}}`},
		{tick, `{"Target":{"Input":"it's {ARN}\u001b ECHO"},"Arn":1}`, `{"Target":[],"State":{"a":"\u2028'\"` + "`$(id)`" + `"}}`},
		{`{"events":[{"timestamp":9223372036854775807,"message":"x"},{"timestamp":-9223372036854775808,"message":"ECHO"},{"timestamp":1,"message":"{\"level\":\"INFO\",\"message\":\"invocation\"}"}]}`,
			`{"events":[{"timestamp":1e3,"message":"{\"level\":\"ERROR\",\"target\":\"\\u001b\",\"error\":{\"leg\":\"ECHO\",\"message\":\"\\n\\u009b\"}}"}]}`, `{"events":[{"message":"\u0000"}],"nextToken":"ECHO"}`, `{"events":[null,1]}`, `{"events":[{"timestamp":99999999999999999999}]}`},
	} {
		for _, body := range append(bodies, hostileBodies...) {
			f.Add(uint8(i), uint16(200), "", "", body)
		}
		for _, status := range []uint16{100, 204, 302, 400, 403, 404, 429, 500, 999} {
			f.Add(uint8(i), status, "AccessDeniedException", "", `{"message":"ECHO"}`)
		}
		f.Add(uint8(i), uint16(400), "\x9b2J\nECHO", "", "{}")
	}
	f.Add(uint8(1), uint16(200), "", "Unhandled", `{"errorType":"Runtime.ExitError","errorMessage":"ECHO\u001b[2J"}`)
	f.Add(uint8(1), uint16(200), "", "Unhandled", "ECHO")
	f.Fuzz(func(t *testing.T, which uint8, status uint16, code, functionError, body string) {
		if status > 999 {
			return
		}
		fuzzed := aboutAFunction[int(which)%len(aboutAFunction)]
		var signatures []string
		l := newLambdas()
		if fuzzed == "tick" {
			l.set("schedules", 200, "", `{"Schedules":[`+tick+`]}`)
		}
		header := http.Header{"X-Amzn-Errortype": {code}, "X-Amz-Function-Error": {functionError}}
		env := map[string]string{"AWS_REGION": region, "AWS_ACCESS_KEY_ID": "AKIAPERSON", "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_SESSION_TOKEN": sessionToken}
		getenv := func(name string) string { return env[name] }
		client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			signatures = append(signatures, signatureOf(r))
			what := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
			if strings.HasPrefix(r.URL.Host, "logs.") {
				what = "logs"
			}
			if answer, known := l.answers[what]; known && what != fuzzed {
				return answer(), nil
			}
			return repeating(r, int(status), header, body), nil
		})}
		var checks []Check
		Deployed{Function: "wifmint-minter", AWS: supplier.Environment{Getenv: getenv}, Getenv: getenv, HTTPClient: client}.
			Run(t.Context(), func(c Check) { checks = append(checks, c) })
		if asked := len(signatures); asked > 100 {
			t.Errorf("%d requests", asked)
		}
		checkTold(t, checks, signatures)
	})
}

// onTheWalk are whoever is asked by a walk: a host, and what tells its request from
// others of that host.
var onTheWalk = []struct{ host, operation string }{
	{"sts.eu-west-1.amazonaws.com", "GET"}, {"sts.eu-west-1.amazonaws.com", "POST"}, {"sts.googleapis.com", "GET"}, {"sts.googleapis.com", "POST"},
	{"iamcredentials.googleapis.com", "generateAccessToken"}, {"iamcredentials.googleapis.com", "generateIdToken"}, {"iam.googleapis.com", "GET"},
	{"secretsmanager.eu-west-1.amazonaws.com", "GetSecretValue"}, {"secretsmanager.eu-west-1.amazonaws.com", "PutSecretValue"}, {"secretsmanager.eu-west-1.amazonaws.com", "DescribeSecret"},
}

func FuzzAnswersOnTheWalk(f *testing.F) {
	const identity = `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>%s</Arn><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`
	for i, bodies := range [][]string{
		{"x"},
		{strings.ReplaceAll(identity, "%s", role+"/wifmint-minter"), strings.ReplaceAll(identity, "%s", "ECHO:"+strings.Repeat("x", 5000)), strings.ReplaceAll(identity, "%s", "a:b:assumed-role/'$(id)\n\\/x"),
			"<ErrorResponse><Error><Code>ECHO</Code><Message>ECHO\n&#x9b;2J</Message></Error></ErrorResponse>", "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>The Canonical String ECHO</Message></Error></ErrorResponse>",
			"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"},
		{"x"},
		{`{"access_token":"ya29.x","token_type":"Bearer","expires_in":3599,"issued_token_type":"x"}`, `{"error":"invalid_grant","error_description":"ECHO\u001b[2J"}`, `{"error":"invalid_target"}`, `{"error":{"code":403,"message":"has not been used in project","status":"PERMISSION_DENIED"}}`},
		{`{"accessToken":"ya29.x","expireTime":"9999-12-31T23:59:59Z"}`, `{"error":{"code":403,"status":"PERMISSION_DENIED","message":"ECHO"}}`, `{"error":{"status":"NOT_FOUND"}}`},
		{`{"token":"a.b.c"}`, `{"error":{"code":403,"status":"FAILED_PRECONDITION","message":"\u001b"}}`},
		{`{"disabled":true}`},
		{`{"ARN":"arn:aws:secretsmanager:eu-west-1:1:secret:\u001b'$(id)","VersionId":"\n\u009b2J","SecretString":"` + storedValue + `","VersionStages":["AWSCURRENT"]}`, `{"VersionId":"x","SecretString":"{\"version\":1,\"kind\":\"\\u001b\",\"principal\":\"\\n\"}"}`,
			`{"SecretBinary":"!!"}`, `{"__type":"ResourceNotFoundException","Message":"secret value for staging label"}`, `{"__type":"AccessDeniedException","Message":"Access to KMS\u001b"}`},
		{`{"VersionId":"x"}`, `{"__type":"ResourceExistsException"}`, `{"__type":"AccessDeniedException","Message":"\u001b[2J"}`, `{"__type":"\u009b"}`},
		{`{"KmsKeyId":"arn:aws:kms:x:1:key/'$(id)\n"}`, `{"KmsKeyId":"alias/\u001b"}`, `{"KmsKeyId":[]}`},
	} {
		for _, body := range append(bodies, hostileBodies...) {
			f.Add(uint8(i), uint16(200), "", body)
			f.Add(uint8(i), uint16(400), "AccessDeniedException", body)
		}
		for _, body := range bodies {
			f.Add(uint8(i), uint16(400), "", body)
		}
		f.Add(uint8(i), uint16(302), "", "")
		f.Add(uint8(i), uint16(503), "", "")
		f.Add(uint8(i), uint16(400), "\x9b2J", "{}")
	}
	f.Fuzz(func(t *testing.T, which uint8, status uint16, code, body string) {
		if status < 200 || status > 999 { // which no transport hands on
			return
		}
		synctest.Test(t, func(t *testing.T) {
			fuzzed := onTheWalk[int(which)%len(onTheWalk)]
			asked := make(chan string, 200) // signatures, by many at once
			w := newWorld(t)
			config := w.parsed()
			w.keep(config, time.Minute)
			w.hosts["*"] = func(r *http.Request) (*http.Response, error) {
				asked <- signatureOf(r)
				operation := r.Method + r.URL.Path + r.Header.Get("X-Amz-Target")
				switch {
				case r.URL.Host == fuzzed.host && strings.Contains(operation, fuzzed.operation):
					return repeating(r, int(status), http.Header{"X-Amzn-Errortype": {code}}, body), nil
				case fuzzed.operation == "DescribeSecret" && strings.HasSuffix(operation, "GetSecretValue"): // else there is nothing to describe
					return reply(400, `{"__type":"AccessDeniedException","Message":"Access to KMS is not allowed"}`)(r)
				}
				return w.cloud.RoundTrip(r)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*walkTimeout)
			defer cancel()
			var checks []Check
			if err := w.open(config).Run(ctx, keeper.Event{}, func(c Check) { checks = append(checks, c) }); err != nil || ctx.Err() != nil {
				t.Errorf("%v, %v", err, ctx.Err())
			}
			if len(checks) != 19 {
				t.Errorf("%d checks:\n%s", len(checks), show(checks))
			}
			close(asked)
			var signatures []string
			for signature := range asked {
				signatures = append(signatures, signature)
			}
			checkTold(t, checks, signatures)
		})
	})
}

// FuzzRefused: whatever the document is that is not taken, its problems are told.
func FuzzRefused(f *testing.F) {
	for _, document := range append(hostileBodies,
		strings.ReplaceAll(document, "AUDIENCE", "//iam.googleapis.com/projects/$(id)/locations/global/workloadIdentityPools/pool/providers/lambda"),
		strings.ReplaceAll(document, "AUDIENCE", "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/'\u001b"),
		`{"audience":"//iam.googleapis.com/projects//x","credentials":{"audience":1}}`, "\ufeff{}", "{\"a\":\"\xff\"}",
	) {
		f.Add(document)
	}
	f.Fuzz(func(t *testing.T, document string) {
		_, err := keeper.ParseConfig([]byte(document), keeper.ConfigOptions{})
		if err == nil {
			return
		}
		var checks []Check
		Refused(err, []byte(document), func(c Check) { checks = append(checks, c) })
		if len(checks) > 120 || checks[0].Check != checkConfig || checks[0].Status != Failed {
			t.Errorf("%d checks:\n%s", len(checks), show(checks[:1]))
		}
		checkTold(t, checks, nil)
	})
}

// checkTold checks what no check may be, whatever somebody answered.
func checkTold(t *testing.T, checks []Check, signatures []string) {
	t.Helper()
	if len(checks) == 0 {
		t.Error("nothing is told")
	}
	for _, c := range checks {
		whole := c.Check != "" && c.Found != ""
		switch c.Status {
		case OK:
			whole = c.Check != ""
		case Failed:
			whole = whole && c.Fix != ""
		case Skipped:
		default:
			whole = false
		}
		lines := c.Function + c.Check + c.Target + c.Cause + c.Found + c.Means
		if !whole || !plain(lines, "") || !plain(c.Fix, "\n") || len(lines) > 4000 {
			t.Errorf("%d bytes: %+v", len(lines), c)
		}
		for _, never := range append(signatures, secretKey, sessionToken, storedValue) {
			if never != "" && strings.Contains(lines+c.Fix, never) {
				t.Errorf("%s is told: %+v", never, c)
			}
		}
	}
}

// plain reports whether a text has no control character but those.
func plain(text, but string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < ' ' || r >= 0x7f && r < 0xa0) && !strings.ContainsRune(but, r)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
