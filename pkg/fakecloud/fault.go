package fakecloud

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Fault is a rule that makes calls go wrong. Service, Operation and Resource
// say which (see [Call] for their values; the zero value strikes every call), the
// others what happens. Without Status, Hang or Reset the service answers, late or
// with a wrong clock or cut short, but by itself.
type Fault struct {
	// Service, Operation and Resource are compared with the call's; empty
	// matches any.
	Service, Operation, Resource string

	// Skip lets that many matching calls through first.
	Skip int
	// Times is how many calls the rule strikes before it is used up; zero
	// means it strikes forever.
	Times int
	// Probability is how often it strikes, from 0 to 1, drawn from
	// Options.Seed and the number of the matching call; zero means always.
	Probability float64

	// Latency passes before the service takes the call up or, with
	// AfterEffect, between the effect and the answer. A client that gives up
	// meanwhile gets its context's error.
	Latency time.Duration
	// ClockSkew is how far the service's clock runs ahead (negative: behind)
	// for the call: what it judges dates by, and its Date header.
	ClockSkew time.Duration

	// Status answers with this status, Header and Body instead of the
	// service's own. Body may be anything, wrong or half a JSON included.
	Status int
	Header http.Header
	Body   string
	// Hang gives no answer until the client gives up.
	Hang bool
	// Reset breaks the connection instead of an answer: syscall.ECONNRESET
	// in-process, a TCP reset over the network.
	Reset bool
	// TruncateBody breaks the connection after that many bytes of the answer's
	// body, of which the Content-Length promised more; zero means not, negative
	// means before the first byte.
	TruncateBody int

	// AfterEffect has the service carry the operation out first, and only
	// then lets the fault have the answer: a store that fails after the put
	// took effect.
	AfterEffect bool
}

// Fault adds a rule and returns what removes it. Rules are asked in the order
// in which they were added, and the first that strikes a call has it to
// itself: later rules do not even count the call, so two rules with
// Times 2 and Times 1 yield two faults of the first kind, then one of the second.
func (c *Cloud) Fault(f Fault) (remove func()) {
	if _, known := service(f.Service).endpoint(); !known && f.Service != "" {
		panic("fakecloud: Fault.Service " + f.Service + " is none of the services that Call.Service lists")
	}
	return c.faults.add(&faultRule{Fault: f, seed: c.options.Seed})
}

// faultRule is a Fault and how many calls it has seen.
type faultRule struct {
	Fault
	seed         uint64
	number       int // of the rule
	seen, struck int
}

type faultRules struct {
	mu    sync.Mutex
	rules []*faultRule
	added int
}

func (fs *faultRules) add(rule *faultRule) (remove func()) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.added++
	rule.number = fs.added
	fs.rules = append(fs.rules, rule)
	return func() {
		fs.mu.Lock()
		defer fs.mu.Unlock()
		fs.rules = slices.DeleteFunc(fs.rules, func(other *faultRule) bool { return other == rule })
	}
}

// strike returns the fault that has this call, the zero Fault if none has.
func (fs *faultRules) strike(call Call) Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, rule := range fs.rules {
		if matches(rule.Service, call.Service) && matches(rule.Operation, call.Operation) &&
			matches(rule.Resource, call.Resource) && rule.strikes() {
			return rule.Fault
		}
	}
	return Fault{}
}

// strikes counts a matching call and decides about it.
func (rule *faultRule) strikes() bool {
	if rule.Times > 0 && rule.struck == rule.Times {
		return false
	}
	rule.seen++
	if rule.seen <= rule.Skip || rule.Probability > 0 && derive(rule.seed, "fault", rule.number, rule.seen).fraction() >= rule.Probability {
		return false
	}
	rule.struck++
	return true
}
