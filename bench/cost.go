package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Prices in dollars, of us-east-1 and the first tier, in November 2026, from the pages
// /lambda/pricing, /eventbridge/pricing, /secrets-manager/pricing and
// /cloudwatch/pricing of aws.amazon.com. Elsewhere they are the same or up to a quarter
// more. What an account has for nothing is not taken off: each month 1 million requests
// and 400,000 GB-seconds of Lambda, 14 million invocations by Scheduler, 5 GB of logs,
// 10 metrics, 10 alarms. Not in here are a dashboard (three are for nothing, then $3
// each) and a customer managed key ($1).
const (
	priceGBSecond   = 0.0000133334 // Lambda on arm64, initialisation included
	priceRequest    = 0.20 / 1e6   // of Lambda
	priceScheduled  = 1.00 / 1e6   // an invocation by Scheduler
	priceSecret     = 0.40         // a month
	priceSecretCall = 0.05 / 1e4   // a batch counted as one
	priceLogGB      = 0.50         // taken in; keeping it for a month is $0.03
	priceMetric     = 0.30         // a month, of each name with its dimensions
	priceAlarm      = 0.10         // a month, of each metric that it watches
)

// What the template says, and what is assumed of a month.
const (
	memoryGB = 256.0 / 1024
	ticks    = float64(30 * 24 * time.Hour / (5 * time.Minute))
	// A token of an hour is due after 18 to 20 minutes, so that the fourth tick
	// finds it due.
	mintings = ticks / 4
	// Lambda replaces an execution environment every few hours.
	replacements = float64(30 * 24 * time.Hour / (2 * time.Hour))
)

// slowdown is how much longer the processor takes at 256 MB than with one of its own,
// which comes with 1,769 MB: docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html.
const slowdown = 1769 / 256.0

// billed is what Lambda bills for what took so many seconds here, so many of them of
// a processor. It is at most that: some of the processor's time passes while calls
// are waited for.
func billed(seconds, processor float64) float64 { return seconds + processor*(slowdown-1) }

// usage is what a month takes of what AWS bills.
type usage struct {
	functionRequests, functionSeconds float64
	scheduled                         float64
	secrets, secretCalls              float64
	logBytes                          float64
	metrics, alarms                   float64
	// readers are the functions that the tokens are for: what getting them adds.
	readerSeconds, readerCalls float64
}

// item is a line of a bill.
type item struct {
	name    string
	dollars float64
}

// bill has the largest item first.
type bill []item

func (u usage) bill() bill {
	b := bill{
		{"Lambda", u.functionRequests*priceRequest + u.functionSeconds*memoryGB*priceGBSecond},
		{"Scheduler", u.scheduled * priceScheduled},
		{"secrets", u.secrets * priceSecret},
		{"calls", u.secretCalls * priceSecretCall},
		{"logs", u.logBytes / 1e9 * priceLogGB},
		{"metrics", u.metrics * priceMetric},
		{"alarms", u.alarms * priceAlarm},
		{"readers' Lambda", u.readerSeconds * memoryGB * priceGBSecond},
		{"readers' calls", u.readerCalls * priceSecretCall},
	}
	slices.SortStableFunc(b, func(x, y item) int { return cmp.Compare(y.dollars, x.dollars) })
	return b
}

// total is that of the items with these names; of all, if there are none.
func (b bill) total(names ...string) (dollars float64) {
	for _, i := range b {
		if len(names) == 0 || slices.Contains(names, i.name) {
			dollars += i.dollars
		}
	}
	return dollars
}

// String leaves out what is less than half a cent.
func (b bill) String() string {
	var items []string
	for _, i := range b {
		if i.dollars >= 0.005 {
			items = append(items, fmt.Sprintf("%s %.2f", i.name, i.dollars))
		}
	}
	return fmt.Sprintf("$%.2f: %s", b.total(), strings.Join(items, ", "))
}

// stack is a deployment of the template: a federated token, and so many service
// accounts'.
type stack struct{ accounts int }

func (s stack) targets() int { return 1 + s.accounts }

func (s stack) String() string {
	if s.accounts == 0 {
		return "1 federated token"
	}
	return fmt.Sprintf("1 federated token and %d service accounts", s.accounts)
}

// parametersHold is how many accounts the template's parameters hold; more need a
// document, and have one alarm for all of them.
const parametersHold = 60

// alarmMetrics is how many metrics the template's alarms watch.
func (s stack) alarmMetrics() int {
	const (
		ofStack    = 7 // failures, throttles and time of two functions; dead letters
		ofTarget   = 2
		ofDocument = 4
	)
	if s.accounts > parametersHold {
		return ofStack + ofDocument
	}
	return ofStack + ofTarget*s.targets()
}

// keeping is what the runs of one function over its targets take.
type keeping struct {
	fresh, due invocation
	cold       float64 // seconds that a cold start adds to one
	metrics    int     // that its lines have
}

// invocation is one of them.
type invocation struct {
	billed   float64 // seconds
	calls    float64 // of Secrets Manager
	logBytes float64
}

// usage is a month of a stack whose functions are these.
func (s stack) usage(functions ...keeping) usage {
	u := usage{secrets: float64(s.targets()), alarms: float64(s.alarmMetrics())}
	for _, k := range functions {
		every := func(of func(invocation) float64) float64 { return (ticks-mintings)*of(k.fresh) + mintings*of(k.due) }
		u.functionRequests += ticks
		u.scheduled += ticks
		u.functionSeconds += every(func(i invocation) float64 { return i.billed }) + replacements*k.cold
		u.secretCalls += every(func(i invocation) float64 { return i.calls })
		u.logBytes += every(func(i invocation) float64 { return i.logBytes })
		u.metrics += float64(k.metrics)
	}
	return u
}

// demand is how tokens are asked for: a function asks once in the life of each of its
// execution environments, when it is new.
type demand struct{ functions, starts int }

func (d demand) tokens() float64 { return float64(d.functions * d.starts) }

func (d demand) String() string {
	return fmt.Sprintf("%d functions, %s cold starts each", d.functions, thousands(d.starts))
}

// reading adds that each token is read from Secrets Manager, in so many seconds.
func (d demand) reading(stack usage, seconds float64) usage {
	stack.readerSeconds, stack.readerCalls = d.tokens()*seconds, d.tokens()
	return stack
}

// federating is a month in which each token is federated for, in so many seconds.
func (d demand) federating(seconds float64) usage {
	return usage{readerSeconds: d.tokens() * seconds}
}

// costRow holds a stack and those who read its tokens against functions that federate
// for themselves.
func costRow(s stack, d demand, with, without bill) row {
	perDollar := func(b bill) string { return thousands(int(d.tokens()/b.total())) + " tokens a dollar" }
	return row{
		what: fmt.Sprintf("dollars a month, %v read by %v", s, d), ratio: with.total() / without.total(),
		this: fmt.Sprintf("wifmint, %s, %v", perDollar(with), with),
		that: fmt.Sprintf("each federating for itself, %s, %v", perDollar(without), without),
	}
}

// watchingRow tells what of the keeping of tokens is paid for watching it.
func watchingRow(s stack, keeping bill) row {
	watching := keeping.total("metrics", "alarms")
	return row{
		what: fmt.Sprintf("dollars a month, %v not read", s), ratio: watching / keeping.total(),
		this: fmt.Sprintf("metrics and alarms $%.2f", watching),
		that: fmt.Sprintf("everything $%.2f, %s tokens minted a dollar", keeping.total(), thousands(int(mintings*float64(s.targets())/keeping.total()))),
	}
}
