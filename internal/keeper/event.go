package keeper

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Event is what one invocation is asked to do. The zero value is every target
// of the function, refreshed where due.
type Event struct {
	// ScheduledTime is when the schedule meant to fire; zero when not told.
	ScheduledTime time.Time
	// Targets are names; none means all.
	Targets []string
	// Force refreshes what is not due too.
	Force bool
	// Shard is this invocation's part of the targets.
	Shard Shard
	// Doctor asks what is wrong, instead of refreshing anything.
	Doctor bool
	// Rotation is set for a Secrets Manager rotation event, with nothing else.
	Rotation *Rotation
	// Canary is set for a canary event, with nothing else but ScheduledTime.
	Canary *Canary
}

// Shard is part Index of Of; the zero value is the whole.
type Shard struct{ Index, Of int }

// Rotation is a Secrets Manager rotation event. The RotationToken is not kept:
// nothing here needs it and it is a credential.
type Rotation struct {
	Step               string
	SecretID           string
	ClientRequestToken string
}

// RotationSteps are the steps Secrets Manager calls a rotation function with, in order.
var RotationSteps = []string{"createSecret", "setSecret", "testSecret", "finishSecret"}

// maxShards bounds n of a shard "i/n"; a document has no more targets.
const maxShards = 10_000

// EventError is an event that is none of the accepted shapes. It names keys and
// never values: an unknown event may carry anything.
type EventError struct{ Reason string }

func (e *EventError) Error() string { return "reading the event: " + e.Reason }

// ParseEvent reads the payload of an invocation: the schedule's Input, an
// EventBridge envelope around it, a rotation event, or nothing ("", "null",
// "{}"). It fails with an *EventError.
func ParseEvent(payload []byte) (Event, error) {
	fields, err := eventObject(payload)
	if err != nil {
		return Event{}, err
	}
	switch {
	case fields["source"] != nil && fields["detail-type"] != nil:
		detail, err := envelopeDetail(fields["detail"])
		if err != nil {
			return Event{}, err
		}
		return parseInput(detail)
	case fields["Step"] != nil:
		return parseRotation(fields)
	}
	return parseInput(fields)
}

type eventFields map[string]json.RawMessage

func eventObject(payload []byte) (eventFields, error) {
	payload = bytes.TrimSpace(payload)
	if len(payload) == 0 {
		return nil, nil
	}
	var fields eventFields
	if err := json.Unmarshal(payload, &fields); err != nil {
		return nil, &EventError{"it is not a JSON object; send {} for every target"}
	}
	for k, v := range fields {
		if string(v) == "null" {
			delete(fields, k)
		}
	}
	return fields, nil
}

// envelopeDetail unwraps an envelope: EventBridge rules send an object,
// Scheduler's own envelope a string with JSON in it.
func envelopeDetail(raw json.RawMessage) (eventFields, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	fields, err := eventObject(raw)
	if err != nil {
		return nil, &EventError{"detail is neither an object nor a string that holds one"}
	}
	return fields, nil
}

func parseInput(fields eventFields) (Event, error) {
	var e Event
	var scheduled, shard string
	if fields["canary"] != nil {
		return parseCanary(fields)
	}
	known := map[string]struct {
		into any
		want string
	}{
		"scheduled_time": {&scheduled, "a string such as \"2026-01-02T03:04:05Z\""},
		"targets":        {&e.Targets, "a list of target names"},
		"force":          {&e.Force, "true or false"},
		"shard":          {&shard, "a string such as \"0/4\""},
		"doctor":         {&e.Doctor, "true or false"},
	}
	if unknown := unknownKeys(fields, func(k string) bool { _, ok := known[k]; return ok }); len(unknown) > 0 {
		return Event{}, &EventError{fmt.Sprintf("unknown shape, with the keys %s; the accepted ones are scheduled_time, targets, force, shard, doctor, canary, "+
			"an EventBridge envelope with those in detail, or a Secrets Manager rotation event", quoteKeys(keysOf(fields)))}
	}
	for k, raw := range fields {
		if json.Unmarshal(raw, known[k].into) != nil {
			return Event{}, &EventError{k + " is not " + known[k].want}
		}
	}
	if slices.Contains(e.Targets, "") {
		return Event{}, &EventError{"targets has an empty name in it"}
	}
	if e.Targets != nil && len(e.Targets) == 0 { // a caller whose list came out empty does not mean everything
		return Event{}, &EventError{"targets is empty; leave it out for every target"}
	}
	// Only logged, so a time of another form ("sam local" leaves Scheduler's
	// placeholder as it is) is not worth failing for.
	e.ScheduledTime, _ = time.Parse(time.RFC3339, scheduled)
	if raw, ok := fields["shard"]; ok && raw != nil {
		var err error
		if e.Shard, err = parseShard(shard); err != nil {
			return Event{}, err
		}
	}
	return e, nil
}

