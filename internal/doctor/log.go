package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// maxLogPages bounds the looking through a log group: a page may be empty and still
// have a successor.
const maxLogPages = 5

// log looks for the function's errors of the last hour, which are a dozen ticks.
func (c *consultation) log(ctx context.Context) (string, *finding) {
	if c.names["LOG_GROUP"] == "" {
		return "", &finding{skip: true, found: "not to be known: whoever asks may not look at the function", fix: fixLogs}
	}
	lines, err := c.errorLines(ctx, c.names["LOG_GROUP"])
	switch {
	case err != nil:
		f := observe(err)
		f.skip, f.fix = true, fixLogs
		return "", f
	case len(lines) == 0:
		return "no errors in the last hour", nil
	}
	return "", foundf("errors-logged", "%d error lines in the last hour; the last one: %s", len(lines), summary(lines[len(lines)-1]))
}

func (c *consultation) errorLines(ctx context.Context, group string) (lines []string, err error) {
	request := map[string]any{
		"logGroupName": group, "filterPattern": `{ $.level = "ERROR" }`, "startTime": c.Now().Add(-time.Hour).UnixMilli(),
	}
	for range maxLogPages {
		payload, err := json.Marshal(request)
		if err != nil {
			return nil, err
		}
		got, err := c.api.do(ctx, awsCall{service: "logs", method: http.MethodPost, path: "/", target: "Logs_20140328.FilterLogEvents", payload: string(payload)})
		if err != nil {
			return nil, err
		}
		var page struct {
			Events    []struct{ Message string }
			NextToken string
		}
		if err := json.Unmarshal(got.body, &page); err != nil {
			return nil, fmt.Errorf("the answer is not CloudWatch's: %w", err)
		}
		for _, e := range page.Events {
			lines = append(lines, e.Message)
		}
		if page.NextToken == "" {
			break
		}
		request["nextToken"] = page.NextToken
	}
	return lines, nil
}

// summary is what an error line of the functions says.
func summary(line string) string {
	var l struct {
		Msg, Message, Target string
		Error                struct{ Leg, Code, Message string }
	}
	if json.Unmarshal([]byte(line), &l) != nil || l.Error.Message == "" {
		return oneLine(line)
	}
	return oneLine(fmt.Sprintf("target %s, %s: %s", l.Target, l.Error.Leg, l.Error.Message))
}
