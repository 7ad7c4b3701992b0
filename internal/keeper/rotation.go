package keeper

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// A rotation is four invocations, the steps, about one version of a secret,
// whose id is the event's ClientRequestToken: createSecret gives it a value,
// setSecret has nothing to do here, testSecret proves the value, finishSecret
// makes the version the current one. Secrets Manager repeats the whole of it
// when a step fails, and a step may be delivered twice, so each is harmless
// twice and leaves a state that the first one can go on from.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
//
// Meanwhile the schedule goes on. What it writes wins over a rotation's token
// that expires sooner: that one is dropped at finishSecret. The other way round
// there is a gap. A scheduled run that had read the secret before a rotation
// ended writes after it what it minted before, which may expire sooner by the
// seconds that lie between the two.
//
// A rotation of a paused secret succeeds and changes nothing: a failed one would
// be repeated, and be news to whoever watches, until the pause is over.

// minPendingLife is how much life a value must have left that an earlier
// createSecret has put: enough for the steps that follow.
const minPendingLife = 5 * time.Minute

// finishRounds bounds how often finishSecret decides anew because somebody moved
// AWSCURRENT while it looked.
const finishRounds = 3

// stepOutcome is what became of a step that did not fail.
type stepOutcome string

const (
	stepDone       stepOutcome = "done"
	stepMinted     stepOutcome = "minted"     // done, and it cost Google a token
	stepCurrent    stepOutcome = "current"    // the version is the current one already
	stepSuperseded stepOutcome = "superseded" // the secret holds a better token already
	stepUntested   stepOutcome = "untested"   // there is nothing to test yet
	stepPaused     stepOutcome = "paused"     // a person stopped the target
)

// step is one step of a rotation under way.
type step struct {
	*Keeper
	Rotation
	target Target
	want   tokenstore.Token // identity only
}

// Rotate carries out one step of a Secrets Manager rotation. It fails with an
// *[EventError] when the secret is none of the function's, else with a
// *[RotationError].
func (k *Keeper) Rotate(ctx context.Context, r Rotation) error {
	target, err := k.rotated(r.SecretID)
	if err != nil {
		return err
	}
	began := k.Now()
	b, cancel := newBudget(ctx)
	defer cancel()
	s := &step{Keeper: k, Rotation: r, target: target, want: k.Config.Identity(target)}
	outcome, held, err := s.run(b.ctx)
	s.tell(ctx, outcome, held, err, max(k.Now().Sub(began), time.Nanosecond))
	if err != nil {
		return &RotationError{Rotation: r, Target: target.Name, Failure: failure(err), err: err}
	}
	return nil
}

// rotated finds the target that is kept in a secret.
func (k *Keeper) rotated(secretID string) (Target, error) {
	for _, t := range k.Config.Targets {
		switch {
		case !sameSecret(t.Secret, secretID):
		case !k.Owns(t):
			return Target{}, &EventError{fmt.Sprintf("the secret to rotate is that of target %q, which is not the %s's: %s", t.Name, k.Function, ownership)}
		default:
			return t, nil
		}
	}
	return Target{}, &EventError{"no target of the config document is kept in the secret to rotate; add one, or take this function off the secret's rotation"}
}

// run also returns what the version, or what is in its place, holds, as far as
// that is known.
func (s *step) run(ctx context.Context) (outcome stepOutcome, held tokenstore.Current, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(ctx, s.target, p)
		}
	}()
	found, err := s.check(ctx)
	if fault, ok := errors.AsType[*stepError](err); ok && fault.code == unknownVersion && s.Step == "finishSecret" {
		return s.finished(ctx, err)
	}
	if err != nil || found.IsCurrent(s.ClientRequestToken) {
		return stepCurrent, tokenstore.Current{}, err
	}
	switch s.Step {
	case "createSecret":
		return s.create(ctx)
	case "testSecret":
		return s.test(ctx)
	case "finishSecret":
		return s.finish(ctx, found)
	}
	return stepDone, tokenstore.Current{}, nil // setSecret: Google knows of the token already
}

