package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// leastLeft is for how long a token that is given out is good. One with less would
// be expired when an API gets it, and without a whole second SDKs call the answer
// incomplete.
const leastLeft = 5 * time.Second

// accessToken answers ACCOUNT/token. It is JSON whatever alt says.
func (s *server) accessToken(ctx context.Context, account string, q query) (answer, error) {
	t, err := s.token(ctx, account, accessTokenWith(q.scopes))
	if errors.Is(err, errNone) {
		return answer{}, s.noAccessToken(account)
	}
	if err != nil {
		return answer{}, err
	}
	left, err := remaining(t)
	if err != nil {
		return answer{}, err
	}
	body, err := json.Marshal(struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
		TokenType   string `json:"token_type"`
	}{t.Value.Reveal(), int64(left / time.Second), t.TokenType})
	if err != nil {
		return answer{}, fmt.Errorf("encoding the answer: %w", err)
	}
	return answer{http.StatusOK, asJSON, body}, nil
}

// idToken answers ACCOUNT/identity. It is text whatever alt says. Format and
// licenses, which on Google's machines add claims about the machine, change
// nothing about a token that is stored.
func (s *server) idToken(ctx context.Context, account string, q query) (answer, error) {
	if q.audience == "" {
		return answer{}, badRequest("identity needs ?audience=: " + s.audiences())
	}
	t, err := s.token(ctx, account, idTokenFor(q.audience, account))
	if errors.Is(err, errNone) {
		return answer{}, s.noIDToken(account)
	}
	if err != nil {
		return answer{}, err
	}
	if _, err := remaining(t); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, asText, []byte(t.Value.Reveal())}, nil
}

// remaining is asked last of all: this process may have been frozen meanwhile.
func remaining(t *token) (time.Duration, error) {
	left := time.Until(t.Expiry)
	if left < leastLeft {
		return 0, fmt.Errorf("the token of %s expired at %s, or is about to: see why it was not refreshed", t.Principal, t.Expiry.Format(time.RFC3339))
	}
	return left, nil
}

func (s *server) noAccessToken(account string) error {
	if !s.serves(account) {
		return s.unknownAccount()
	}
	return notFound("this account has ID tokens here, but no access token; the default account is the first secret's")
}

func (s *server) noIDToken(account string) error {
	if !s.serves(account) {
		return s.unknownAccount()
	}
	// 400 and not 404, whose text Google's SDKs for Go and Java do not show.
	return badRequest("this account has no ID token here for this audience: " + s.audiences())
}

func (s *server) unknownAccount() error {
	return notFound("there is no such account; these are served: default, " + strings.Join(s.accountNames(), ", "))
}

func (s *server) serves(account string) bool {
	return account == defaultAccount || slices.Contains(s.accountNames(), account)
}

// audiences tells which ID tokens there are.
func (s *server) audiences() string {
	var list []string
	for _, k := range s.secrets {
		if t := k.seen.Load(); t != nil && t.Kind == tokenstore.IDToken {
			list = append(list, fmt.Sprintf("%q of %s", t.Audience, t.account))
		}
	}
	if list == nil {
		return "no secret that was read holds an ID token"
	}
	return "there are ID tokens for " + strings.Join(list, ", ")
}
