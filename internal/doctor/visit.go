package doctor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"time"
)

const (
	// walkTimeout bounds a walk. A person waits for it, and a function's invocation
	// has 120 s.
	walkTimeout = 60 * time.Second
	// hopTimeout bounds one hop, of which the longest, an exchange, makes four
	// attempts when Google is ailing.
	hopTimeout = 15 * time.Second
)

// visit is a walk under way: what it tells, what it has learned of names, and which
// hops stand in the way of others.
type visit struct {
	function string
	tell     func(Check)
	names    names
	blocked  map[string]bool
}

// branch is a part of the walk that goes on by itself: what it learns stays with it.
func (v *visit) branch(tell func(Check)) *visit {
	return &visit{v.function, tell, maps.Clone(v.names), maps.Clone(v.blocked)}
}

// finding is what a hop met that it cannot go on with, in the terms that diagnoses
// are told apart by.
type finding struct {
	// code is Google's or AWS's, or one of the doctor's own, which are in lower case
	// with hyphens.
	code string
	// text is what Google or AWS said with it.
	text string
	// found is for a person.
	found string
	// skip is for what says nothing about the tokens: the hop counts as not tried.
	skip bool
	// fix is in place of the diagnosis's, with its names filled in, and the only one
	// of what is skipped.
	fix string
}

// hop makes one check. needs are the hops without which it makes no sense.
func (v *visit) hop(ctx context.Context, check, target string, needs []string, do func(context.Context) (found string, f *finding)) {
	c := Check{Function: v.function, Check: check, Target: target, Status: OK}
	for _, needed := range needs {
		if v.blocked[needed] {
			c.Found = "not tried: " + needed + " comes first"
			v.skip(c)
			return
		}
	}
	if ctx.Err() != nil {
		c.Found = "not tried: there was no time left"
		v.skip(c)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hopTimeout)
	defer cancel()
	found, f := do(ctx)
	switch {
	case f == nil:
		c.Found = oneLine(found)
	case f.skip:
		c.Status, c.Found, c.Fix = Skipped, f.found, f.fix
	default:
		v.blocked[check] = true
		c = v.failed(c, f)
	}
	v.tell(c)
}

// failed makes c the check that met f.
func (v *visit) failed(c Check, f *finding) Check {
	d := diagnose(v.function, c.Check, f)
	c.Status, c.Cause, c.Found = Failed, d.cause, f.found
	c.Means, c.Fix = v.names.fill(d.means), cmp.Or(f.fix, v.names.fill(d.fix))
	return c
}

func (v *visit) skip(c Check) {
	v.blocked[c.Check] = true
	c.Status = Skipped
	v.tell(c)
}

func foundf(code, format string, args ...any) *finding {
	return &finding{code: code, found: oneLine(fmt.Sprintf(format, args...))}
}
