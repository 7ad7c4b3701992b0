package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/supplier"
)

const (
	functionARN = "arn:aws:lambda:eu-west-1:123456789012:function:wifmint-minter"
	healthy     = `{"function":"minter","checks":[{"check":"sts","status":"ok","found":"","means":"","fix":""},{"check":"secret-read","target":"federated","status":"ok","found":"","means":"","fix":""}]}`
)

// lambdas is a fake of the three services that a deployed function is looked at by.
type lambdas struct {
	answers map[string]func() *http.Response // by the last part of the path
	asked   []string
}

func newLambdas() *lambdas {
	l := &lambdas{answers: map[string]func() *http.Response{}}
	l.set("configuration", 200, "", `{"FunctionArn":"`+functionARN+`","State":"Active","LoggingConfig":{"LogGroup":"/aws/lambda/wifmint"}}`)
	l.set("invocations", 200, "", healthy)
	l.set("schedules", 200, "", `{"Schedules":[{"Name":"other","GroupName":"default","State":"ENABLED","Target":{"Arn":"arn:other"}},{"Name":"tick","GroupName":"default","State":"ENABLED","Target":{"Arn":"`+functionARN+`"}}]}`)
	l.set("logs", 200, "", `{"events":[]}`)
	return l
}

func (l *lambdas) set(what string, status int, functionError, body string) {
	header := http.Header{}
	if functionError != "" {
		header.Set("X-Amz-Function-Error", functionError)
	}
	l.answers[what] = func() *http.Response {
		return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
	}
}

func (l *lambdas) RoundTrip(r *http.Request) (*http.Response, error) {
	what := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	if strings.HasPrefix(r.URL.Host, "logs.") {
		what = "logs"
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIA") || r.Header.Get("X-Amz-Date") == "" {
		return nil, fmt.Errorf("a request to %s that is not signed", r.URL.Host)
	}
	payload := ""
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		payload = string(b)
	}
	l.asked = append(l.asked, r.Method+" https://"+r.URL.Host+r.URL.RequestURI()+" "+payload)
	return l.answers[what](), nil
}

func (l *lambdas) examine(t *testing.T, function string) (checks []Check) {
	t.Helper()
	env := map[string]string{"AWS_REGION": region, "AWS_ACCESS_KEY_ID": "AKIAPERSON", "AWS_SECRET_ACCESS_KEY": secretKey}
	getenv := func(name string) string { return env[name] }
	Deployed{Function: function, AWS: supplier.Environment{Getenv: getenv}, Getenv: getenv, HTTPClient: &http.Client{Transport: l}}.
		Run(t.Context(), func(c Check) { checks = append(checks, c) })
	return checks
}

func TestADeployedFunctionIsAsked(t *testing.T) {
	t.Parallel()
	l := newLambdas()
	checks := l.examine(t, functionARN)
	for _, c := range checks {
		if c.Status != OK {
			t.Errorf("not all is well:\n%s", show(checks))
		}
	}
	if c := checks[3]; c.Function != "minter" || c.Check != checkSTS {
		t.Errorf("the function's own checks are told as %+v", c)
	}
	want := []string{
		"GET https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/" + functionARN + "/configuration ",
		"POST https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/" + functionARN + `/invocations {"doctor":true}`,
		"GET https://scheduler.eu-west-1.amazonaws.com/schedules?MaxResults=100 ",
		"POST https://logs.eu-west-1.amazonaws.com/ {",
	}
	if len(l.asked) != len(want) {
		t.Fatalf("asked %q", l.asked)
	}
	for i, prefix := range want {
		if !strings.HasPrefix(l.asked[i], prefix) {
			t.Errorf("call %d is %q, not %q", i, l.asked[i], prefix)
		}
	}
}

// The lines of a target that failed, and of a run that went well.
const (
	lineError = `{"level":"ERROR","message":"target","target":"reports","error":{"leg":"sts","message":"refused"}}`
	lineWell  = `{"level":"INFO","message":"invocation","function":"minter"}`
)

