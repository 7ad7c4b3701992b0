package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// fleet is many targets of one function, each with a token to keep in a secret of
// its own.
type fleet struct {
	targets int
	// due tokens are to be replaced, all of them; otherwise none is.
	due bool
	// latency is what every call to Google and to Secrets Manager takes.
	latency time.Duration
	// federated targets are the minter's; otherwise each is a service account, and
	// the rotator's.
	federated bool
}

// keeper is the function whose targets they are.
func (f fleet) keeper() executable {
	if f.federated {
		return minter
	}
	return rotator
}

// What bounds both functions.
const (
	batchSize       = 20 // secrets that one BatchGetSecretValue reads
	readers         = 4  // batches that it reads at once
	workers         = 16 // targets that it works on at once
	writesPerSecond = 50 // Secrets Manager's quota
)

func (f fleet) String() string { return thousands(f.targets) + " " + f.kind() }

// kind is what the targets are.
func (f fleet) kind() string {
	kind := f.state() + " service account"
	if f.federated {
		kind = f.state() + " federated token"
	}
	if f.targets != 1 {
		kind += "s"
	}
	return kind
}

func (f fleet) state() string {
	if f.due {
		return "due"
	}
	return "fresh"
}

// needed are the calls without which a run cannot do.
func (f fleet) needed() calls {
	needed := calls{"BatchGetSecretValue": rounds(f.targets, batchSize)}
	if !f.due {
		return needed
	}
	needed["PutSecretValue"], needed["exchange"] = f.targets, f.targets
	if !f.federated {
		needed["exchange"], needed["generateAccessToken"] = 1, f.targets
	}
	return needed
}

// bound is the time of a run whose own work takes none: what latency, the quota
// of writes and the function's concurrency leave it. That is the batches, the
// exchange that service accounts share, and whichever takes longer of
//
//   - the quota: the first minting (an impersonation, or a federated token's
//     exchange), the writes one after the other at an even pace, and what the last
//     of them takes
//   - the workers: a minting and a write for each target
func (f fleet) bound() time.Duration {
	bound := f.latency * time.Duration(rounds(rounds(f.targets, batchSize), readers))
	if !f.due {
		return bound
	}
	if !f.federated {
		bound += f.latency
	}
	quota := f.latency + time.Second/writesPerSecond*time.Duration(f.targets-1) + f.latency
	return bound + max(quota, 2*f.latency*time.Duration(rounds(f.targets, workers)))
}

// rounds is how often so many at once have to begin until n are done.
func rounds(n, atOnce int) int { return (n + atOnce - 1) / atOnce }

func email(account int) string {
	return fmt.Sprintf("reports-%05d@analytics-production.iam.gserviceaccount.com", account)
}

func secretOf(account int) string { return "wifmint/" + email(account) }

// document is the targets as a config document has them.
func (f fleet) document() []object {
	if f.federated {
		return federatedTargets(f.targets)
	}
	list := make([]object, f.targets)
	for i := range list {
		list[i] = object{"name": fmt.Sprintf("reports-%05d", i), "secret": secretOf(i), "service_account": email(i), "scopes": []string{scope}}
	}
	return list
}

// cloud makes a cloud in which the targets' secrets hold tokens already, so
// that a run has none to create, and which takes as many writes as AWS.
func (f fleet) cloud() (*fakecloud.Cloud, error) {
	cloud := newCloud()
	minted := time.Now()
	if f.due {
		minted = minted.Add(-50 * time.Minute) // of an hour
	}
	for i, target := range f.document() {
		token := storedToken(email(i), minted)
		if f.federated {
			token.Kind, token.Principal = tokenstore.Federated, audience
		} else {
			cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: email(i)})
		}
		text, err := token.Encode()
		if err != nil {
			return nil, err
		}
		cloud.PutSecret(target["secret"].(string), string(text))
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
