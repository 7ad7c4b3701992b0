package keeper

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"

	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// maxJitter is the largest part by which the wait between two writes is cut
// short, so that secrets minted in one run do not stay due in one run for ever.
const maxJitter = 0.10

// Due reports whether a target's token has to be replaced at now. want is the
// identity that the document asks for: a stored token of another kind,
// principal, scopes or audience is due at once, as is none, one that does not
// parse, and one whose times no token of Google's can have.
func Due(t Target, want tokenstore.Token, current tokenstore.Current, now time.Time) bool {
	if !current.Usable() || !current.Token.Credible(now) || !current.Token.SameIdentity(want) {
		return true
	}
	lifetime := current.Token.Expiry.Sub(current.Token.MintedAt)
	remaining := current.Token.Expiry.Sub(now)
	return remaining <= lifetime-wait(t, lifetime)
}

// wait is how long after minting a token becomes due: the part of its lifetime
// that RefreshAt leaves, less a jitter of 0 to 10 % that is always the same
// for a secret. Jitter only ever makes a refresh earlier: at RefreshAt a token
// is due without exception.
func wait(t Target, lifetime time.Duration) time.Duration {
	return time.Duration((1 - t.RefreshAt) * (1 - jitter(t.Secret)) * float64(lifetime))
}

// jitter is in [0, maxJitter], evenly spread over secrets however alike their
// names are.
func jitter(secretID string) float64 {
	sum := sha256.Sum256([]byte(secretID))
	return maxJitter * float64(binary.BigEndian.Uint64(sum[:])) / math.MaxUint64
}
