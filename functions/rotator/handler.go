package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/wifmint/wifmint/internal/doctor"
	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// handler is one invocation of the rotator.
type handler struct {
	keeper *keeper.Keeper
	doctor doctor.Walk
}

func newHandler(env *keeper.Environment, log *slog.Logger) *handler {
	impersonation := keeper.Impersonation{Environment: env, Log: log}
	return &handler{
		keeper: keeper.New(keeper.Keeper{
			Function:  "rotator",
			Config:    env.Config,
			Owns:      func(t keeper.Target) bool { return !t.Federated() },
			Minting:   impersonation.Minting,
			Store:     env.Store,
			TokenInfo: env.TokenInfo,
			Log:       log,
			Metrics:   &keeper.Metrics{Out: os.Stdout},
		}),
		doctor: doctor.Walk{Function: "rotator", Environment: env, AWS: supplier.Default(os.Getenv), Getenv: os.Getenv},
	}
}

// Invoke implements lambda.Handler. A step of a rotation answers null.
func (h *handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	event, err := keeper.ParseEvent(payload)
	if err != nil {
		return nil, err
	}
	switch {
	case event.Rotation != nil:
		return []byte("null"), h.keeper.Rotate(ctx, *event.Rotation)
	case event.Canary != nil:
		return keeper.Respond(h.keeper.TryCanary(ctx, *event.Canary))
	case event.Doctor:
		return keeper.Respond(h.doctor.Answer(ctx, event))
	}
	return keeper.Respond(h.keeper.Run(ctx, event))
}
