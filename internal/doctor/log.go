package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// maxLogPages bounds the looking through a log group: a page may be empty and still
// have a successor.
const maxLogPages = 20

// outcomes finds errors, and the lines that tell what became of a run, a canary or a
// step of a rotation (keeper's logRun, TryCanary and logStep).
const outcomes = `{ ($.level = "ERROR") || ($.message = "invocation") || ($.message = "canary") || ($.message = "rotation") }`

// log looks for what failed in the last hour, which is a dozen ticks, and has not gone
// well since.
func (c *consultation) log(ctx context.Context) (string, *finding) {
	unknown := &finding{skip: true, found: "not to be known: whoever asks may not look at the function", fix: c.names.fill(fixLogs)}
	if c.names["LOG_GROUP"] == "" {
		return "", unknown
	}
	lines, all, err := c.lines(ctx, c.names["LOG_GROUP"])
	switch {
	case err != nil:
		unknown.found = observe(err).found
		return "", unknown
	case !all:
		unknown.found = fmt.Sprintf("not to be known: the last hour's lines go on after %d pages", maxLogPages)
		return "", unknown
	}
	standing, errors := unmended(lines)
	switch {
	case errors == 0:
		return "no errors in the last hour", nil
	case len(standing) == 0:
		return fmt.Sprintf("%d error lines in the last hour, before what went well since", errors), nil
	}
	return "", foundf("errors-logged", "%d error lines that nothing went well after; the last one: %s", len(standing), standing[len(standing)-1].summary())
}

// lines are in the order of their times. all tells whether there are no more.
func (c *consultation) lines(ctx context.Context, group string) (lines []logLine, all bool, err error) {
	request := map[string]any{
		"logGroupName": group, "filterPattern": outcomes, "startTime": c.Now().Add(-time.Hour).UnixMilli(),
	}
	for range maxLogPages {
		payload, err := json.Marshal(request)
		if err != nil {
			return nil, false, err
		}
		got, err := c.api.do(ctx, awsCall{service: "logs", method: http.MethodPost, path: "/", target: "Logs_20140328.FilterLogEvents", payload: string(payload)})
		if err != nil {
			return nil, false, err
		}
		var page struct {
			Events []struct {
				Timestamp int64
				Message   string
			}
			NextToken string
		}
		if err := json.Unmarshal(got.body, &page); err != nil {
			return nil, false, fmt.Errorf("the answer is not CloudWatch's: %w", err)
		}
		for _, e := range page.Events {
			lines = append(lines, newLogLine(e.Timestamp, e.Message))
		}
		if page.NextToken == "" {
			slices.SortStableFunc(lines, func(a, b logLine) int { return cmp.Compare(a.at, b.at) })
			return lines, true, nil
		}
		request["nextToken"] = page.NextToken
	}
	return nil, false, nil
}

// logLine is one of the functions'; of any other, only at and text are set.
type logLine struct {
	at   int64 // milliseconds since 1970
	text string

	Level, Message, Target string
	ServiceAccount         string `json:"service_account"`
	Error                  struct{ Leg, Message string }
}

func newLogLine(at int64, text string) logLine {
	var l logLine
	_ = json.Unmarshal([]byte(text), &l) // as much of it as is so: an error may be a text
	l.at, l.text = at, text
	return l
}

// about is what has to go well for the line's error to be over: a run of the targets
// says nothing of a canary or a rotation.
func (l logLine) about() string {
	if l.Message == "canary" || l.Message == "rotation" {
		return l.Message + " " + l.Target + l.ServiceAccount
	}
	return "invocation"
}

func (l logLine) wentWell() bool {
	return l.Level == "INFO" && (l.Message == "invocation" || l.Message == "canary" || l.Message == "rotation")
}

// unmended are the errors after which nothing of their kind went well, of how many.
func unmended(lines []logLine) (standing []logLine, errors int) {
	for _, l := range lines {
		switch {
		case l.wentWell():
			standing = slices.DeleteFunc(standing, func(e logLine) bool { return e.about() == l.about() })
		case l.Level != "INFO" && l.Level != "WARN":
			standing = append(standing, l)
			errors++
		}
	}
	return standing, errors
}

// summary is what an error line says.
func (l logLine) summary() string {
	if l.Error.Message == "" {
		return oneLine(l.text)
	}
	return oneLine(fmt.Sprintf("target %s, %s: %s", l.Target, l.Error.Leg, l.Error.Message))
}