// check makes the checks that every step of AWS's rotation template begins with,
// and returns what it found: the version is pending, or is the current one
// already, and then nothing is to do.
// https://github.com/aws-samples/aws-secrets-manager-rotation-lambdas/tree/master/SecretsManagerRotationTemplate
func (s *step) check(ctx context.Context) (tokenstore.Description, error) {
	d, err := s.Store.Describe(ctx, s.SecretID)
	labels := d.Labels[s.ClientRequestToken]
	switch {
	case err != nil:
	case !d.RotationEnabled:
		err = s.fault("rotation_disabled", "rotation is not enabled for the secret: turn it on, or leave the secret to the schedule")
	case len(labels) == 0:
		err = s.fault(unknownVersion, "the version to rotate to has no staging label: its rotation is over, or never began; have Secrets Manager start one")
	case !d.IsCurrent(s.ClientRequestToken) && !d.IsPending(s.ClientRequestToken):
		err = s.fault("not_pending", "the version to rotate to is "+strings.Join(labels, " and ")+" instead of AWSPENDING: have Secrets Manager start a new rotation")
	}
	return d, err
}

// create gives the version its value. One that an earlier try has put is kept
// as long as it serves.
func (s *step) create(ctx context.Context) (stepOutcome, tokenstore.Current, error) {
	pending, err := s.Store.ReadVersion(ctx, s.SecretID, s.ClientRequestToken)
	if err != nil {
		return "", pending, err
	}
	if pending.VersionID != "" {
		return stepDone, pending, s.keep(ctx, pending)
	}
	current, err := s.Store.Read(ctx, s.SecretID)
	if err != nil || current.Pause() != nil {
		return stepPaused, current, err
	}
	next, err := s.mint(ctx, s.Minting(), s.target)
	if err != nil {
		return "", pending, err
	}
	pending, err = s.Store.PutPending(ctx, s.SecretID, s.ClientRequestToken, next)
	switch {
	case err != nil:
		return "", pending, err
	case pending.Token.Value.Equal(next.Value):
		return stepMinted, pending, nil
	}
	return stepDone, pending, s.keep(ctx, pending) // another try of this step was faster
}

// keep returns nil for a value that the following steps can use. No version is
// ever given another one, so a rotation that is stuck with a bad one, such as an
// expired token, is ended, for the next to begin.
func (s *step) keep(ctx context.Context, pending tokenstore.Current) error {
	lifetime := pending.Token.Expiry.Sub(pending.Token.MintedAt)
	bad := unfit(pending, s.want, s.Now(), min(minPendingLife, lifetime/2))
	if bad == nil {
		return nil
	}
	return s.abandon(ctx, bad)
}

// abandon ends the rotation without a result. It always fails.
func (s *step) abandon(ctx context.Context, bad error) error {
	if err := s.Store.RemovePending(ctx, s.SecretID, s.ClientRequestToken); err != nil {
		return err
	}
	return s.fault("unusable_version", fmt.Sprintf("the version to rotate to cannot be used: %v; it is not AWSPENDING any more, so a new rotation can start", bad))
}

// test proves the version's value.
func (s *step) test(ctx context.Context) (stepOutcome, tokenstore.Current, error) {
	pending, err := s.Store.ReadVersion(ctx, s.SecretID, s.ClientRequestToken)
	if err != nil {
		return "", pending, err
	}
	if pending.VersionID == "" {
		return s.testNothing(ctx)
	}
	if bad := unfit(pending, s.want, s.Now(), time.Second); bad != nil {
		return "", pending, s.fault("unusable_version", fmt.Sprintf("the version to rotate to cannot be used: %v; createSecret ends such a rotation", bad))
	}
	err = s.prove(ctx, pending.Token)
	if refuted(err) { // it will not get better, and it stands in the way of the next rotation
		if ended := s.Store.RemovePending(ctx, s.SecretID, s.ClientRequestToken); ended != nil {
			return "", pending, ended
		}
	}
	return stepDone, pending, err
}

// testNothing is about a version without a value. With RotateImmediately false
// Secrets Manager has testSecret alone try the configuration, also of a secret
// that never had a value; a secret that has one has it in the version to test, too.
func (s *step) testNothing(ctx context.Context) (stepOutcome, tokenstore.Current, error) {
	current, err := s.Store.Read(ctx, s.SecretID)
	if current.Pause() != nil {
		return stepPaused, current, nil
	}
	if err == nil && current.VersionID != "" {
		err = s.noValue()
	}
	return stepUntested, tokenstore.Current{}, err
}

