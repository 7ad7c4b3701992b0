package oauth2adapter_test

import (
	"testing"

	"golang.org/x/oauth2"

	"github.com/wifmint/wifmint/pkg/internal/adaptertest"
	"github.com/wifmint/wifmint/pkg/oauth2adapter"
	"github.com/wifmint/wifmint/pkg/tokensource"
)

func tokensOf(t *testing.T, s *tokensource.Source, audience string) func() (adaptertest.Token, error) {
	var adapted oauth2.TokenSource
	if audience == "" {
		adapted = oauth2adapter.FromSource(t.Context(), s)
	} else {
		adapted = oauth2adapter.IDTokens(t.Context(), s, audience)
	}
	return func() (adaptertest.Token, error) {
		token, err := adapted.Token()
		if err != nil {
			return adaptertest.Token{}, err
		}
		return adaptertest.Token{Value: token.AccessToken, Type: token.Type(), Expiry: token.Expiry, Valid: token.Valid()}, nil
	}
}

func TestTheTokenOfASecret(t *testing.T) {
	t.Parallel()
	adaptertest.HasTheTokenOfASecret(t, tokensOf)
}

func TestASecretWithoutTheTokenIsATypedError(t *testing.T) {
	t.Parallel()
	adaptertest.FailsWithoutTheToken(t, tokensOf)
}
