package main

import (
	"context"
	"log/slog"
	"os"
	"slices"

	"github.com/wifmint/wifmint/internal/doctor"
	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// handler is one invocation of the minter.
type handler struct {
	keeper *keeper.Keeper
	doctor doctor.Walk
}

func newHandler(env *keeper.Environment, log *slog.Logger) *handler {
	return &handler{
		keeper: keeper.New(keeper.Keeper{
			Function: "minter",
			Config:   env.Config,
			Owns:     keeper.Target.Federated,
			Minting:  func() keeper.MintFunc { return exchange(env.Credentials, log) },
			Store:    env.Store,
			Log:      log,
			Metrics:  &keeper.Metrics{Out: os.Stdout},
		}),
		doctor: doctor.Walk{Function: "minter", Environment: env, AWS: supplier.Default(os.Getenv), Getenv: os.Getenv},
	}
}

// Invoke implements lambda.Handler.
func (h *handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	event, err := keeper.ParseEvent(payload)
	if err != nil {
		return nil, err
	}
	switch {
	case event.Rotation != nil:
		return nil, &keeper.EventError{Reason: "a Secrets Manager rotation event is the rotator's, and this is the minter; make the rotator the secret's rotation function"}
	case event.Canary != nil:
		return nil, &keeper.EventError{Reason: "a canary is an account that must refuse the rotator, and this is the minter; send it to the rotator"}
	case event.Doctor:
		return keeper.Respond(h.doctor.Answer(ctx, event))
	}
	return keeper.Respond(h.keeper.Run(ctx, event))
}

// exchange mints each target's token on its own: they share nothing.
func exchange(credentials *externalaccount.Credentials, log *slog.Logger) keeper.MintFunc {
	return func(ctx context.Context, t keeper.Target) (keeper.MintedToken, error) {
		token, err := credentials.Exchange(ctx, t.Scopes)
		for _, scope := range t.Scopes {
			if err == nil && !slices.Contains(token.Scopes, scope) {
				log.LogAttrs(ctx, slog.LevelWarn, "Google granted the token without a scope that was asked for", slog.String("target", t.Name), slog.String("scope", scope))
			}
		}
		return keeper.MintedToken{Value: token.AccessToken, Expiry: token.Expiry}, err
	}
}
