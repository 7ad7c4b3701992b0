package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokeninfo"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	// concurrency is how many targets are worked on at once. At 50 ms a call it
	// takes 5 to use up Secrets Manager's writes; 16 leaves room for slow ones.
	concurrency = 16
	// writesPerSecond is a tenth under Secrets Manager's quota for PutSecretValue
	// in an account, 50: puts that leave evenly do not arrive evenly, and one that
	// is throttled costs more than the tenth (measured by bench).
	writesPerSecond = 45
)

// Keeper keeps the tokens of one function's targets fresh.
type Keeper struct {
	// Function is "minter" or "rotator".
	Function string
	Config   *Config
	// Owns tells the function's own targets.
	Owns func(Target) bool
	// Minting returns what mints the tokens of one run. It is called once a run,
	// so that what the run's targets share ends with it.
	Minting func() MintFunc
	Store   *tokenstore.Store
	// TokenInfo proves what a rotation is about to make current. Only the
	// rotator needs it.
	TokenInfo *tokeninfo.Client
	// Log gets one line a target and one an invocation; nil means none.
	Log *slog.Logger
	// Metrics gets one line a target; nil means none.
	Metrics *Metrics
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	writes *rate.Limiter
}

// MintFunc makes a token for a target. It is called concurrently and need not
// check anything about what is stored.
type MintFunc func(context.Context, Target) (MintedToken, error)

// MintedToken is what a MintFunc adds to a target's identity to make a stored token.
type MintedToken struct {
	Value  secret.Text
	Expiry time.Time
}

// New completes a Keeper with defaults and what it keeps between invocations.
func New(k Keeper) *Keeper {
	if k.Log == nil {
		k.Log = slog.New(slog.DiscardHandler)
	}
	if k.Now == nil {
		k.Now = time.Now
	}
	k.writes = rate.NewLimiter(writesPerSecond, 1)
	return &k
}

// job is one target of a run and what its secret holds, as far as the run knows.
type job struct {
	index   int // in the report
	target  Target
	want    tokenstore.Token // identity only, see Config.Identity
	current tokenstore.Current
	unread  bool // what the secret holds is not known
}

// Run works through the targets that e asks for: reads them all, refreshes the
// due ones, earliest expiry first, and stops in time to answer before ctx's
// deadline. It fails with an *EventError when e asks for what is not there, and
// with a *RunError, besides the report, when a target failed.
func (k *Keeper) Run(ctx context.Context, e Event) (*Report, error) {
	owned := make([]Target, 0, len(k.Config.Targets))
	for _, t := range k.Config.Targets {
		if k.Owns(t) {
			owned = append(owned, t)
		}
	}
	targets, err := e.Select(k.Function, owned, k.Config.Targets)
	if err != nil {
		return nil, err
	}
	began := k.Now()
	b, cancel := newBudget(ctx)
	defer cancel()

	// Shards run at the same time and share the account's quota.
	k.writes.SetLimit(writesPerSecond / rate.Limit(max(1, e.Shard.Of)))
	results := make([]Result, len(targets))
	due := k.read(b, targets, results, e.Force)
	mint := k.Minting()
	var g errgroup.Group
	g.SetLimit(concurrency)
	for _, j := range due {
		g.Go(func() error {
			results[j.index] = k.refresh(b, j, mint)
			return nil
		})
	}
	_ = g.Wait() // no job returns an error: results say what failed

	report := newReport(k.Function, results)
	k.logRun(ctx, e, report, k.Now().Sub(began))
	if report.Summary.Failed > 0 {
		return report, &RunError{report}
	}
	return report, nil
}

// budget is the time a run has. Work ends with ctx, which ends before the
// invocation does; reading ends at readBy, so that one secret that cannot be
// read leaves time for those that were; nothing is begun after lastStart.
type budget struct {
	ctx               context.Context
	readBy, lastStart time.Time // zero: no deadline
}

// newBudget keeps a tenth of the time (2 s at most) for answering, gives half of
// the rest to reading, and begins no target in the last quarter (5 s at most):
// one that has no chance to end would only be minted in vain.
func newBudget(ctx context.Context) (budget, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return budget{ctx: ctx}, func() {}
	}
	left := time.Until(deadline)
	end := deadline.Add(-min(2*time.Second, left/10))
	work, cancel := context.WithDeadline(ctx, end)
	return budget{work, end.Add(-left / 2), end.Add(-min(5*time.Second, left/4))}, cancel
}

func (b budget) spent() bool {
	return b.ctx.Err() != nil || !b.lastStart.IsZero() && time.Now().After(b.lastStart)
}

// read reads the targets' secrets, settles those that are fresh or cannot be
// read, and returns the others, earliest expiry first.
func (k *Keeper) read(b budget, targets []Target, results []Result, force bool) []job {
	ctx := b.ctx
	if !b.readBy.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, b.readBy)
		defer cancel()
	}
	ids := make([]string, len(targets))
	for i, t := range targets {
		ids[i] = t.Secret
	}
	var due []job
	for i, read := range k.Store.ReadMany(ctx, ids) {
		j := job{index: i, target: targets[i], want: k.Config.Identity(targets[i]), current: read.Current, unread: read.Err != nil}
		switch {
		case errors.Is(read.Err, tokenstore.ErrNotTried):
			results[i] = k.settle(ctx, j, Deferred, nil, 0)
		case read.Err != nil:
			results[i] = k.settle(ctx, j, Failed, read.Err, 0)
		case read.Current.Pause() != nil:
			results[i] = k.settle(ctx, j, Paused, nil, 0)
		case force || Due(j.target, j.want, j.current, k.Now()):
			due = append(due, j)
		default:
			results[i] = k.settle(ctx, j, Fresh, nil, 0)
		}
	}
	slices.SortStableFunc(due, func(a, b job) int { return a.goodUntil().Compare(b.goodUntil()) })
	return due
}