// finish makes the version the current one, unless that would replace a token
// by a worse one, which the schedule may have stored meanwhile.
func (s *step) finish(ctx context.Context, found tokenstore.Description) (stepOutcome, tokenstore.Current, error) {
	pending, err := s.Store.ReadVersion(ctx, s.SecretID, s.ClientRequestToken)
	if err != nil {
		return "", pending, err
	}
	for round := 1; ; round++ {
		current, err := s.Store.Read(ctx, s.SecretID)
		if err != nil {
			return "", pending, err
		}
		switch {
		case current.Pause() != nil:
			return stepPaused, current, s.Store.RemovePending(ctx, s.SecretID, s.ClientRequestToken)
		case pending.VersionID == "":
			return "", pending, s.noValue()
		case s.better(current, pending):
			return stepSuperseded, current, s.Store.RemovePending(ctx, s.SecretID, s.ClientRequestToken)
		}
		if bad := unfit(pending, s.want, s.Now(), time.Second); bad != nil {
			return "", current, s.abandon(ctx, bad)
		}
		err = s.Store.MakeCurrent(ctx, s.SecretID, current.VersionID, s.ClientRequestToken)
		if err == nil {
			return stepDone, pending, s.tidy(ctx, found)
		}
		if !errors.Is(err, tokenstore.ErrMoved) || round == finishRounds {
			return "", current, err
		}
		if found, err = s.check(ctx); err != nil || found.IsCurrent(s.ClientRequestToken) {
			return stepCurrent, pending, err
		}
	}
}

// finished is about a version without a label: an earlier try of finishSecret
// that found a better token, or a pause, leaves one, and has done its work.
func (s *step) finished(ctx context.Context, unknown error) (stepOutcome, tokenstore.Current, error) {
	version, err := s.Store.ReadVersion(ctx, s.SecretID, s.ClientRequestToken)
	if err != nil {
		return "", version, unknown
	}
	current, err := s.Store.Read(ctx, s.SecretID)
	switch {
	case err == nil && current.Pause() != nil:
		return stepPaused, current, nil
	case err == nil && s.better(current, version):
		return stepSuperseded, current, nil
	}
	return "", version, unknown
}

// tidy takes AWSPENDING off versions that had it beside this one. In AWS a label
// sits on one version; where emulators leave it on an old one, too, the next
// rotation would not begin. What was labelled after found was looked up is a
// rotation that has just begun, and none of this one's business.
func (s *step) tidy(ctx context.Context, found tokenstore.Description) error {
	for version := range found.Labels {
		if version != s.ClientRequestToken && found.IsPending(version) {
			if err := s.Store.RemovePending(ctx, s.SecretID, version); err != nil {
				return err
			}
		}
	}
	return nil
}

// better reports whether a secret's current token is of the identity and
// expires later than the pending one. A pending token that expires at the same
// time is as good, and is what the rotation was for.
func (s *step) better(current, pending tokenstore.Current) bool {
	return pending.Usable() && current.Usable() && current.Token.SameIdentity(s.want) && current.Token.Credible(s.Now()) &&
		current.Token.Expiry.After(pending.Token.Expiry)
}

// tell writes the step's log line, and the metrics that a step can tell: what the
// secret holds is known for sure only to the one that has just moved AWSCURRENT.
func (s *step) tell(ctx context.Context, outcome stepOutcome, held tokenstore.Current, err error, took time.Duration) {
	now := s.Now()
	r := Result{Target: s.target.Name, Secret: s.target.Secret}
	r.holding(held, now)
	line := metricLine{Function: s.Function, Target: r.Target}
	switch {
	case err != nil:
		r.Error = failure(err)
		line.Failed = 1
		s.Metrics.write(now, line, 0)
	case outcome == stepMinted:
		line.Minted = 1
		s.Metrics.write(now, line, took)
	case outcome == stepDone && s.Step == "finishSecret":
		line.SecondsRemaining = r.SecondsRemaining
		s.Metrics.write(now, line, 0)
	}
	s.logStep(ctx, outcome, r, took)
}

// unknownVersion is the code of a version that no label names.
const unknownVersion = "unknown_version"

// stepError is a secret, or a token, that a rotation cannot go on with.
type stepError struct{ leg, code, message string }

func (e *stepError) Error() string { return e.message }

func (s *step) fault(code, message string) error {
	return &stepError{legStore, code, message}
}

func (s *step) noValue() error {
	return s.fault("no_value", "the version to rotate to has no value: createSecret comes first")
}

// RotationError is a step of a rotation that failed.
type RotationError struct {
	Rotation
	Target  string
	Failure *Failure
	err     error
}

// Error says it in text, which is what Secrets Manager's records show.
func (e *RotationError) Error() string {
	return fmt.Sprintf("rotating secret %q of target %q: %s failed at leg %s: %s", e.SecretID, e.Target, e.Step, e.Failure.Leg, e.Failure.Message)
}

func (e *RotationError) Unwrap() error { return e.err }
