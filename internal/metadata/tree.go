package metadata

import (
	"cmp"
	"context"
	"errors"
)

// tree is everything but the single accounts, which [server.answer] finds by
// name, so that asking for one does not read the others.
func (s *server) tree() directory {
	return directory{{"computeMetadata", directory{{"v1", directory{
		{"instance", directory{{"service-accounts", listing(s.accounts)}}},
		{"project", directory{{"project-id", text(s.projectID)}}},
		{"universe", directory{{"universe-domain", text(s.universeDomain)}}},
	}}}}}
}

// accounts lists the default account and all others that can be read.
func (s *server) accounts(ctx context.Context) (directory, error) {
	_ = readEach(ctx, s.secrets) // one that cannot be read hides no other, unless it is the default
	all := directory{}
	for _, name := range append([]string{defaultAccount}, s.accountNames()...) {
		entries, err := s.account(ctx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, entry{name, entries})
	}
	return all, nil
}

// account is the directory of one account. Its scopes are those of its first
// access token.
func (s *server) account(ctx context.Context, name string) (directory, error) {
	t, err := s.known(ctx, name)
	if err != nil {
		return nil, err
	}
	aliases, scopes := []string{}, []string{}
	if s.owns(defaultAccount, t) {
		aliases = append(aliases, defaultAccount)
	}
	return directory{
		{"aliases", aliases},
		{"email", t.account},
		{"identity", nil},
		{"scopes", append(scopes, t.Scopes...)},
		{"token", nil},
	}, nil
}

func (s *server) projectID(ctx context.Context) (string, error) {
	t, err := s.known(ctx, defaultAccount)
	if err != nil {
		return "", err
	}
	if t.ProjectID == "" {
		return "", notFound("the default account's token does not tell its project: set GOOGLE_CLOUD_PROJECT in the client")
	}
	return t.ProjectID, nil
}

func (s *server) universeDomain(ctx context.Context) (string, error) {
	t, err := s.known(ctx, defaultAccount)
	if err != nil {
		return "", err
	}
	return cmp.Or(t.UniverseDomain, "googleapis.com"), nil
}

// known is what was last seen of an account: it may have expired.
func (s *server) known(ctx context.Context, account string) (*token, error) {
	k, err := s.find(ctx, account, anyToken)
	if errors.Is(err, errNone) {
		return nil, s.unknownAccount()
	}
	if err != nil {
		return nil, err
	}
	return k.seen.Load(), nil
}
