package metadata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// defaultAccount is the first secret's account, whatever its name.
const defaultAccount = "default"

// readConcurrency bounds how many secrets one request reads at once.
const readConcurrency = 8

// betterTime is how long a request that has a token waits for one that fits better.
// It is more than the second from which on a tokensource holds a read that was
// given up against the store: nobody waits then until it reads again, 5 s later.
const betterTime = 1200 * time.Millisecond

// kept is one secret.
type kept struct {
	source tokensource.Source
	// expired is the same secret by a clock that is slow by a century, so that it has
	// a token that has expired too. That is never given out.
	expired tokensource.Source
	// seen is the token it held last, nil before the first. It tells whose token it
	// is and may have expired: what is given out comes from source.
	seen atomic.Pointer[token]
}

func newKept(id string, reader tokensource.Reader) *kept {
	const century = 100 * 365 * 24 * time.Hour
	return &kept{
		source:  tokensource.Source{Secret: id, Reader: reader},
		expired: tokensource.Source{Secret: id, Reader: reader, Now: func() time.Time { return time.Now().Add(-century) }},
	}
}

// token is a stored token and the name of its account. It does not change.
type token struct {
	tokenstore.Token
	account string
}

// token is the secret's token, which is good. It fails with a *tokensource.Error.
func (k *kept) token(ctx context.Context) (*token, error) {
	stored, err := k.source.Token(ctx)
	if err != nil {
		k.seeExpired(ctx, err)
		return nil, err
	}
	if last := k.seen.Load(); last != nil && last.Value == stored.Value {
		return last, nil
	}
	now := &token{stored, accountName(stored.Principal)}
	k.seen.Store(now)
	return now, nil
}

// seeExpired finds out whose token it is that had expired when it was first read.
func (k *kept) seeExpired(ctx context.Context, err error) {
	if e, ok := errors.AsType[*tokensource.Error](err); !ok || e.Expiry.IsZero() || k.seen.Load() != nil {
		return
	}
	if stored, err := k.expired.Token(ctx); err == nil {
		k.seen.CompareAndSwap(nil, &token{stored, accountName(stored.Principal)})
	}
}

// errNone says that every secret was read and none holds what is wanted.
var errNone = errors.New("no secret holds such a token")

// wish tells how well a token fits a request: 0 is not at all, and best is when
// none can fit better. Own tells whether it is one of the account asked for.
type wish func(t *token, own bool) (fit int, best bool)

// anyToken prefers an access token, which has scopes to tell.
func anyToken(t *token, own bool) (fit int, best bool) {
	switch {
	case !own:
		return 0, false
	case t.Kind == tokenstore.IDToken:
		return 1, false
	}
	return 2, true
}

// accessTokenWith prefers the token that has most of the scopes.
func accessTokenWith(scopes []string) wish {
	return func(t *token, own bool) (fit int, best bool) {
		if !own || t.Kind == tokenstore.IDToken {
			return 0, false
		}
		has := 0
		for _, scope := range scopes {
			if slices.Contains(t.Scopes, scope) {
				has++
			}
		}
		return 1 + has, has == len(scopes)
	}
}

// idTokenFor takes another account's token where the default one is asked for.
func idTokenFor(audience, account string) wish {
	return func(t *token, own bool) (fit int, best bool) {
		switch {
		case t.Kind != tokenstore.IDToken || t.Audience != audience:
			return 0, false
		case own:
			return 2, true
		case account == defaultAccount:
			return 1, false
		}
		return 0, false
	}
}

// token returns the token that fits best. It fails with errNone if there is none.
func (s *server) token(ctx context.Context, account string, fits wish) (*token, error) {
	for range 2 { // again if the secret turns out to hold another token by now
		k, err := s.find(ctx, account, fits)
		if err != nil {
			return nil, err
		}
		t, err := k.token(ctx)
		if err != nil {
			return nil, err
		}
		if fit, _ := fits(t, s.owns(account, t)); fit > 0 {
			return t, nil
		}
	}
	return nil, errors.New("choosing a token: the secrets keep changing: ask again")
}

// find returns the secret whose token fits best. While one that was seen fits as
// well as any can, no other is read, and while one fits at all, those that were
// never seen are read in a bounded time: what is wrong with one secret is nothing
// to the requests that do not need it.
func (s *server) find(ctx context.Context, account string, fits wish) (*kept, error) {
	if first := s.secrets[0]; account == defaultAccount && first.seen.Load() == nil {
		if _, err := first.token(ctx); first.seen.Load() == nil {
			return nil, err
		}
	}
	found, best := s.bestSeen(account, fits)
	if best {
		return found, nil
	}
	secrets := s.secrets
	if found != nil {
		secrets = s.unseen()
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, betterTime)
		defer cancel()
	}
	unread := readEach(ctx, secrets)
	if k, _ := s.bestSeen(account, fits); k != nil {
		return k, nil
	}
	if unread != nil {
		return nil, unread // it may be in there
	}
	return nil, errNone
}

// bestSeen is find among what was seen. Of equals the earlier secret is it.
func (s *server) bestSeen(account string, fits wish) (found *kept, best bool) {
	most := 0
	for _, k := range s.secrets {
		t := k.seen.Load()
		if t == nil {
			continue
		}
		fit, best := fits(t, s.owns(account, t))
		if best {
			return k, true
		}
		if fit > most {
			most, found = fit, k
		}
	}
	return found, false
}

// owns reports whether t is a token of the account.
func (s *server) owns(account string, t *token) bool {
	if account == defaultAccount {
		first := s.secrets[0].seen.Load()
		return first != nil && first.account == t.account
	}
	return t.account == account
}

// unseen are the secrets of which nothing is known.
func (s *server) unseen() []*kept {
	var unseen []*kept
	for _, k := range s.secrets {
		if k.seen.Load() == nil {
			unseen = append(unseen, k)
		}
	}
	return unseen
}

// readEach asks the secrets for their tokens, which for those that were read
// lately is a matter of memory. It fails if one that was never seen cannot be read.
func readEach(ctx context.Context, secrets []*kept) error {
	errs := make([]error, len(secrets))
	var group errgroup.Group
	group.SetLimit(readConcurrency)
	for i, k := range secrets {
		group.Go(func() error {
			if _, err := k.token(ctx); err != nil && k.seen.Load() == nil {
				errs[i] = err
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// accountNames are the accounts that were seen, in the order of their secrets.
func (s *server) accountNames() []string {
	var names []string
	for _, k := range s.secrets {
		if t := k.seen.Load(); t != nil && !slices.Contains(names, t.account) {
			names = append(names, t.account)
		}
	}
	return names
}

// accountName is a service account's email, or for a workload identity provider
//
//	//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/POOL/providers/P
//
// the domain name that Google gives its pool. Whatever else a principal may be has
// its slashes replaced: the name is one segment of a path.
func accountName(principal string) string {
	part := strings.Split(strings.TrimPrefix(principal, "//"), "/")
	if len(part) == 9 && part[1] == "projects" && part[5] == "workloadIdentityPools" {
		return fmt.Sprintf("%s.%s.%s.workload.id.goog", part[6], part[4], part[2])
	}
	return strings.Join(part, ".")
}
