package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/supplier"
)

// Deployed looks at a deployed function from outside.
type Deployed struct {
	// Function is its name or ARN.
	Function string
	// AWS yields the credentials of whoever asks, and the region if Function does not.
	AWS supplier.AwsSecurityCredentialsSupplier
	// Getenv, HTTPClient and Now are as in Walk.
	Getenv     func(string) string
	HTTPClient *http.Client
	Now        func() time.Time
}

// askTimeout is longer than the function's own walk takes.
const askTimeout = walkTimeout + 15*time.Second

// Run has the function walk, and looks at its schedule and its log. tell is called
// with each check, one after the other and in order.
func (d Deployed) Run(ctx context.Context, tell func(Check)) {
	if d.Now == nil {
		d.Now = time.Now
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout+2*hopTimeout)
	defer cancel()
	c := &consultation{Deployed: d, visit: &visit{
		tell: tell, names: names{"FUNCTION": d.Function}, blocked: map[string]bool{},
	}}
	c.hop(ctx, checkAWSCredentials, "", nil, func(ctx context.Context) (string, *finding) { return awsCredentials(ctx, d.AWS) })
	c.hop(ctx, checkAWSRegion, "", nil, c.findRegion)
	needs := []string{checkAWSCredentials, checkAWSRegion}
	c.ask(ctx, needs)
	needs = append(needs, checkFunction)
	c.hop(ctx, checkSchedule, "", needs, c.schedules)
	c.hop(ctx, checkLog, "", needs, c.log)
}

// consultation is a Deployed under way.
type consultation struct {
	Deployed
	*visit
	api    awsAPI
	arn    string
	report Report
}

func (c *consultation) findRegion(ctx context.Context) (string, *finding) {
	region, from := regionOfARN(c.Function), "the function's ARN"
	if region == "" {
		var err error
		if region, err = supplier.Region(ctx, c.AWS, supplier.SupplierContext{}); err != nil {
			return "", foundf("region", "%s", err)
		}
		from = "the environment"
	}
	if !supplier.ValidRegion(region) { // which is to be part of a host
		return "", foundf("region", "%q, from %s, is no region of AWS's", region, from)
	}
	c.names["REGION"] = region
	c.api = awsAPI{c.AWS, region, c.HTTPClient, c.Getenv, c.Now}
	return region + " from " + from, nil
}

// ask invokes the function and tells its checks between what it is and its schedule.
func (c *consultation) ask(ctx context.Context, needs []string) {
	c.hop(ctx, checkFunction, "", needs, c.configuration)
	if c.blocked[checkFunction] || c.api.region == "" {
		return
	}
	// A walk takes longer than a hop, so this is none.
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if f := c.invoke(ctx); f != nil {
		c.blocked[checkFunction] = true
		c.tell(c.failed(Check{Check: checkFunction}, f))
		return
	}
	for _, check := range c.report.Checks {
		check.Function = c.report.Function
		for _, text := range []*string{&check.Function, &check.Check, &check.Target, &check.Cause, &check.Found, &check.Means} {
			*text = oneLine(*text)
		}
		c.tell(check)
	}
}

// configuration reads what the function is. Who may not, may still invoke it.
func (c *consultation) configuration(ctx context.Context) (string, *finding) {
	got, err := c.api.do(ctx, awsCall{service: "lambda", method: http.MethodGet, path: "/2015-03-31/functions/" + url.PathEscape(c.Function) + "/configuration"})
	if err != nil {
		f := observe(err)
		if f.code == "AccessDeniedException" {
			f.skip = true
		}
		return "", f
	}
	var is struct {
		FunctionArn, State, LastUpdateStatus string
		LoggingConfig                        struct{ LogGroup string }
	}
	if err := json.Unmarshal(got.body, &is); err != nil {
		return "", foundf("", "Lambda's answer is not its own: %v", err)
	}
	c.arn = unqualified(is.FunctionArn)
	c.names["FUNCTION_ARN"], c.names["LOG_GROUP"] = c.arn, is.LoggingConfig.LogGroup
	return fmt.Sprintf("%s, %s", is.FunctionArn, strings.ToLower(is.State)), nil
}

// unqualified takes the alias or version off a function's ARN, which others may invoke
// it without.
func unqualified(arn string) string {
	const parts = 7 // arn:aws:lambda:REGION:ACCOUNT:function:NAME
	if p := strings.Split(arn, ":"); len(p) > parts {
		return strings.Join(p[:parts], ":")
	}
	return arn
}

func (c *consultation) invoke(ctx context.Context) *finding {
	got, err := c.api.do(ctx, awsCall{
		service: "lambda", method: http.MethodPost, path: "/2015-03-31/functions/" + url.PathEscape(c.Function) + "/invocations",
		payload: `{"doctor":true}`, header: map[string]string{"X-Amz-Invocation-Type": "RequestResponse"},
	})
	if err != nil {
		return observe(err)
	}
	if got.header.Get("X-Amz-Function-Error") != "" {
		var failed struct{ ErrorType, ErrorMessage string }
		_ = json.Unmarshal(got.body, &failed) // what cannot be read has no type
		return &finding{code: failed.ErrorType, found: told("the function failed", failed.ErrorType, failed.ErrorMessage)}
	}
	if err := json.Unmarshal(got.body, &c.report); err != nil || !c.report.isOne() {
		return foundf("EventError", "the function's answer is no report of its checks")
	}
	return nil
}
