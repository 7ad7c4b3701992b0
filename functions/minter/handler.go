package main

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/wifmint/wifmint/internal/keeper"
)

// handler is one invocation of the minter.
type handler struct{ keeper *keeper.Keeper }

func newHandler(env *keeper.Environment, log *slog.Logger, metrics *keeper.Metrics) *handler {
	return &handler{keeper.New(keeper.Keeper{
		Function: "minter",
		Config:   env.Config,
		Owns:     keeper.Target.Federated,
		Mint: func(ctx context.Context, t keeper.Target) (keeper.MintedToken, error) {
			token, err := env.Credentials.Exchange(ctx, t.Scopes)
			return keeper.MintedToken{Value: token.AccessToken, Expiry: token.Expiry}, err
		},
		Store:   env.Store,
		Log:     log,
		Metrics: metrics,
	})}
}

// Invoke implements lambda.Handler.
func (h *handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	event, err := keeper.ParseEvent(payload)
	if err != nil {
		return nil, err
	}
	if event.Rotation != nil {
		return nil, &keeper.EventError{Reason: "a Secrets Manager rotation event is the rotator's, and this is the minter; make the rotator the secret's rotation function"}
	}
	report, err := h.keeper.Run(ctx, event)
	if err != nil {
		return nil, err
	}
	return json.Marshal(report)
}
