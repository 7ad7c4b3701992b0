package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	// minStoredLife is how much of its life the minter's token must have left to
	// be used: more than most runs take.
	minStoredLife = 5 * time.Minute
	// minBearerLife is when a long run gives it up after all.
	minBearerLife = time.Minute
	// storedTimeout bounds the reading of the minter's secret, without which a run
	// does well, only one exchange slower.
	storedTimeout = 5 * time.Second
)

// Impersonation mints the rotator's tokens: it impersonates service accounts
// with the federated token that the minter keeps or, if there is none to be had,
// one that it exchanges itself.
type Impersonation struct {
	Environment *Environment
	// Log nil means none.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Minting is a [Keeper]'s. A run's targets share one federated token, which is
// got when the first of them needs it: with one read at most, and one exchange
// at most, whose failure is that of all of them.
func (i *Impersonation) Minting() MintFunc {
	b := &bearers{Impersonation: i, turn: make(chan struct{}, 1)}
	return func(ctx context.Context, t Target) (MintedToken, error) {
		for {
			bearer, err := b.get(ctx)
			if err != nil {
				return MintedToken{}, err
			}
			token, err := i.impersonate(ctx, bearer.value, t)
			if !unauthenticated(err) || !b.giveUp(bearer) {
				return MintedToken{token.Value, token.Expiry}, err
			}
		}
	}
}

// unauthenticated reports whether Google does not accept the federated token.
func unauthenticated(err error) bool {
	e, ok := errors.AsType[*impersonate.Error](err)
	return ok && e.HTTPStatus == http.StatusUnauthorized
}

func (i *Impersonation) impersonate(ctx context.Context, bearer secret.Text, t Target) (impersonate.Token, error) {
	if t.IDTokenAudience != "" {
		return i.Environment.IAM.IDToken(ctx, bearer, impersonate.IDTokenRequest{
			ServiceAccount: t.ServiceAccount, Delegates: t.Delegates, Audience: t.IDTokenAudience, IncludeEmail: true,
		})
	}
	return i.Environment.IAM.AccessToken(ctx, bearer, impersonate.AccessTokenRequest{
		ServiceAccount: t.ServiceAccount, Delegates: t.Delegates, Scopes: t.Scopes, Lifetime: t.Lifetime,
	})
}

// bearers are the federated tokens of one run: the minter's, as long as it
// serves, then the run's own.
type bearers struct {
	*Impersonation
	// turn holds an element while somebody is at the fields below: a lock that a
	// context can end the waiting for.
	turn      chan struct{}
	read      bool   // the minter's secret
	stored    bearer // in it; zero if that does not serve
	exchanged bool
	own       bearer
	err       error // of the exchange
}

// bearer is a federated token. The zero bearer is none.
type bearer struct {
	value  secret.Text
	expiry time.Time
}

var errPanicked = errors.New("exchanging the federated token that the run shares panicked; this is a bug, and the log has the stack")

func (b *bearers) get(ctx context.Context) (bearer, error) {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return bearer{}, fmt.Errorf("waiting for the federated token that the run shares: %w", errNoTime)
	}
	if !b.read {
		b.read = true
		b.stored = b.readStored(ctx)
	}
	if b.stored.expiry.Sub(b.now()) >= minBearerLife {
		return b.stored, nil
	}
	if !b.exchanged {
		b.exchanged, b.err = true, errPanicked // unless it returns
		b.own, b.err = b.exchange(ctx)
	}
	return b.own, b.err
}

// giveUp reports whether there is another token to try in a refused one's place.
func (b *bearers) giveUp(refused bearer) bool {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	if !b.stored.value.IsZero() && b.stored.value.Equal(refused.value) {
		b.stored = bearer{}
	}
	return !b.own.value.Equal(refused.value)
}

func (i *Impersonation) exchange(ctx context.Context) (bearer, error) {
	token, err := i.Environment.Credentials.Exchange(ctx, []string{CloudPlatformScope})
	return bearer{token.AccessToken, token.Expiry}, err
}

// readStored reads the minter's secret. Whatever is wrong with it, the run goes
// on without.
func (i *Impersonation) readStored(ctx context.Context) bearer {
	config := i.Environment.Config
	at := slices.IndexFunc(config.Targets, func(t Target) bool { return t.Federated() && slices.Contains(t.Scopes, CloudPlatformScope) })
	if at < 0 {
		return bearer{}
	}
	minters := config.Targets[at]
	ctx, cancel := context.WithTimeout(ctx, storedTimeout)
	defer cancel()
	current, err := i.Environment.Store.Read(ctx, minters.Secret)
	if err != nil && i.Log != nil {
		i.Log.LogAttrs(ctx, slog.LevelWarn, "the minter's token cannot be read, exchanging instead",
			slog.String("target", minters.Name), slog.String("secret", minters.Secret), slog.Any("error", failure(err)))
	}
	if err != nil || unfit(current, config.Identity(minters), i.now(), minStoredLife) != nil {
		return bearer{}
	}
	return bearer{current.Token.Value, current.Token.Expiry}
}

func (i *Impersonation) now() time.Time {
	if i.Now == nil {
		return time.Now()
	}
	return i.Now()
}

// unfit tells why what a secret holds is not a token of the identity that lives
// for a while from now; nil if it is.
func unfit(c tokenstore.Current, want tokenstore.Token, now time.Time, life time.Duration) error {
	switch {
	case c.VersionID == "":
		return errors.New("it has no value")
	case c.Malformed != nil:
		return c.Malformed
	case !c.Token.SameIdentity(want):
		return errors.New("its token is not of the kind, account, scopes or audience that the config document asks for")
	case !c.Token.Credible(now):
		return errors.New("no token of Google's has the times that it says")
	case c.Token.Expiry.Before(now.Add(life)):
		return errors.New("its token expires at " + c.Token.Expiry.Format(time.RFC3339))
	}
	return nil
}
