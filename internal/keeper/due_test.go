package keeper

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

var minted = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

// stored is a secret with a one-hour token of the identity, minted at minted.
func stored(id tokenstore.Token) tokenstore.Current {
	id.Value, id.MintedAt, id.Expiry = secret.New("ya29.x"), minted, minted.Add(time.Hour)
	return tokenstore.Current{SecretID: "s", ARN: "arn", VersionID: "v", Token: id}
}

func TestWhenATokenIsDue(t *testing.T) {
	t.Parallel()
	target := Target{Name: "a", Secret: "wifmint/a", RefreshAt: DefaultRefreshAt}
	want := tokenstore.Token{Target: "a", Kind: tokenstore.Federated, TokenType: "Bearer", Principal: "p", Scopes: []string{"s1", "s2"}}
	other := func(change func(*tokenstore.Token), lifetime ...time.Duration) tokenstore.Current {
		id := want
		change(&id)
		current := stored(id)
		for _, d := range lifetime {
			current.Token.Expiry = minted.Add(d)
		}
		return current
	}
	for _, tc := range []struct {
		name    string
		current tokenstore.Current
		at      time.Duration // since minted
		due     bool
	}{
		{"a new token is not", stored(want), 0, false},
		{"nor with 71 % of its life left", stored(want), 1040 * time.Second, false},
		{"at two thirds it is, whatever the jitter", stored(want), 20 * time.Minute, true},
		{"an expired one is", stored(want), 2 * time.Hour, true},
		{"no secret is", tokenstore.Current{SecretID: "s"}, 0, true},
		{"one that does not parse is", tokenstore.Current{SecretID: "s", ARN: "arn", VersionID: "v", Malformed: errors.New("bad")}, 0, true},
		{"another kind is", other(func(t *tokenstore.Token) { t.Kind = tokenstore.AccessToken }), 0, true},
		{"another principal is", other(func(t *tokenstore.Token) { t.Principal = "q" }), 0, true},
		{"fewer scopes are", other(func(t *tokenstore.Token) { t.Scopes = []string{"s1"} }), 0, true},
		{"the same scopes in another order are not", other(func(t *tokenstore.Token) { t.Scopes = []string{"s2", "s1"} }), 0, false},
		{"a token minted in the future, by a clock that was a little ahead, is not", stored(want), -5 * time.Minute, false},
		{"one minted far in the future is, lest a wrong clock pins it", stored(want), -6 * time.Minute, true},
		{"one that lives longer than any token does is", other(func(t *tokenstore.Token) {}, 20*365*24*time.Hour), 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := Due(target, want, tc.current, minted.Add(tc.at)); got != tc.due {
				t.Errorf("got %v, want %v", got, tc.due)
			}
		})
	}
}

func TestJitterOnlyMakesARefreshEarlierByATenthOfTheWait(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		target := Target{Secret: rapid.String().Draw(t, "secret"), RefreshAt: rapid.Float64Range(0.01, 0.99).Draw(t, "refresh_at")}
		lifetime := time.Duration(rapid.IntRange(600, 43200).Draw(t, "lifetime")) * time.Second
		full := time.Duration((1 - target.RefreshAt) * float64(lifetime))
		got := wait(target, lifetime)
		if got > full || got < time.Duration(0.9*float64(full))-1 {
			t.Fatalf("waits %s of %s", got, full)
		}
		if again := wait(target, lifetime); again != got {
			t.Fatalf("waits %s, then %s", got, again)
		}
	})
}

func TestJitterSpreadsSecrets(t *testing.T) {
	t.Parallel()
	var buckets [10]int
	const n = 10_000
	for i := range n {
		buckets[int(jitter(fmt.Sprintf("wifmint/target-%d", i))/maxJitter*10)]++
	}
	for i, got := range buckets {
		if got < n/10*8/10 || got > n/10*12/10 {
			t.Errorf("bucket %d of 10 has %d of %d secrets", i, got, n)
		}
	}
}
