package main

import (
	"context"
	"fmt"
)

// handshakeRounds is how often each function is invoked with its connections left
// alone, and how often after they were closed while it was frozen.
const handshakeRounds = 20

// measureHandshakes counts the connections of functions that are frozen between
// invocations, as Lambda's are. Google keeps an idle connection for minutes, and a
// schedule of 5 minutes outlasts that: what the functions can do then is to resume
// TLS's session.
func measureHandshakes(ctx context.Context, built paths, _ effort) ([]row, error) {
	if !tappable() {
		return nil, nil
	}
	var rows []row
	for _, f := range []fleet{
		{targets: 1, due: true, federated: true},
		{targets: batchSize, due: true},
	} {
		progress("counting handshakes with %v", f)
		ours, err := countHandshakes(ctx, f, func() (*deployment, error) { return deploy(ctx, built, f, nil) })
		if err != nil {
			return nil, fmt.Errorf("counting the handshakes of %v: %w", f, err)
		}
		theirs, err := countHandshakes(ctx, f, func() (*deployment, error) { return deployPeer(ctx, built, f, false) })
		if err != nil {
			return nil, fmt.Errorf("counting the handshakes of %v: %w", f, err)
		}
		rows = append(rows, handshakeRows(f, ours, theirs)...)
	}
	return rows, nil
}

// handshakes are what a function's invocations took.
type handshakes struct {
	of              executable
	google, secrets traffic // of the first invocation and those with connections left alone
	thawed          traffic // of those that found them closed
	// What one more took of those that found them closed than of those that did
	// not.
	bytes     sample // a connection
	processor sample // seconds
	failed    int    // of those that found them closed
}

func countHandshakes(ctx context.Context, f fleet, start func() (*deployment, error)) (*handshakes, error) {
	d, err := start()
	if err != nil {
		return nil, err
	}
	defer d.close()
	d.cloud.LimitWrites(0)
	h := &handshakes{of: d.of}
	var kept []visit
	for range handshakeRounds {
		v, err := d.mint(ctx)
		if err != nil {
			return nil, err
		}
		h.google, h.secrets = h.google.plus(v.google), h.secrets.plus(v.secrets)
		kept = append(kept, v)
	}
	h.thaw(ctx, d, kept[1:])
	return h, ctx.Err()
}

// thaw invokes the function after its connections were closed, and compares what that
// takes with invocations that kept them.
func (h *handshakes) thaw(ctx context.Context, d *deployment, kept []visit) {
	var bytes, processor sample
	for _, v := range kept {
		bytes = append(bytes, float64(v.traffic().bytes()))
		processor = append(processor, v.processor)
	}
	for range handshakeRounds {
		d.hangUp()
		v, err := d.mint(ctx)
		if err != nil {
			h.failed++
			continue
		}
		h.thawed = h.thawed.plus(v.traffic())
		h.processor = append(h.processor, v.processor-processor.median())
		if n := v.traffic().handshakes(); n > 0 {
			h.bytes = append(h.bytes, (float64(v.traffic().bytes())-bytes.median())/float64(n))
		}
	}
}

func handshakeRows(f fleet, ours, theirs *handshakes) []row {
	var rows []row
	during := fmt.Sprintf("TLS handshakes in %d mintings of %s", handshakeRounds, f.tokens())
	after := fmt.Sprintf("in %d mintings of %s, connections closed before each", handshakeRounds, f.tokens())
	if f.federated { // one call after the other: one connection to each does
		const needed = 2
		rows = append(rows, row{
			what:  during,
			ratio: float64(ours.google.handshakes()+ours.secrets.handshakes()) / needed, budget: 1,
			this: ours.kept(), that: "needed 1 with Google, 1 with Secrets Manager",
		})
	}
	rows = append(rows,
		row{
			what:  during,
			ratio: float64(ours.google.handshakes()+ours.secrets.handshakes()) / float64(theirs.google.handshakes()+theirs.secrets.handshakes()),
			this:  ours.kept(), that: theirs.kept(),
		},
		row{
			what:  "TLS handshakes " + after,
			ratio: float64(ours.thawed.handshakes()+ours.failed) / float64(ours.thawed.resumed), budget: 1,
			this: fmt.Sprintf("%v %d", ours.of, ours.thawed.handshakes()), that: fmt.Sprintf("resumed %d", ours.thawed.resumed),
		},
		row{
			what:  "full TLS handshakes " + after,
			ratio: float64(ours.thawed.full) / float64(theirs.thawed.full),
			this:  ours.shaken(), that: theirs.shaken(),
		})
	if f.federated { // else it is lost in what 20 tokens take and in how many connections they go over
		rows = append(rows, compare("bytes of a connection's handshake and end", octets, [2]executable{ours.of, theirs.of}, ours.bytes, theirs.bytes),
			compare("processor time of connecting again", milliseconds, [2]executable{ours.of, theirs.of}, ours.processor, theirs.processor))
	}
	return rows
}

func (h *handshakes) kept() string {
	return fmt.Sprintf("%v %d with Google, %d with Secrets Manager", h.of, h.google.handshakes(), h.secrets.handshakes())
}

func (h *handshakes) shaken() string {
	text := fmt.Sprintf("%v %d, resumed %d", h.of, h.thawed.full, h.thawed.resumed)
	if h.failed > 0 {
		text += fmt.Sprintf(", invocations failed %d", h.failed)
	}
	return text
}
