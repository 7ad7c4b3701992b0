package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokeninfo"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// Outcome is what became of a target in one run.
type Outcome string

const (
	Minted     Outcome = "minted"     // a new token is stored
	Fresh      Outcome = "fresh"      // not due
	Superseded Outcome = "superseded" // someone else refreshed it meanwhile
	Failed     Outcome = "failed"
	Deferred   Outcome = "deferred" // no time left; the next tick takes it
	Paused     Outcome = "paused"   // a person stopped it; force changes nothing
)

// Report is a function's response.
type Report struct {
	Function string   `json:"function"`
	Summary  Summary  `json:"summary"`
	Results  []Result `json:"results"`
}

// Summary counts the results by outcome.
type Summary struct {
	Targets    int `json:"targets"`
	Minted     int `json:"minted"`
	Fresh      int `json:"fresh"`
	Superseded int `json:"superseded"`
	Failed     int `json:"failed"`
	Deferred   int `json:"deferred"`
	Paused     int `json:"paused,omitempty"`
}

// Result is one target. What the secret holds after the run is told by
// VersionID to TokenSHA256, which are left out when it holds no token; a failed
// target tells the token that is still there.
type Result struct {
	Target           string   `json:"target"`
	Secret           string   `json:"secret"`
	Outcome          Outcome  `json:"outcome"`
	VersionID        string   `json:"version_id,omitempty"`
	Expiry           string   `json:"expiry,omitempty"` // RFC 3339, UTC
	SecondsRemaining *int64   `json:"seconds_remaining,omitempty"`
	TokenSHA256      string   `json:"token_sha256,omitempty"` // first 12 hex digits
	Error            *Failure `json:"error,omitempty"`

	// For the log alone.
	principal string
	pause     *tokenstore.Pause
}

// Failure says what is wrong, and whether trying again can help.
type Failure struct {
	// Leg is the part of the way that failed: an externalaccount.Leg, or legStore.
	Leg        string `json:"leg"`
	Code       string `json:"code,omitempty"`
	Message    string `json:"message"`
	HTTPStatus int    `json:"http_status,omitempty"`
	Retryable  bool   `json:"retryable"`
}

// legStore is the last part of the way to a stored token: Secrets Manager.
const legStore = "store"

// holding fills in what the secret holds.
func (r *Result) holding(current tokenstore.Current, now time.Time) {
	r.pause = current.Pause()
	if !current.Usable() {
		return
	}
	r.principal = current.Token.Principal
	seconds := max(0, int64(current.Token.Expiry.Sub(now)/time.Second))
	r.VersionID = current.VersionID
	r.Expiry = current.Token.Expiry.UTC().Format(time.RFC3339)
	r.SecondsRemaining = &seconds
	r.TokenSHA256 = current.Token.Value.Fingerprint()
}

// newReport puts results into the response document.
func newReport(function string, results []Result) *Report {
	r := &Report{Function: function, Results: results}
	r.Summary.Targets = len(results)
	for _, res := range results {
		switch res.Outcome {
		case Minted:
			r.Summary.Minted++
		case Fresh:
			r.Summary.Fresh++
		case Superseded:
			r.Summary.Superseded++
		case Failed:
			r.Summary.Failed++
		case Deferred:
			r.Summary.Deferred++
		case Paused:
			r.Summary.Paused++
		}
	}
	return r
}

// Respond encodes a [Report], or what else a function answers, unless there is an
// error.
func Respond(report any, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return json.Marshal(report)
}

// RunError makes an invocation fail. Its message is the response document with
// the failed results only.
type RunError struct{ Report *Report }

// maxErrorSize bounds the message, in bytes: a failed asynchronous invocation
// travels to the failure destination, whose messages are limited to 256 KiB
// with the message quoted in them. The summary counts the results left out.
const maxErrorSize = 100 << 10

func (e *RunError) Error() string {
	failed := &Report{Function: e.Report.Function, Summary: e.Report.Summary, Results: []Result{}}
	size := 0
	for _, r := range e.Report.Results {
		if r.Outcome != Failed {
			continue
		}
		if size += len(encode(r)); size > maxErrorSize {
			break
		}
		failed.Results = append(failed.Results, r)
	}
	return encode(failed)
}

// encode writes a report or a part of it. What is escaped for HTML would be
// escaped once more on its way.
func encode(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "writing the report: " + err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// failure describes an error of any leg. One without a leg of its own is a
// panic on the way to a token, which counts as the exchange's.
func failure(err error) *Failure {
	f := &Failure{Leg: string(externalaccount.LegSTS), Message: err.Error()}
	var (
		refresh *externalaccount.RefreshError
		sts     *googlests.Error
		iam     *impersonate.Error
		info    *tokeninfo.Error
		step    *stepError
		store   *tokenstore.Error
		links   *supplier.ChainError
		creds   *supplier.Error
	)
	if errors.As(err, &refresh) {
		f.Leg, f.Retryable = string(refresh.Leg), refresh.Retryable
	}
	switch {
	case errors.As(err, &sts):
		f.Code, f.HTTPStatus = sts.Code, sts.HTTPStatus
	case errors.As(err, &iam):
		f.Leg, f.Code, f.HTTPStatus, f.Retryable = string(externalaccount.LegImpersonate), iam.Code, iam.HTTPStatus, iam.Retryable
	case errors.As(err, &info):
		f.Leg, f.Code, f.HTTPStatus, f.Retryable = string(externalaccount.LegImpersonate), info.Code, info.HTTPStatus, info.Retryable
	case errors.As(err, &step):
		f.Leg, f.Code = step.leg, step.code
	// Before the store's: a call that was never signed fails for the keys it lacks.
	case errors.As(err, &links):
		f.Leg, f.Code, f.Retryable = string(externalaccount.LegAWSCredentials), "no_credentials", links.Retryable()
	case errors.As(err, &creds):
		f.Leg, f.Code, f.Retryable = string(externalaccount.LegAWSCredentials), "no_credentials", creds.Retryable
	case errors.As(err, &store):
		f.Leg, f.Code, f.HTTPStatus, f.Retryable = legStore, store.Code, store.HTTPStatus, store.Retryable
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		f.Code, f.Retryable = "timeout", true
	}
	return f
}
