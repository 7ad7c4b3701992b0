package reliability_test

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// inspector checks what has to hold whatever happens. Whether a token has expired
// is told by Google's clock, which is never wrong, not by what is stored with it.
type inspector struct {
	*world
	number int

	mu        sync.Mutex
	round     *round
	rotations map[string]bool // versions that Secrets Manager had made
	moved     map[string]int  // how often a token came to AWSCURRENT
	pauses    *pauses
}

// round is what happens at the same time, and what may go wrong in it.
type round struct {
	mu      sync.Mutex
	began   time.Time
	faults  []fakecloud.Fault
	clocks  []time.Duration // how far each function's is ahead
	noKey   bool
	expires bool            // the key does
	forced  bool            // somebody was ordered to write
	current map[string]bool // versions to which an AWSCURRENT moved
	// late are those of them that took the place of a rotation that had just ended.
	// What internal/keeper's rotation.go tells has come true: a scheduled run that had
	// read the secret, and perhaps minted, before the rotation ended stored after it.
	// Who had read the rotation's version may store after that run, as the two derive
	// different versions.
	late map[string]bool
	done []done

	paused    map[string]bool // secrets that were when it began
	acted     string          // the secret that a person paused or resumed
	pausing   bool            // it is paused
	unsettled func() error    // what the person has to do again
}

// done is an invocation that has ended.
type done struct {
	call
	report *keeper.Report
	err    error
	ended  time.Time
}

func newInspector(w *world) *inspector {
	i := &inspector{world: w, rotations: map[string]bool{}, moved: map[string]int{}, pauses: newPauses(w)}
	w.onMove(i.inspectMove)
	return i
}

func (i *inspector) begin() *round {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.cloud.ResetCalls()
	i.round = &round{began: time.Now(), current: map[string]bool{}, late: map[string]bool{}, paused: maps.Clone(i.pauses.on)}
	return i.round
}

func (i *inspector) rotated(version string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.rotations[version] = true
}

func (r *round) add(d done) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = append(r.done, d)
}

func (i *inspector) errorf(format string, args ...any) {
	i.t.Helper()
	i.t.Errorf("round %d: "+format, append([]any{i.number}, args...)...)
}

func (i *inspector) target(secret string) keeper.Target {
	at := slices.IndexFunc(i.config.Targets, func(t keeper.Target) bool { return t.Secret == secret })
	return i.config.Targets[at]
}

// inspectMove is called at every move of AWSCURRENT.
func (i *inspector) inspectMove(secret string, from, to fakecloud.SecretVersion) {
	i.mu.Lock()
	defer i.mu.Unlock()
	// A finishSecret that comes twice has its version back from a run that stored a
	// token of the same second in between, if it looks just then: neither is worse.
	twice := i.rotations[to.ID] && i.round.current[to.ID]
	late := i.rotations[from.ID] && i.round.current[from.ID]
	overtaken := late || i.round.late[from.ID]
	i.round.current[to.ID], i.round.late[to.ID] = true, late
	if mark(to) != "" {
		i.inspectMark(secret, to)
		return
	}
	if i.pauses.on[secret] { // the gap that pkg/tokenstore tells of takes more than comes together here
		i.errorf("%s was written though it is paused", secret)
	}
	target := i.target(secret)
	want := i.config.Identity(target)
	token, err := tokenstore.Parse([]byte(to.Value))
	if err != nil || !token.SameIdentity(want) {
		i.errorf("AWSCURRENT of %s moved to what is no token of the target's: %v, %v", secret, token, err)
		return
	}
	value := token.Value.Reveal()
	if issued, good := i.cloud.LookupToken(value); !good {
		i.errorf("AWSCURRENT of %s moved to a token that Google does not take, expired at %v", secret, issued.Expires)
	}
	i.moved[value]++
	if from.ID == "" {
		return
	}
	if mark(from) != "" { // with which the count of expiries begins anew
		if i.moved[value] > i.minted(value) {
			i.errorf("AWSCURRENT of %s moved to a token, in version %s, of before the pause", secret, to.ID)
		}
		return
	}
	old, err := tokenstore.Parse([]byte(from.Value))
	if err != nil {
		i.errorf("AWSCURRENT of %s was no token: %v", secret, err)
		return
	}
	current := tokenstore.Current{SecretID: secret, VersionID: from.ID, Token: old}
	if i.moved[value] > i.minted(value) && i.believed(old) && !(twice && token.Expiry.Equal(old.Expiry)) {
		i.errorf("AWSCURRENT of %s moved to a token, in version %s, that had moved it already", secret, to.ID)
	}
	if !overtaken && !i.needed(target, want, current, to.ID) {
		i.errorf("%s was written without need: %v was left", secret, time.Until(old.Expiry))
	}
	if back := old.Expiry.Sub(token.Expiry); back > 0 && i.believed(old) && !(overtaken && back < time.Since(i.round.began)+time.Second) {
		i.errorf("the expiry of %s went back by %v", secret, back)
	}
}

// needed reports whether somebody in the round could find that a secret is to be
// written: by the rule, by order, or for a rotation.
func (i *inspector) needed(target keeper.Target, want tokenstore.Token, current tokenstore.Current, version string) bool {
	if i.rotations[version] || i.round.forced {
		return true
	}
	return slices.ContainsFunc(i.round.clocks, func(ahead time.Duration) bool {
		return keeper.Due(target, want, current, i.round.began.Add(ahead)) || keeper.Due(target, want, current, time.Now().Add(ahead))
	})
}

// believed reports whether every clock of the round allows a token's times: one
// that claims to be of the future is replaced whatever its expiry.
func (i *inspector) believed(token tokenstore.Token) bool {
	return !slices.ContainsFunc(i.round.clocks, func(ahead time.Duration) bool {
		return !token.Credible(i.round.began.Add(ahead)) || !token.Credible(time.Now().Add(ahead))
	})
}

