package doctor

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// concurrency is how many targets are looked at at once.
const concurrency = 8

// Walk is a walk by the identity of this process.
type Walk struct {
	// Environment has the document and what is made of it; required. TokenInfo is
	// not needed.
	Environment *keeper.Environment
	// AWS is the supplier that the Environment's credentials are made with; required.
	AWS supplier.AwsSecurityCredentialsSupplier
	// Getenv looks up the environment, of which the SDK's AWS_ENDPOINT_URL_STS and
	// AWS_ENDPOINT_URL say where AWS STS is; required.
	Getenv func(string) string
	// Function is "minter" or "rotator", empty elsewhere. Its secrets are looked at
	// alone; the zero value looks at all.
	Function string
	// Describe looks a secret up in a region, which the functions' roles need not be
	// allowed to; nil means that nothing is looked up. [Describe] makes one.
	Describe DescribeFunc
	// HTTPClient lends its transport to the calls that are the doctor's own. Nil
	// means the shared one.
	HTTPClient *http.Client
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Run walks, for a minute at most, and has tell called with each check, one after
// the other and in order. The targets are those of the event, none meaning all.
// It fails with a *keeper.EventError if one of them is none of the document's.
func (w Walk) Run(ctx context.Context, e keeper.Event, tell func(Check)) error {
	targets, err := e.Select("doctor", w.Environment.Config.Targets, w.Environment.Config.Targets)
	if err != nil {
		return err
	}
	ctx, cancel := w.bounded(ctx)
	defer cancel()
	p := &passage{Walk: w, visit: &visit{function: w.Function, tell: tell, names: namesOf(w.Environment.Config.Credentials), blocked: map[string]bool{}}}
	p.names["FUNCTION"], p.names["LOG_GROUP"] = w.Getenv("AWS_LAMBDA_FUNCTION_NAME"), w.Getenv("AWS_LAMBDA_LOG_GROUP_NAME")
	p.trunk(ctx)
	p.branches(ctx, targets)
	return nil
}

// Answer is a function's answer to the event.
func (w Walk) Answer(ctx context.Context, e keeper.Event) (*Report, error) {
	r := &Report{Function: w.Function, Checks: []Check{}}
	err := w.Run(ctx, e, func(c Check) { r.Checks = append(r.Checks, c) })
	return r, err
}

// bounded leaves a tenth of an invocation's time for answering.
func (w Walk) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := walkTimeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)*9/10)
	}
	return context.WithTimeout(ctx, limit)
}

func (w Walk) now() time.Time {
	if w.Now == nil {
		return time.Now()
	}
	return w.Now()
}

// owns reports whether a target's secret is looked at.
func (w Walk) owns(t keeper.Target) bool {
	return w.Function == "" || t.Federated() == (w.Function == "minter")
}

// passage is a Walk under way.
type passage struct {
	Walk
	*visit
	hosts     hosts
	bearer    secret.Text // never stored
	elsewhere elsewhere
}

// trunk is what all targets have in common.
func (p *passage) trunk(ctx context.Context) {
	p.hop(ctx, checkConfig, "", nil, p.config)
	p.hop(ctx, checkAWSCredentials, "", nil, p.awsCredentials)
	p.hop(ctx, checkAWSRegion, "", nil, p.awsRegion)
	p.reach(ctx)
	p.hop(ctx, checkClock, "", nil, p.clock)
	p.hop(ctx, checkAWSIdentity, "", []string{checkAWSCredentials, checkAWSRegion, checkAWSSTS, checkClock}, p.awsIdentity)
	p.hop(ctx, checkSTS, "", []string{checkGoogleSTS, checkAWSIdentity}, p.exchange)
}

// branches are the targets, told in the document's order whichever is done first.
func (p *passage) branches(ctx context.Context, targets []keeper.Target) {
	told := make([][]Check, len(targets))
	var group errgroup.Group
	group.SetLimit(concurrency)
	for i, t := range targets {
		group.Go(func() error {
			b := &branch{visit: p.branch(func(c Check) { told[i] = append(told[i], c) }), on: p, target: t}
			if region := p.Environment.Store.Client.Options().Region; region != "" {
				b.names["REGION"] = region // aws_region is for signing alone
			}
			b.names.addTarget(t)
			b.run(ctx)
			return nil
		})
	}
	_ = group.Wait() // no branch returns an error
	for _, checks := range told {
		for _, c := range checks {
			p.tell(c)
		}
	}
}

// branch is the part of the walk that is about one target.
type branch struct {
	*visit
	on     *passage
	target keeper.Target
	held   held
}

func (b *branch) run(ctx context.Context) {
	name := b.target.Name
	// The minter as well: the rotator impersonates with its token.
	if !b.target.Federated() {
		b.hop(ctx, checkImpersonate, name, []string{checkSTS}, b.impersonate)
	}
	if b.target.Secret == "" || !b.on.owns(b.target) {
		return
	}
	b.hop(ctx, checkRead, name, []string{checkAWSCredentials, checkAWSRegion, checkClock, checkAWSIdentity}, b.read)
	b.hop(ctx, checkFresh, name, []string{checkRead}, b.fresh)
	b.hop(ctx, checkWrite, name, []string{checkRead}, b.write)
}

func (p *passage) config(context.Context) (string, *finding) {
	own := 0
	for _, t := range p.Environment.Config.Targets {
		if p.owns(t) {
			own++
		}
	}
	return fmt.Sprintf("%d of %d targets, for %s", own, len(p.Environment.Config.Targets), p.Environment.Config.Credentials.Audience), nil
}
