package metadata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// defaultAccount is the first secret's account, whatever its name.
const defaultAccount = "default"

// readConcurrency bounds how many secrets one request reads at once.
const readConcurrency = 8

// kept is one secret.
type kept struct {
	source tokensource.Source
	// seen is the token it held last, nil before the first. It tells whose token it
	// is and may have expired: what is given out comes from source.
	seen atomic.Pointer[token]
}

// token is a stored token and the name of its account. It does not change.
type token struct {
	tokenstore.Token
	account string
}

func (k *kept) token(ctx context.Context) (*token, error) {
	stored, err := k.source.Token(ctx)
	if err != nil {
		return nil, err
	}
	if last := k.seen.Load(); last != nil && last.Value == stored.Value {
		return last, nil
	}
	now := &token{stored, accountName(stored.Principal)}
	k.seen.Store(now)
	return now, nil
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
// well as any can, no other is read: what is wrong with one secret is nothing to
// the requests that do not need it.
func (s *server) find(ctx context.Context, account string, fits wish) (*kept, error) {
	if first := s.secrets[0]; account == defaultAccount && first.seen.Load() == nil {
		if _, err := first.token(ctx); err != nil {
			return nil, err
		}
	}
	if k, best := s.bestSeen(account, fits); best {
		return k, nil
	}
	unread := s.readAll(ctx)
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

// readAll asks every secret for its token, which for those that were read lately
// is a matter of memory. It fails if one that was never seen cannot be read.
func (s *server) readAll(ctx context.Context) error {
	errs := make([]error, len(s.secrets))
	var group errgroup.Group
	group.SetLimit(readConcurrency)
	for i, k := range s.secrets {
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
