package keeper

import (
	"context"
	"log/slog"
	"time"
)

// logTarget writes the one line a target gets.
func (k *Keeper) logTarget(ctx context.Context, r Result, took time.Duration) {
	level := slog.LevelInfo
	switch r.Outcome {
	case Failed:
		level = slog.LevelError
	case Deferred, Paused:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("function", k.Function),
		slog.String("target", r.Target),
		slog.String("secret", r.Secret),
		slog.String("outcome", string(r.Outcome)),
	}
	attrs = append(attrs, r.tokenAttrs()...)
	if took > 0 {
		attrs = append(attrs, slog.Int64("took_ms", took.Milliseconds()))
	}
	if r.Error != nil {
		attrs = append(attrs, slog.Any("error", r.Error))
	}
	k.Log.LogAttrs(ctx, level, "target", attrs...)
}

// tokenAttrs tells what the secret holds.
func (r Result) tokenAttrs() []slog.Attr {
	if r.pause != nil {
		return []slog.Attr{slog.Time("paused_at", r.pause.At), slog.String("reason", r.pause.Reason)}
	}
	if r.SecondsRemaining == nil {
		return nil
	}
	return []slog.Attr{
		slog.String("version_id", r.VersionID),
		slog.String("expiry", r.Expiry),
		slog.Int64("seconds_remaining", *r.SecondsRemaining),
		slog.String("token_sha256", r.TokenSHA256),
		slog.String("principal", r.principal),
	}
}

// logRun writes the one line an invocation gets.
func (k *Keeper) logRun(ctx context.Context, e Event, r *Report, took time.Duration) {
	level := slog.LevelInfo
	if r.Summary.Failed > 0 {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("function", k.Function),
		slog.Any("summary", r.Summary),
		slog.Bool("force", e.Force),
		slog.Int64("took_ms", took.Milliseconds()),
	}
	if !e.ScheduledTime.IsZero() {
		attrs = append(attrs, slog.Time("scheduled_time", e.ScheduledTime))
	}
	k.Log.LogAttrs(ctx, level, "invocation", attrs...)
}

// logStep writes the one line a step of a rotation gets. r is what is held by the
// version to rotate to, or by the current one when that is why nothing was done.
func (s *step) logStep(ctx context.Context, outcome stepOutcome, r Result, took time.Duration) {
	level := slog.LevelInfo
	switch {
	case r.Error != nil:
		level, outcome = slog.LevelError, stepOutcome(Failed)
	case outcome == stepUntested, outcome == stepPaused:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("function", s.Function),
		slog.String("target", r.Target),
		slog.String("secret", r.Secret),
		slog.String("step", s.Step),
		slog.String("rotating_to", s.ClientRequestToken),
		slog.String("outcome", string(outcome)),
	}
	attrs = append(attrs, r.tokenAttrs()...)
	attrs = append(attrs, slog.Int64("took_ms", took.Milliseconds()))
	if r.Error != nil {
		attrs = append(attrs, slog.Any("error", r.Error))
	}
	s.Log.LogAttrs(ctx, level, "rotation", attrs...)
}

// LogValue shows a failure as fields in text logs too.
func (f *Failure) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("leg", f.Leg), slog.String("code", f.Code), slog.String("message", f.Message), slog.Bool("retryable", f.Retryable)}
	if f.HTTPStatus != 0 {
		attrs = append(attrs, slog.Int("http_status", f.HTTPStatus))
	}
	return slog.GroupValue(attrs...)
}

// LogValue shows a summary as fields in text logs too.
func (s Summary) LogValue() slog.Value {
	attrs := []slog.Attr{slog.Int("targets", s.Targets), slog.Int("minted", s.Minted), slog.Int("fresh", s.Fresh),
		slog.Int("superseded", s.Superseded), slog.Int("failed", s.Failed), slog.Int("deferred", s.Deferred)}
	if s.Paused > 0 {
		attrs = append(attrs, slog.Int("paused", s.Paused))
	}
	return slog.GroupValue(attrs...)
}
