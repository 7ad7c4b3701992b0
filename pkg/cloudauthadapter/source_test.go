package cloudauthadapter_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/auth"

	"github.com/wifmint/wifmint/pkg/cloudauthadapter"
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
		ProjectID: "stored-project", UniverseDomain: "example.cloud",
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
		source         func(*testing.T, world) *auth.Credentials
	}{
		{"an access token", "", func(_ *testing.T, w world) *auth.Credentials {
			return cloudauthadapter.FromSource(w.source()).Credentials()
		}},
		{"an ID token", service, func(_ *testing.T, w world) *auth.Credentials {
			return cloudauthadapter.IDTokens(w.source(), service).Credentials()
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
						got, err := source.Token(t.Context())
						if err != nil {
							t.Fatal(err)
						}
						if got.Value != planted+value || got.Type != "Bearer" || !got.Expiry.Equal(stored.Expiry) || !got.IsValid() {
							t.Errorf("not the %s token, or not as it is: %s until %v", value, got.Type, got.Expiry)
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
		source func(*testing.T, world) *auth.Credentials
	}{
		{"none at all", func(_ *testing.T, w world) *auth.Credentials {
			return cloudauthadapter.FromSource(w.source()).Credentials()
		}},
		{"an ID token in place of an access token", func(t *testing.T, w world) *auth.Credentials {
			w.holds(t, "token", service)
			return cloudauthadapter.FromSource(w.source()).Credentials()
		}},
		{"an ID token for somebody else", func(t *testing.T, w world) *auth.Credentials {
			w.holds(t, "token", "https://other.example.run.app")
			return cloudauthadapter.IDTokens(w.source(), service).Credentials()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			_, err := w.client(t, tt.source(t, w), "").Get(api)
			if !isA[*tokensource.Error](err) {
				t.Fatalf("%v, want an error of the source's", err)
			}
			keepsSecrets(t, w, err)
		})
	}
}