// minted is how often Google has given out a token: two ID tokens of the same second
// are the same.
func (i *inspector) minted(value string) (n int) {
	for _, issued := range i.cloud.IssuedTokens() {
		if issued.Token == value {
			n++
		}
	}
	return n
}

// end checks what a round has left behind, and what it has reported.
func (i *inspector) end(r *round) {
	for _, c := range i.cloud.Calls() {
		if c.Err == "LimitExceededException" {
			i.errorf("the quota of versions of %s is used up", c.Resource)
		}
	}
	for _, d := range r.done {
		i.inspectReport(r, d)
	}
	for _, target := range i.config.Targets {
		i.inspectHeld(target.Secret)
	}
}

// inspectReport compares what an invocation says with what there is, and a failure
// with what was done to it.
func (i *inspector) inspectReport(r *round, d done) {
	if d.err != nil {
		if shown := shownIn(d.err.Error()); shown != "" {
			i.errorf("an error shows %q: %v", shown, d.err)
		}
	}
	var step *keeper.RotationError
	switch {
	case errors.As(d.err, &step):
		i.inspectFailure(r, d, step.Failure)
		return
	case d.step != "" && d.err == nil:
		return
	case d.report == nil:
		i.errorf("%s answered %s without a report: %v", d.f.name, d.payload, d.err)
		return
	}
	failed := 0
	for _, result := range d.report.Results {
		switch result.Outcome {
		case keeper.Failed:
			failed++
			i.inspectFailure(r, d, result.Error)
		case keeper.Deferred:
			if r.clean() {
				i.errorf("%s deferred %s though nothing was wrong", d.f.name, result.Target)
			}
		case keeper.Paused:
			if !r.paused[result.Secret] && !(r.acted == result.Secret && r.pausing) {
				i.errorf("%s says that %s is paused, which it is not", d.f.name, result.Target)
			}
		default:
			i.inspectSuccess(r, d, result)
		}
	}
	if (failed > 0) != (d.err != nil) {
		i.errorf("%s answered %v with %d failed targets", d.f.name, d.err, failed)
	}
}

// inspectSuccess: who says that a target is fresh leaves a token that is good, and,
// if no clock was wrong, not due. A paused one is not fresh; the first run after it
// was resumed leaves a token, as any other.
func (i *inspector) inspectSuccess(r *round, d done, result keeper.Result) {
	switch {
	case r.acted == result.Secret && i.pauses.on[result.Secret]:
		return // it came to be paused after that, or at the same time
	case r.paused[result.Secret] && r.acted != result.Secret:
		i.errorf("%s says %s of %s, which is paused", d.f.name, result.Outcome, result.Target)
		return
	}
	secret, _ := i.cloud.Secret(result.Secret)
	current, has := secret.Labelled("AWSCURRENT")
	token, err := tokenstore.Parse([]byte(current.Value))
	if !has || err != nil {
		i.errorf("%s says %s of %s, which holds no token: %v", d.f.name, result.Outcome, result.Target, err)
		return
	}
	if result.Outcome == keeper.Minted && !slices.ContainsFunc(secret.Versions, func(v fakecloud.SecretVersion) bool { return v.ID == result.VersionID }) {
		i.errorf("%s minted version %s of %s, which is not there", d.f.name, result.VersionID, result.Target)
	}
	if issued, _ := i.cloud.LookupToken(token.Value.Reveal()); !issued.Expires.After(d.ended) {
		i.errorf("%s says %s of %s, whose token expired at %v", d.f.name, result.Outcome, result.Target, issued.Expires)
	}
	target := i.target(result.Secret)
	held := tokenstore.Current{SecretID: result.Secret, VersionID: current.ID, Token: token}
	due := func(at time.Time) bool { return keeper.Due(target, i.config.Identity(target), held, at) }
	if r.rightClocks() && due(r.began) && due(d.ended) {
		i.errorf("%s says %s of %s, which is due since long: %v left", d.f.name, result.Outcome, result.Target, token.Expiry.Sub(d.ended))
	}
}

// legs are where the faults of a service show.
var legs = map[string]string{
	"secretsmanager": "store", "google-sts": "sts", "aws-sts": "sts", "iamcredentials": "impersonate", "tokeninfo": "impersonate",
}

// inspectFailure: a failure names the leg of a fault that was there.
func (i *inspector) inspectFailure(r *round, d done, f *keeper.Failure) {
	if f == nil || f.Message == "" {
		i.errorf("%s failed without saying why: %v", d.f.name, f)
		return
	}
	slow := false
	for _, fault := range r.faults {
		if legs[fault.Service] == f.Leg {
			return
		}
		slow = slow || fault.Hang || fault.Latency > 0
	}
	switch {
	case r.noKey && f.Leg == "aws-credentials":
	case r.expires && (f.Leg == "store" || f.Leg == "sts"):
	case slow && f.Leg == "store" && f.Code == "timeout": // what another leg took was missing here
	case d.step != "" && f.Leg == "store" && slices.Contains([]string{"unusable_version", "unknown_version", "not_pending", "no_value"}, f.Code): // out of turn
	case d.step != "" && f.Leg == "impersonate" && f.Code == "invalid_token" && !r.rightClocks(): // it does not know that the token has expired
	default:
		i.errorf("%s failed with %+v, which is none of %+v", d.f.name, f, r.faults)
	}
}

// clean reports whether nothing was done to a round.
func (r *round) clean() bool { return len(r.faults) == 0 && !r.noKey && !r.expires }

func (r *round) rightClocks() bool {
	return !slices.ContainsFunc(r.clocks, func(ahead time.Duration) bool { return ahead != 0 })
}
