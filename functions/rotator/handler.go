package main

import (
	"context"
	"encoding/json"
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

func newHandler(env *keeper.Environment, log *slog.Logger, metrics *keeper.Metrics) *handler {
	impersonation := keeper.Impersonation{Environment: env, Log: log}
	return &handler{
		keeper.New(keeper.Keeper{
			Function:  "rotator",
			Config:    env.Config,
			Owns:      func(t keeper.Target) bool { return !t.Federated() },
			Minting:   impersonation.Minting,
			Store:     env.Store,
			TokenInfo: env.TokenInfo,
			Log:       log,
			Metrics:   metrics,
		}),
		doctor.Walk{Function: "rotator", Environment: env, AWS: supplier.Default(os.Getenv), Getenv: os.Getenv},
	}
}

// Invoke implements lambda.Handler. A step of a rotation answers null.
func (h *handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	event, err := keeper.ParseEvent(payload)
	if err != nil {
		return nil, err
	}
	if event.Rotation != nil {
		return []byte("null"), h.keeper.Rotate(ctx, *event.Rotation)
	}
	if event.Canary != nil {
		report, err := h.keeper.TryCanary(ctx, *event.Canary)
		if err != nil {
			return nil, err
		}
		return json.Marshal(report)
	}
	if event.Doctor {
		report, err := h.doctor.Answer(ctx, event)
		if err != nil {
			return nil, err
		}
		return json.Marshal(report)
	}
	report, err := h.keeper.Run(ctx, event)
	if err != nil {
		return nil, err
	}
	return json.Marshal(report)
}
