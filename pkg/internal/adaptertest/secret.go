package adaptertest

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	// Secret is the name of the one that Source reads.
	Secret = "wifmint/reports"
	// Service is whom ID tokens are for.
	Service = "https://reports.example.run.app"
)

// Source reads the secret as the function.
func (w World) Source() *tokensource.Source {
	return &tokensource.Source{Secret: Secret, Reader: &tokenstore.Store{Client: tokenstore.NewClient(tokenstore.Options{
		Region: "eu-west-1", Credentials: supplier.SDK(supplier.Default(Getenv)), HTTPClient: &http.Client{Transport: w},
	})}}
}

// Holds puts a token into the secret: an ID token if there is an audience.
func (w World) Holds(t *testing.T, value, audience string) tokenstore.Token {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	token := tokenstore.Token{
		Target: "reports", Kind: tokenstore.AccessToken, TokenType: "Bearer", Value: secret.New(planted + value),
		MintedAt: now, Expiry: now.Add(time.Hour), Principal: account, Scopes: []string{Scope},
		ProjectID: "stored-project", UniverseDomain: "example.cloud",
	}
	if audience != "" {
		token.Kind, token.Scopes, token.Audience = tokenstore.IDToken, nil, audience
	}
	data, err := token.Encode()
	if err != nil {
		t.Fatal(err)
	}
	w.PutSecret(Secret, string(data))
	return token
}

// Shelf is a secret that holds a token of a kind, minted just now.
type Shelf tokenstore.Kind

func (s Shelf) ReadStage(context.Context, string, string) (tokenstore.Current, error) {
	now := time.Now()
	token := tokenstore.Token{Kind: tokenstore.Kind(s), TokenType: "Bearer", Value: secret.New("ya29.example"), MintedAt: now, Expiry: now.Add(time.Hour), Principal: account}
	if token.Kind == tokenstore.IDToken {
		token.Audience = "https://api.example.run.app"
	}
	return tokenstore.Current{VersionID: "1", Token: token}, nil
}

// Token is a token as a library has it.
type Token struct {
	Value, Type string
	Expiry      time.Time
	Valid       bool
}

// TokensOf are a library's that come from a secret: ID tokens if there is an
// audience.
type TokensOf func(t *testing.T, s *tokensource.Source, audience string) func() (Token, error)

// HasTheTokenOfASecret checks that the library has what the secret holds, as it is,
// and until it is about to expire.
func HasTheTokenOfASecret(t *testing.T, tokensOf TokensOf) {
	t.Helper()
	for name, audience := range map[string]string{"an access token": "", "an ID token": Service} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := NewWorld()
				token := tokensOf(t, w.Source(), audience)
				for _, value := range []string{"first", "second"} {
					stored := w.Holds(t, value, audience)
					for range 2 {
						got, err := token()
						if err != nil || got.Value != planted+value || got.Type != "Bearer" || !got.Expiry.Equal(stored.Expiry) || !got.Valid {
							t.Fatalf("not the %s token, or not as it is: %s until %v, %v", value, got.Type, got.Expiry, err)
						}
					}
					Until(stored.Expiry, time.Minute)
				}
				if n := w.Count("secretsmanager", "GetSecretValue"); n != 2 {
					t.Errorf("%d reads, want 2", n)
				}
			})
		})
	}
}

// FailsWithoutTheToken checks that the library hands on why there is none.
func FailsWithoutTheToken(t *testing.T, tokensOf TokensOf) {
	t.Helper()
	for _, tt := range []struct{ name, holds, wants string }{
		{"none at all", "nothing", ""},
		{"an ID token in place of an access token", Service, ""},
		{"an ID token for somebody else", "https://other.example.run.app", Service},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := NewWorld()
			if tt.holds != "nothing" {
				w.Holds(t, "token", tt.holds)
			}
			_, err := tokensOf(t, w.Source(), tt.wants)()
			if !isA[*tokensource.Error](err) {
				t.Fatalf("%v, want an error of the source's", err)
			}
			w.KeepsSecrets(t, err)
		})
	}
}