// logs are the lines of the log, in the order of their times, which CloudWatch tells
// the other way round.
func (l *lambdas) logs(lines ...string) {
	type event struct {
		Timestamp int    `json:"timestamp"`
		Message   string `json:"message"`
	}
	var events []event
	for i, line := range lines {
		events = slices.Insert(events, 0, event{i, line})
	}
	body, _ := json.Marshal(map[string]any{"events": events}) // which cannot fail
	l.set("logs", 200, "", string(body))
}

func refusesToInvoke(code, message string) func(*lambdas) {
	return func(l *lambdas) {
		l.set("invocations", 400, "", fmt.Sprintf(`{"__type":%q,"message":%q}`, code, message))
	}
}

var deployedAgain = []string{"sam build --parameter-overrides OVERRIDES", "sam deploy --parameter-overrides OVERRIDES", "Architecture"}

// deployments are what can be wrong with a function that only shows from outside.
var deployments = []struct {
	name         string
	spoil        func(*lambdas)
	check, cause string
	remedy       []string
}{
	{"a function that is not there", func(l *lambdas) {
		l.set("configuration", 404, "", `{"Type":"User","__type":"ResourceNotFoundException","Message":"Function not found"}`)
	}, checkFunction, "function-unknown", []string{"aws lambda list-functions --region eu-west-1"}},
	{"nobody may invoke it", func(l *lambdas) {
		l.set("invocations", 403, "", `{"__type":"AccessDeniedException","Message":"User: x"}`)
	},
		checkFunction, "function-denied", []string{"lambda:InvokeFunction", "wifmint-minter"}},
	{"a document that it cannot start with", func(l *lambdas) {
		l.set("invocations", 200, "Unhandled", `{"errorType":"ConfigError","errorMessage":"credentials.audience: found a pool"}`)
	}, checkFunction, "function-config", append(deployedAgain, "wifmint validate", "--function-name wifmint-minter")},
	{"a release that does not know the doctor", func(l *lambdas) {
		l.set("invocations", 200, "Unhandled", `{"errorType":"EventError","errorMessage":"reading the event: unknown shape"}`)
	}, checkFunction, "function-old", deployedAgain},
	{"a function that is not wifmint's", func(l *lambdas) { l.set("invocations", 200, "", `"hello"`) },
		checkFunction, "function-old", deployedAgain},
	{"a function that dies", func(l *lambdas) {
		l.set("invocations", 200, "Unhandled", `{"errorType":"Runtime.ExitError","errorMessage":"exit status 2"}`)
	}, checkFunction, "function-fails", []string{"aws lambda get-function", "/aws/lambda/wifmint"}},
	{"a session that has expired", refusesToInvoke("ExpiredTokenException", "The security token included in the request is expired"),
		checkFunction, "aws-expired", []string{"aws sso login"}},
	{"a key that nobody knows", refusesToInvoke("UnrecognizedClientException", "The security token included in the request is invalid."),
		checkFunction, "aws-key-unknown", []string{"aws sts get-caller-identity --region eu-west-1"}},
	{"a signature of another key", refusesToInvoke("InvalidSignatureException", "The request signature we calculated does not match. The Canonical String is Signature=x"),
		checkFunction, "aws-signature", []string{"AWS_SECRET_ACCESS_KEY"}},
	{"a clock that is slow", refusesToInvoke("InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z"),
		checkFunction, "clock-off", []string{"timedatectl"}},
	{"a clock that is fast", refusesToInvoke("InvalidSignatureException", "Signature not yet current: 20260101T001000Z is still later than 20260101T000000Z"),
		checkFunction, "clock-off", []string{"timedatectl"}},
	{"a function that is busy", refusesToInvoke("TooManyRequestsException", "Rate Exceeded."),
		checkFunction, "function-throttled", []string{"get-function-concurrency --region eu-west-1 --function-name wifmint-minter"}},
	{"a schedule that is disabled", func(l *lambdas) {
		l.set("schedules", 200, "", `{"Schedules":[{"Name":"tick","GroupName":"default","State":"DISABLED","Target":{"Arn":"`+functionARN+`"}}]}`)
		l.set("tick", 200, "", `{"Arn":"a","Name":"tick","GroupName":"default","State":"DISABLED","ScheduleExpression":"rate(5 minutes)","Target":{"Arn":"`+functionARN+`","Input":"it's {ARN}"},"CreationDate":1}`)
	}, checkSchedule, "schedule-disabled", []string{"aws scheduler update-schedule --region eu-west-1 --cli-input-json '{", `"State":"ENABLED"`, `rate(5 minutes)`, `it'\''s {ARN}`}},
	{"no schedule", func(l *lambdas) { l.set("schedules", 200, "", `{"Schedules":[]}`) },
		checkSchedule, "schedule-missing", append(deployedAgain, functionARN)},
	{"errors in the log", func(l *lambdas) { l.logs(lineWell, lineError) },
		checkLog, "errors-logged", []string{"aws logs tail /aws/lambda/wifmint --region eu-west-1"}},
	{"a function that did not start", func(l *lambdas) {
		l.logs(`{"level":"ERROR","message":"starting the function","error":"a text"}`)
	}, checkLog, "errors-logged", nil},
	{"a canary that was let in, before a run that went well", func(l *lambdas) {
		l.logs(`{"level":"ERROR","message":"canary","service_account":"a@b","outcome":"granted"}`, lineWell)
	}, checkLog, "errors-logged", nil},
	{"a rotation that failed, before another's that went well", func(l *lambdas) {
		l.logs(`{"level":"ERROR","message":"rotation","target":"a","error":{"leg":"store","message":"x"}}`, `{"level":"INFO","message":"rotation","target":"b"}`)
	}, checkLog, "errors-logged", []string{"aws logs tail /aws/lambda/wifmint --region eu-west-1"}},
}

