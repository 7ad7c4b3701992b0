package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// fleet is many service accounts, each with an access token to keep in a
// secret of its own.
type fleet struct {
	// accounts is a multiple of batchSize: one that is left over would be read
	// with another call.
	accounts int
	// due tokens are to be replaced, all of them; otherwise none is.
	due bool
	// latency is what every call to Google and to Secrets Manager takes.
	latency time.Duration
}

// What bounds the rotator.
const (
	batchSize       = 20 // secrets that one BatchGetSecretValue reads
	readers         = 4  // batches that it reads at once
	workers         = 16 // accounts that it works on at once
	writesPerSecond = 50 // Secrets Manager's quota
)

func (f fleet) String() string {
	state := "fresh"
	if f.due {
		state = "due"
	}
	number := fmt.Sprint(f.accounts)
	if thousands := f.accounts / 1000; thousands > 0 {
		number = fmt.Sprintf("%d,%03d", thousands, f.accounts%1000)
	}
	return number + " " + state + " service accounts"
}

// needed are the calls without which a run cannot do.
func (f fleet) needed() calls {
	reads := f.accounts / batchSize
	if !f.due {
		return calls{"BatchGetSecretValue": reads}
	}
	return calls{"BatchGetSecretValue": reads, "exchange": 1, "generateAccessToken": f.accounts, "PutSecretValue": f.accounts}
}

// bound is the time of a run whose own work takes none: what latency, the quota
// of writes and the rotator's concurrency leave it. That is the batches, the
// exchange, and whichever takes longer of
//
//   - the quota: the first impersonation, the writes one after the other at an
//     even pace, and what the last of them takes
//   - the workers: an impersonation and a write for each account
func (f fleet) bound() time.Duration {
	reading := f.latency * times(f.accounts/batchSize, readers)
	if !f.due {
		return reading
	}
	exchanging := f.latency
	quota := f.latency + time.Second/writesPerSecond*time.Duration(f.accounts-1) + f.latency
	refreshing := max(quota, 2*f.latency*times(f.accounts, workers))
	return reading + exchanging + refreshing
}

// times is how often so many at once have to begin until n are done.
func times(n, atOnce int) time.Duration { return time.Duration((n + atOnce - 1) / atOnce) }

func email(account int) string {
	return fmt.Sprintf("reports-%05d@analytics-production.iam.gserviceaccount.com", account)
}

func secretOf(account int) string { return "wifmint/" + email(account) }

// targets are the rotator's.
func (f fleet) targets() []object {
	list := make([]object, f.accounts)
	for i := range list {
		list[i] = object{"name": fmt.Sprintf("reports-%05d", i), "secret": secretOf(i), "service_account": email(i), "scopes": []string{scope}}
	}
	return list
}

// cloud makes a cloud in which the accounts' secrets hold tokens already, so
// that a run has none to create, and which takes as many writes as AWS.
func (f fleet) cloud() (*fakecloud.Cloud, error) {
	cloud := newCloud()
	minted := time.Now()
	if f.due {
		minted = minted.Add(-50 * time.Minute) // of an hour
	}
	for i := range f.accounts {
		cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: email(i)})
		text, err := storedToken(email(i), minted).Encode()
		if err != nil {
			return nil, err
		}
		cloud.PutSecret(secretOf(i), string(text))
	}
	cloud.LimitWrites(writesPerSecond)
	for _, service := range []string{"google-sts", "iamcredentials", "secretsmanager"} {
		cloud.Fault(fakecloud.Fault{Service: service, Latency: f.latency})
	}
	return cloud, nil
}

// tokenSize in bytes makes stored tokens larger than most of Google's, for what
// they weigh in memory.
const tokenSize = 2048

func storedToken(account string, minted time.Time) tokenstore.Token {
	return tokenstore.Token{
		Kind: tokenstore.AccessToken, Target: account, TokenType: "Bearer", Principal: account, Scopes: []string{scope},
		Value: secret.New("ya29." + strings.Repeat("x", tokenSize-len("ya29."))), MintedAt: minted, Expiry: minted.Add(time.Hour),
	}
}
