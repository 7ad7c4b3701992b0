package cloudauthadapter_test

import (
	"testing"

	"github.com/wifmint/wifmint/pkg/cloudauthadapter"
	"github.com/wifmint/wifmint/pkg/internal/adaptertest"
	"github.com/wifmint/wifmint/pkg/tokensource"
)

func tokensOf(t *testing.T, s *tokensource.Source, audience string) func() (adaptertest.Token, error) {
	provider := cloudauthadapter.FromSource(s)
	if audience != "" {
		provider = cloudauthadapter.IDTokens(s, audience)
	}
	credentials := provider.Credentials()
	return func() (adaptertest.Token, error) {
		token, err := credentials.Token(t.Context())
		if err != nil {
			return adaptertest.Token{}, err
		}
		return adaptertest.Token{Value: token.Value, Type: token.Type, Expiry: token.Expiry, Valid: token.IsValid()}, nil
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