func TestWhatIsWrongWithADeployedFunctionIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	named := 0
	for _, d := range deployments {
		ok := t.Run(d.name, func(t *testing.T) {
			l := newLambdas()
			d.spoil(l)
			misconfiguration{d.name, nil, d.check, d.cause, d.remedy}.verify(t, l.examine(t, "wifmint-minter"))
		})
		if ok {
			named++
		}
	}
	t.Logf("%d of %d misconfigurations named, each with its remedy", named, len(deployments))
}

// What the ticks before a setup was done say is over with the first that went well.
func TestErrorsBeforeARunThatWentWellAreNoFailure(t *testing.T) {
	t.Parallel()
	l := newLambdas()
	l.logs(lineError, `{"level":"ERROR","message":"invocation"}`, lineWell)
	for _, c := range l.examine(t, "wifmint-minter") {
		if c.Status != OK || c.Check == checkLog && !strings.Contains(c.Found, "2 error lines in the last hour, before") {
			t.Errorf("%+v", c)
		}
	}
}

// Even if the times are nonsense, they are in order.
func TestLinesAreInTheOrderOfTheirTimes(t *testing.T) {
	t.Parallel()
	l := newLambdas()
	l.set("logs", 200, "", `{"events":[{"timestamp":9223372036854775807,"message":"{\"level\":\"INFO\",\"message\":\"invocation\"}"},{"timestamp":-9,"message":"an error"}]}`)
	for _, c := range l.examine(t, "wifmint-minter") {
		if c.Status != OK {
			t.Errorf("%+v", c)
		}
	}
}

// More pages than are read are no proof that there is nothing on them.
func TestWhatIsNotReadToItsEndIsNotKnown(t *testing.T) {
	t.Parallel()
	l := newLambdas()
	l.set("schedules", 200, "", `{"Schedules":[],"NextToken":"more"}`)
	l.set("logs", 200, "", `{"events":[],"nextToken":"more"}`)
	for _, c := range l.examine(t, "wifmint-minter") {
		if outside := c.Check == checkSchedule || c.Check == checkLog; outside && (c.Status != Skipped || c.Fix == "") || c.Status == Failed {
			t.Errorf("%+v", c)
		}
	}
}