func parseShard(s string) (Shard, error) {
	i, n, ok := strings.Cut(s, "/")
	index, err1 := strconv.Atoi(i)
	of, err2 := strconv.Atoi(n)
	if !ok || err1 != nil || err2 != nil || index < 0 || index >= of || of > maxShards || s != fmt.Sprintf("%d/%d", index, of) {
		return Shard{}, &EventError{fmt.Sprintf("shard is not i/n with 0 <= i < n <= %d, such as \"0/4\"", maxShards)}
	}
	return Shard{index, of}, nil
}

func parseRotation(fields eventFields) (Event, error) {
	var r Rotation
	var rotationToken string
	known := map[string]*string{"Step": &r.Step, "SecretId": &r.SecretID, "ClientRequestToken": &r.ClientRequestToken, "RotationToken": &rotationToken}
	if unknown := unknownKeys(fields, func(k string) bool { return known[k] != nil }); len(unknown) > 0 {
		return Event{}, &EventError{"a rotation event with the unknown keys " + quoteKeys(unknown)}
	}
	for k, into := range known {
		raw := fields[k]
		if raw == nil && k == "RotationToken" {
			continue
		}
		if json.Unmarshal(raw, into) != nil || *into == "" {
			return Event{}, &EventError{"a rotation event whose " + k + " is not a non-empty string"}
		}
	}
	if !slices.Contains(RotationSteps, r.Step) {
		return Event{}, &EventError{"a rotation event with an unknown Step; the steps are " + strings.Join(RotationSteps, ", ")}
	}
	return Event{Rotation: &r}, nil
}

func unknownKeys(fields eventFields, known func(string) bool) []string {
	return slices.DeleteFunc(keysOf(fields), known)
}

func keysOf(fields eventFields) []string {
	keys := make([]string, 0, len(fields))
	for k := range fields {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// quoteKeys names keys for an error; a hostile event can have many and long ones.
func quoteKeys(keys []string) string {
	const most, longest = 12, 40
	var b strings.Builder
	for i, k := range keys {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(keys)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		if len(k) > longest {
			k = k[:longest] + "…"
		}
		b.WriteString(strconv.QuoteToASCII(k))
	}
	return b.String()
}

// Select returns the targets that an event asks for among those that the
// function owns, in the document's order. A name that is no target, or another
// function's, is an *EventError.
func (e Event) Select(function string, owned []Target, all []Target) ([]Target, error) {
	byName := make(map[string]bool, len(owned))
	for _, t := range owned {
		byName[t.Name] = true
	}
	asked := make(map[string]bool, len(e.Targets))
	for _, name := range e.Targets {
		if !byName[name] {
			return nil, &EventError{notOwned(function, name, all)}
		}
		asked[name] = true
	}
	var selected []Target
	for i, t := range owned {
		inShard := e.Shard.Of == 0 || i%e.Shard.Of == e.Shard.Index
		if inShard && (len(asked) == 0 || asked[t.Name]) {
			selected = append(selected, t)
		}
	}
	return selected, nil
}

func notOwned(function, name string, all []Target) string {
	for _, t := range all {
		if t.Name == name {
			return fmt.Sprintf("target %q is not the %s's: %s", name, function, ownership)
		}
	}
	return fmt.Sprintf("there is no target %s in the config document", quoteKeys([]string{name}))
}

const ownership = "one without service_account is the minter's, one with it the rotator's"