// goodUntil is the expiry of a token that serves; zero when there is none.
func (j job) goodUntil() time.Time {
	if !j.current.Usable() || !j.current.Token.SameIdentity(j.want) {
		return time.Time{}
	}
	return j.current.Token.Expiry
}

// refresh mints and stores one target's token. A panic is this target's failure
// and nobody else's.
func (k *Keeper) refresh(b budget, j job, mint MintFunc) (r Result) {
	ctx := b.ctx
	if b.spent() {
		return k.settle(ctx, j, Deferred, nil, 0)
	}
	began := k.Now()
	took := func() time.Duration { return max(k.Now().Sub(began), time.Nanosecond) }
	defer func() {
		if p := recover(); p != nil {
			r = k.settle(ctx, j, Failed, k.panicked(ctx, j.target, p), took())
		}
	}()
	next, err := k.mint(ctx, mint, j.target)
	if errors.Is(err, errNoTime) {
		return k.settle(ctx, j, Deferred, nil, took())
	}
	if err != nil {
		return k.settle(ctx, j, Failed, err, took())
	}
	written, err := k.write(ctx, j, next)
	if errors.Is(err, errNoTime) {
		return k.settle(ctx, j, Deferred, nil, took())
	}
	if err != nil {
		return k.settle(ctx, j, Failed, err, took())
	}
	outcome := Minted
	switch written.Outcome {
	case tokenstore.Paused:
		outcome = Paused
	case tokenstore.Superseded:
		outcome = Superseded
		if written.Current.VersionID == j.current.VersionID {
			k.Log.LogAttrs(ctx, slog.LevelWarn, "the new token expires no later than the stored one, which was kept", slog.String("target", j.target.Name))
		}
	}
	j.current = written.Current
	return k.settle(ctx, j, outcome, nil, took())
}

// errNoTime says that a target waited its turn, for a place in the quota or for
// what the run's targets share, until there was no time left.
var errNoTime = errors.New("no time left before the deadline")

// write stores a token within the quota. Others share the account's quota, so
// what Secrets Manager throttles all the same is put again, with the same token,
// a few times and later and later.
func (k *Keeper) write(ctx context.Context, j job, next tokenstore.Token) (tokenstore.WriteResult, error) {
	const tries = 4
	due := func(c tokenstore.Current) bool { return Due(j.target, j.want, c, k.Now()) }
	for try := 1; ; try++ {
		if k.writes.Wait(ctx) != nil {
			return tokenstore.WriteResult{}, errNoTime
		}
		written, err := k.Store.Write(ctx, j.current, next, due)
		var refused *tokenstore.Error
		if !errors.As(err, &refused) || refused.Code != "ThrottlingException" || try == tries {
			return written, err
		}
		select {
		case <-time.After(time.Duration(try) * time.Second):
		case <-ctx.Done():
			return tokenstore.WriteResult{}, err
		}
	}
}

// mint makes the token to store for a target.
func (k *Keeper) mint(ctx context.Context, mint MintFunc, t Target) (tokenstore.Token, error) {
	began := k.Now()
	minted, err := mint(ctx, t)
	if err != nil {
		return tokenstore.Token{}, err
	}
	next := k.Config.Identity(t)
	next.Value, next.Expiry, next.MintedAt = minted.Value, minted.Expiry.UTC().Truncate(time.Second), began.UTC().Truncate(time.Second)
	return next, nil
}

// panicked logs where a panic was and describes it without its value, unless
// that is the runtime's own: it may hold anything, a token included. The stack
// names functions only.
func (k *Keeper) panicked(ctx context.Context, t Target, p any) error {
	k.Log.LogAttrs(ctx, slog.LevelError, "panic", slog.String("target", t.Name), slog.String("stack", string(debug.Stack())))
	var re runtime.Error
	if err, ok := p.(error); ok && errors.As(err, &re) {
		return fmt.Errorf("panic: %w; this is a bug, and the log has the stack", re)
	}
	return fmt.Errorf("panic with a %T; this is a bug, and the log has the stack", p)
}

// settle makes a target's result, and its log line and metrics with it.
func (k *Keeper) settle(ctx context.Context, j job, outcome Outcome, err error, took time.Duration) Result {
	now := k.Now()
	r := Result{Target: j.target.Name, Secret: j.target.Secret, Outcome: outcome}
	r.holding(j.current, now)
	if err != nil {
		r.Error = failure(err)
	}
	k.logTarget(ctx, r, took)
	k.Metrics.target(now, k.Function, r, j.remaining(now), took)
	return r
}

// remaining is how many seconds the token that the document asks for is good:
// nil when that is not known, 0 when there is none or another one.
func (j job) remaining(now time.Time) *int64 {
	if j.unread {
		return nil
	}
	seconds := max(0, int64(j.goodUntil().Sub(now)/time.Second))
	return &seconds
}