func TestTheScheduleOfAFunctionThatIsAskedByItsAliasIsFound(t *testing.T) {
	t.Parallel()
	l := newLambdas()
	l.set("configuration", 200, "", `{"FunctionArn":"`+functionARN+`:live","State":"Active","LoggingConfig":{"LogGroup":"/aws/lambda/wifmint"}}`)
	for _, c := range l.examine(t, "wifmint-minter:live") {
		if c.Status != OK {
			t.Errorf("%+v", c)
		}
	}
}

// An ARN may come from anywhere, and its region becomes part of a host, which gets a
// signed request.
func TestNothingIsSentToAHostThatAnARNNames(t *testing.T) {
	t.Parallel()
	for _, region := range []string{"evil.example/", "evil.example#", "x@evil.example", "evil.example", "eu-west-1.evil.example/?", " ", "eu-west-1\n", strings.Repeat("x", 5000)} {
		l := newLambdas()
		checks := l.examine(t, "arn:aws:lambda:"+region+":123456789012:function:wifmint-minter")
		if c := checks[1]; len(l.asked) > 0 || c.Check != checkAWSRegion || c.Status != Failed || c.Fix == "" || len(c.Found) > 1000 {
			t.Errorf("asked %q:\n%s", l.asked, show(checks))
		}
	}
}

func TestAScheduleOfAFunctionWithoutTargetsMayRest(t *testing.T) {
	t.Parallel()
	l := newLambdas()
	l.set("invocations", 200, "", `{"function":"rotator","checks":[{"check":"sts","status":"ok"}]}`)
	l.set("schedules", 200, "", `{"Schedules":[{"Name":"tick","State":"DISABLED","Target":{"Arn":"`+functionARN+`"}}]}`)
	for _, c := range l.examine(t, "rotator") {
		if c.Status == Failed {
			t.Errorf("%+v failed", c)
		}
	}
}

// The stack has a schedule for a canary, and has it rest when there is none.
func TestTheScheduleOfNoCanaryMayRest(t *testing.T) {
	t.Parallel()
	l := newLambdas()
	l.set("schedules", 200, "", `{"Schedules":[{"Name":"canary","State":"DISABLED","Target":{"Arn":"`+functionARN+`"}},{"Name":"tick","State":"ENABLED","Target":{"Arn":"`+functionARN+`"}}]}`)
	l.set("canary", 200, "", `{"Name":"canary","Target":{"Input":"{\"canary\": {\"service_account\": \"\"}}"}}`)
	for _, c := range l.examine(t, "rotator") {
		if c.Status == Failed || c.Check == checkSchedule && c.Found != "canary is disabled, tick is enabled" {
			t.Errorf("%+v", c)
		}
	}
}

// What may not be looked at is skipped, with a command for whoever may.
func TestWhoeverMayOnlyInvokeStillLearnsWhatTheFunctionSays(t *testing.T) {
	t.Parallel()
	l := newLambdas()
	for _, what := range []string{"configuration", "schedules", "logs"} {
		l.set(what, 403, "", `{"__type":"AccessDeniedException","Message":"x"}`)
	}
	checks := l.examine(t, "wifmint-minter")
	for _, c := range checks {
		if c.Status == Failed {
			t.Errorf("%+v failed", c)
		}
		if c.Check == checkSchedule && (c.Status != Skipped || !strings.Contains(c.Fix, "aws scheduler list-schedules --region eu-west-1")) {
			t.Errorf("the schedule is told as %+v", c)
		}
	}
	if text, err := json.Marshal(checks); err != nil || !strings.Contains(string(text), `"function":"minter"`) {
		t.Errorf("the function's checks are missing: %s (%v)", text, err)
	}
}
