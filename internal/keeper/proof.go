package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/tokeninfo"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// proofSlack is how far what Google tells of a token's expiry may lie from what
// is stored: the store has whole seconds of a moment that was counted elsewhere.
const proofSlack = time.Minute

// prove has Google say that a stored token is what it is stored as.
func (s *step) prove(ctx context.Context, token tokenstore.Token) error {
	ask := s.TokenInfo.AccessToken
	if token.Kind == tokenstore.IDToken {
		ask = s.TokenInfo.IDToken
	}
	info, err := ask(ctx, token.Value)
	if err != nil {
		return err
	}
	if info.Email == "" {
		// Only the number of the account is told, which the config document does
		// not have. That it is the right account rests on whom IAM was asked for.
		s.Log.LogAttrs(ctx, slog.LevelDebug, "tokeninfo tells no email", slog.String("target", s.target.Name), slog.String("subject", info.Subject))
	}
	if wrong := disagreement(info, token, s.Now()); wrong != "" {
		return &stepError{string(externalaccount.LegImpersonate), tokenMismatch, "Google's tokeninfo disagrees with the stored token: " + wrong}
	}
	return nil
}

const tokenMismatch = "token_mismatch"

// refuted reports whether prove had an answer, and it was no.
func refuted(err error) bool {
	if wrong, ok := errors.AsType[*stepError](err); ok {
		return wrong.code == tokenMismatch
	}
	refused, ok := errors.AsType[*tokeninfo.Error](err)
	return ok && refused.Code == "invalid_token"
}

// disagreement tells the first thing in which Google's word differs from what is
// stored; empty if there is none.
func disagreement(info tokeninfo.Info, token tokenstore.Token, now time.Time) string {
	switch {
	case !info.Expiry.After(now):
		return "it expired at " + info.Expiry.Format(time.RFC3339)
	case info.Expiry.Sub(token.Expiry).Abs() > proofSlack:
		return fmt.Sprintf("it expires at %s, not at %s", info.Expiry.Format(time.RFC3339), token.Expiry.Format(time.RFC3339))
	case token.Kind == tokenstore.IDToken && info.Email == "":
		return "it does not tell the account's email, which every ID token of the rotator's does"
	case info.Email != "" && !strings.EqualFold(info.Email, token.Principal):
		return fmt.Sprintf("it is of the account %.254q, not %q", info.Email, token.Principal)
	case token.Kind == tokenstore.IDToken && info.Audience != token.Audience:
		return fmt.Sprintf("its audience is %.200q, not %q", info.Audience, token.Audience)
	}
	for _, scope := range token.Scopes {
		if !slices.Contains(info.Scopes, scope) && !slices.Contains(info.Scopes, longScope(scope)) {
			return fmt.Sprintf("it lacks the scope %q", scope)
		}
	}
	return ""
}

// longScope is what Google makes of the two OpenID scopes that are short for URLs.
// https://developers.google.com/identity/protocols/oauth2/scopes#google-sign-in
func longScope(scope string) string {
	switch scope {
	case "email", "profile":
		return "https://www.googleapis.com/auth/userinfo." + scope
	}
	return scope
}
