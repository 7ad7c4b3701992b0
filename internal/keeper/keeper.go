// Package keeper is what the functions share: the config document, the events,
// when a token is due, a run over many targets, the report, logs and metrics;
// a file for each. Two files more are the rotator's alone: impersonation, and
// the steps of a Secrets Manager rotation.
//
// A run reads every target's secret, mints the due ones' tokens and stores
// them. A tick is the schedule's invocation, every few minutes. What is true of
// every run:
//
//   - No lock is taken. Two runs at once write a secret once (see
//     tokenstore.Store.Write); the other ends superseded, which is no error.
//   - A target that a person has paused stays paused, whatever the event asks for
//     (see tokenstore.Store.Pause).
//   - A target fails alone, a panic included. The invocation fails after all
//     targets were tried.
//   - A run ends before its invocation does. What it had no time for is
//     deferred, and the next tick takes it first.
//   - No goroutine outlives it: Lambda freezes the process.
package keeper
