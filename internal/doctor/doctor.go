// Package doctor finds out why tokens are not fresh. It walks every hop that a
// token takes, in order: the config document, the AWS credentials and region, AWS's
// and Google's STS, the clock, what AWS says to the signed request that Google is
// going to send it, the exchange, each impersonation, and each secret. Of each hop it
// tells what was seen and, where that is wrong, what it means and the command that
// mends it, with the names of this document and this identity filled in.
//
// [Walk] does so with the identity of the process that runs it, which is why the
// functions do it too, for the event {"doctor": true}: only a function can say what
// its own role may do. [Deployed] asks a function for that from outside, and looks at
// what a function cannot see of itself, its schedule and its log.
//
// What is wrong is told by one table of diagnoses, of which docs/troubleshooting.md
// is made too. It goes by codes and types. Where Google or AWS have nothing but a
// text to tell two causes apart, the table says so.
//
// # Promises
//
// Nothing is changed: tokens are minted and dropped, and whether a secret may be
// written is found out by a put that Secrets Manager cannot carry out. A hop whose
// premise failed is skipped, since its own failure would tell nothing. Every hop has
// a deadline, and so has the whole walk. No token, key or signed request is in what
// is told.
package doctor

import (
	"slices"
	"strings"
)

// Status is what became of a hop.
type Status string

const (
	OK      Status = "ok"
	Failed  Status = "fail"
	Skipped Status = "skipped" // not tried, or not to be known from here; Found says why
)

// The hops, as [Check.Check] names them.
const (
	checkConfig         = "config"
	checkAWSCredentials = "aws-credentials"
	checkAWSRegion      = "aws-region"
	checkAWSSTS         = "aws-sts"
	checkGoogleSTS      = "google-sts"
	checkClock          = "clock"
	checkAWSIdentity    = "aws-identity"
	checkSTS            = "sts"
	checkImpersonate    = "impersonate"
	checkRead           = "secret-read"
	checkFresh          = "secret-fresh"
	checkWrite          = "secret-write"
	checkFunction       = "function"
	checkSchedule       = "schedule"
	checkLog            = "log"
)

// Check is what was found at one hop.
type Check struct {
	// Function is that of the functions that told it, empty for this process.
	Function string `json:"function,omitempty"`
	Check    string `json:"check"`
	// Target is empty for a hop that all targets share.
	Target string `json:"target,omitempty"`
	Status Status `json:"status"`
	// Cause is the diagnosis's heading in docs/troubleshooting.md; empty if there
	// is none.
	Cause string `json:"cause,omitempty"`
	Found string `json:"found"`
	Means string `json:"means"`
	// Fix is a piece of shell, of one or more lines: what is no command is a comment.
	Fix string `json:"fix"`
}

// Report is what a function answers to {"doctor": true}.
type Report struct {
	Function string  `json:"function"`
	Checks   []Check `json:"checks"`
}

// isOne reports whether what a function answered is a report: every check has a
// status, and what failed a remedy that is text.
func (r Report) isOne() bool {
	return len(r.Checks) > 0 && !slices.ContainsFunc(r.Checks, func(c Check) bool {
		told := c.Status == OK || c.Found != "" && (c.Status == Skipped || c.Status == Failed && c.Fix != "")
		return c.Check == "" || !told || strings.ContainsFunc(strings.ReplaceAll(c.Fix, "\n", ""), isControl)
	})
}
