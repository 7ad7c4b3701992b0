package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// schedule is one of EventBridge Scheduler's, as a list tells it.
type schedule struct {
	Name, GroupName, State string
	Target                 struct{ Arn string }
}

// maxSchedulePages bounds the looking for a function's schedules among an account's.
const maxSchedulePages = 20

const fixSchedules = "aws scheduler list-schedules --region {REGION} --query 'Schedules[].[Name,State,Target.Arn]'"

func (c *consultation) schedules(ctx context.Context) (string, *finding) {
	if c.arn == "" {
		return "", &finding{skip: true, found: "not to be known: whoever asks may not look at the function", fix: c.names.fill(fixSchedules)}
	}
	own, all, err := c.ownSchedules(ctx)
	if err != nil {
		f := observe(err)
		f.skip, f.fix = true, c.names.fill(fixSchedules)
		return "", f
	}
	if len(own) == 0 && !all {
		return "", &finding{skip: true, found: fmt.Sprintf("not to be known: none of the first %d schedules is the function's, and there are more", maxSchedulePages*100), fix: c.names.fill(fixSchedules)}
	}
	if len(own) == 0 {
		return "", foundf("schedule-missing", "none of the schedules in %s invokes %s", c.names["REGION"], c.arn)
	}
	var states []string
	for _, s := range own {
		states = append(states, s.Name+" is "+strings.ToLower(s.State))
		if s.State == "ENABLED" || c.idle() {
			continue
		}
		whole := c.read(ctx, s)
		if !restingCanary(whole) {
			c.names["SCHEDULE"], c.names["SCHEDULE_GROUP"] = s.Name, s.GroupName
			f := foundf("schedule-disabled", "%s is %s", s.Name, strings.ToLower(s.State))
			f.fix = enabling(c.names["REGION"], whole)
			return "", f
		}
	}
	return strings.Join(states, ", "), nil
}

// ownSchedules are those that invoke the function. all tells whether there are no more
// than were looked at.
func (c *consultation) ownSchedules(ctx context.Context) (own []schedule, all bool, err error) {
	for page, next := 0, ""; page < maxSchedulePages; page++ {
		query := "?MaxResults=100"
		if next != "" {
			query += "&NextToken=" + url.QueryEscape(next)
		}
		got, err := c.api.do(ctx, awsCall{service: "scheduler", method: http.MethodGet, path: "/schedules" + query})
		if err != nil {
			return nil, false, err
		}
		var list struct {
			Schedules []schedule
			NextToken string
		}
		if err := json.Unmarshal(got.body, &list); err != nil {
			return nil, false, fmt.Errorf("the answer is not EventBridge Scheduler's: %w", err)
		}
		for _, s := range list.Schedules {
			if s.Target.Arn == c.arn || strings.HasPrefix(s.Target.Arn, c.arn+":") { // an alias
				own = append(own, s)
			}
		}
		if next = list.NextToken; next == "" {
			return own, true, nil
		}
	}
	return own, false, nil
}

// idle reports whether the function said that it has no targets, as the rotator has
// none without service accounts: its schedules may rest then.
func (c *consultation) idle() bool {
	for _, check := range c.report.Checks {
		if check.Check == checkRead {
			return false
		}
	}
	return true
}

// read reads a whole schedule; nil if that may not be.
func (c *consultation) read(ctx context.Context, s schedule) map[string]any {
	got, err := c.api.do(ctx, awsCall{
		service: "scheduler", method: http.MethodGet, path: "/schedules/" + url.PathEscape(s.Name) + "?groupName=" + url.QueryEscape(s.GroupName),
	})
	var whole map[string]any
	if err != nil || json.Unmarshal(got.body, &whole) != nil {
		return nil
	}
	return whole
}

// restingCanary tells the schedule that the stack has for a canary, and that rests
// without one, from those that keep tokens fresh.
func restingCanary(whole map[string]any) bool {
	target, _ := whole["Target"].(map[string]any)
	input, _ := target["Input"].(string)
	var event struct{ Canary json.RawMessage }
	return json.Unmarshal([]byte(input), &event) == nil && event.Canary != nil
}

// enabling is the command that switches a schedule on. It has to repeat all of the
// schedule, since an update puts defaults in place of what it leaves out. It is empty
// when the schedule could not be read.
func enabling(region string, whole map[string]any) string {
	if whole == nil {
		return ""
	}
	for _, own := range []string{"Arn", "CreationDate", "LastModificationDate"} {
		delete(whole, own)
	}
	whole["State"] = "ENABLED"
	input, err := json.Marshal(whole)
	if err != nil || strings.ContainsFunc(string(input), isControl) { // which no schedule has, and no terminal shows
		return ""
	}
	// The schedule's own braces are none of ours.
	return names{"REGION": region}.fill("aws scheduler update-schedule --region {REGION} --cli-input-json ") + shellQuoted(string(input))
}
