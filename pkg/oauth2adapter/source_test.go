package oauth2adapter_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/wifmint/wifmint/pkg/oauth2adapter"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	secretName = "wifmint/reports"
	service    = "https://reports.example.run.app"
)

// source reads the secret as the function.
func (w world) source() *tokensource.Source {
	return &tokensource.Source{Secret: secretName, Reader: &tokenstore.Store{Client: tokenstore.NewClient(tokenstore.Options{
		Region: "eu-west-1", Credentials: supplier.SDK(environment(lambda)), HTTPClient: &http.Client{Transport: w},
	})}}
}

// holds puts a token into the secret: an ID token if there is an audience.
func (w world) holds(t testing.TB, value, audience string) tokenstore.Token {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	token := tokenstore.Token{
		Target: "reports", Kind: tokenstore.AccessToken, TokenType: "Bearer", Value: secret.New(planted + value),
		MintedAt: now, Expiry: now.Add(time.Hour), Principal: reports, Scopes: []string{bigquery},
	}
	if audience != "" {
		token.Kind, token.Scopes, token.Audience = tokenstore.IDToken, nil, audience
	}
	data, err := token.Encode()
	if err != nil {
		t.Fatal(err)
	}
	w.PutSecret(secretName, string(data))
	return token
}

func TestTheTokenOfASecret(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, audience string
		source         func(*testing.T, world) oauth2.TokenSource
	}{
		{"an access token", "", func(t *testing.T, w world) oauth2.TokenSource {
			return oauth2adapter.FromSource(t.Context(), w.source())
		}},
		{"an ID token", service, func(t *testing.T, w world) oauth2.TokenSource {
			return oauth2adapter.IDTokens(t.Context(), w.source(), service)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				source := tt.source(t, w)
				for _, value := range []string{"first", "second"} {
					stored := w.holds(t, value, tt.audience)
					for range 2 {
						got, err := source.Token()
						if err != nil {
							t.Fatal(err)
						}
						if got.AccessToken != planted+value || got.Type() != "Bearer" || !got.Expiry.Equal(stored.Expiry) || !got.Valid() {
							t.Errorf("not the %s token, or not as it is: %s until %v", value, got.Type(), got.Expiry)
						}
					}
					until(stored.Expiry, time.Minute)
				}
				if n := w.Count("secretsmanager", "GetSecretValue"); n != 2 {
					t.Errorf("%d reads, want 2", n)
				}
			})
		})
	}
}

func TestASecretWithoutTheTokenIsATypedError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		source func(*testing.T, world) oauth2.TokenSource
	}{
		{"none at all", func(t *testing.T, w world) oauth2.TokenSource {
			return oauth2adapter.FromSource(t.Context(), w.source())
		}},
		{"an ID token in place of an access token", func(t *testing.T, w world) oauth2.TokenSource {
			w.holds(t, "token", service)
			return oauth2adapter.FromSource(t.Context(), w.source())
		}},
		{"an ID token for somebody else", func(t *testing.T, w world) oauth2.TokenSource {
			w.holds(t, "token", "https://other.example.run.app")
			return oauth2adapter.IDTokens(t.Context(), w.source(), service)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			_, err := transport(w, tt.source(t, w)).Get(api)
			if !isA[*tokensource.Error](err) {
				t.Fatalf("%v, want an error of the source's", err)
			}
			keepsSecrets(t, w, err)
		})
	}
}
