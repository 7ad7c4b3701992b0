package tokensource_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// outcome is what a caller gets.
type outcome struct {
	token string // "old", "new", or "" for an error
	calls int
}

// For every second of a token's life, whatever happened to the secret meanwhile,
// the outcome is that of the table.
func TestEverySecondOfATokensLife(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		happens     func(t *testing.T, w *world, old, renewed tokenstore.Token)
		stale, late outcome // with 225 s to 30 s left, and with less
		retryable   bool    // the error
	}{
		"nothing": {
			func(*testing.T, *world, tokenstore.Token, tokenstore.Token) {},
			outcome{"old", 1}, outcome{"", 2}, true,
		},
		"the functions replace it": {
			func(_ *testing.T, w *world, _, renewed tokenstore.Token) { w.holds(renewed) },
			outcome{"new", 1}, outcome{"new", 1}, true,
		},
		"they replace it, and somebody moves AWSCURRENT back": {
			func(_ *testing.T, w *world, old, renewed tokenstore.Token) { w.holds(renewed); w.holds(old) },
			outcome{"old", 1}, outcome{"new", 2}, true,
		},
		"they replace it, and somebody puts a password there": {
			func(_ *testing.T, w *world, _, renewed tokenstore.Token) {
				w.holds(renewed)
				w.cloud.PutSecret(name, planted)
			},
			outcome{"new", 2}, outcome{"new", 2}, true,
		},
		"somebody puts a password there": {
			func(_ *testing.T, w *world, _, _ tokenstore.Token) { w.cloud.PutSecret(name, planted) },
			outcome{"old", 2}, outcome{"", 2}, true,
		},
		"Secrets Manager is down": {
			func(_ *testing.T, w *world, _, _ tokenstore.Token) { w.down() },
			outcome{"old", 1}, outcome{"", 1}, true,
		},
		"the role may not read it any longer": {
			func(_ *testing.T, w *world, _, _ tokenstore.Token) { w.cloud.Deny("GetSecretValue", name) },
			outcome{"old", 2}, outcome{"", 2}, false,
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				old := w.minted(1)
				renewed := w.minted(2)
				renewed.Expiry = renewed.Expiry.Add(2 * time.Hour)
				w.holds(old)
				tc.happens(t, w, old, renewed)
				for left := 3600 * time.Second; left > -5*time.Second; left -= time.Second {
					want := tc.late
					switch {
					case left > 225*time.Second:
						want = outcome{"old", 0}
					case left >= 30*time.Second:
						want = tc.stale
					}
					w.cloud.ResetCalls()
					got, err := w.remembering(t, old).Token(t.Context())
					if n := w.reads(); n != want.calls {
						t.Errorf("%v left: %d calls, want %d", left, n, want.calls)
					}
					switch want.token {
					case "old":
						wantToken(t, old)(got, err)
					case "new":
						wantToken(t, renewed)(got, err)
					default:
						if e := wantError(t, err, tc.retryable, ""); !e.Expiry.Equal(old.Expiry) || !got.Value.IsZero() {
							t.Errorf("%v left: got %v and an error with expiry %v", left, got.Value, e.Expiry)
						}
					}
					if t.Failed() {
						t.Fatalf("with %v left", left)
					}
					time.Sleep(time.Second)
				}
			})
		})
	}
}

// remembering is a Source that read the token when it was minted, and from now on
// asks Secrets Manager, once a call.
func (w *world) remembering(t *testing.T, token tokenstore.Token) *tokensource.Source {
	t.Helper()
	store := w.impatient()
	began := false
	now := token.MintedAt
	s := &tokensource.Source{
		Secret: name,
		Reader: readerFunc(func(ctx context.Context, stage string) (tokenstore.Current, error) {
			if began {
				return store.ReadStage(ctx, name, stage)
			}
			return tokenstore.Current{SecretID: name, VersionID: "1", Token: token}, nil
		}),
		Now: func() time.Time { return now },
	}
	wantToken(t, token)(s.Token(t.Context()))
	began, now = true, time.Now()
	return s
}
