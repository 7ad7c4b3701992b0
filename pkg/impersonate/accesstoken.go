package impersonate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

// What Google grants.
const (
	shortestLifetime = 10 * time.Minute
	longestLifetime  = 12 * time.Hour
	defaultLifetime  = time.Hour
)

// clockSlack is how far this machine's clock may be off before a genuine answer
// looks wrong: as far as AWS lets it be for a signature.
const clockSlack = 15 * time.Minute

// AccessTokenRequest asks for an access token of a service account.
type AccessTokenRequest struct {
	// ServiceAccount is the account's email.
	ServiceAccount string
	// Delegates are the accounts on the way to it, as emails or as
	// "projects/-/serviceAccounts/EMAIL", the one that the caller may
	// impersonate first. Empty means that the caller may impersonate
	// ServiceAccount itself.
	Delegates []string
	// Scopes are at least one, each an element of its own.
	Scopes []string
	// Lifetime is in whole seconds, from 600 s to 43,200 s; zero means 3,600 s.
	// More than that needs the organization policy
	// iam.allowServiceAccountCredentialLifetimeExtension for the account.
	Lifetime time.Duration
}

// AccessToken makes an access token of a service account (generateAccessToken).
// It fails with an *[Error].
//
// As with every call of this package, connection errors and the statuses 408,
// 429, 500, 502, 503 and 504 are tried again after a jittered wait, or what
// Retry-After asks, as long as ctx's deadline leaves time for it. A refusal is
// not, though a new role may take minutes to be known everywhere: whoever
// keeps tokens fresh comes back anyway.
func (c *Client) AccessToken(ctx context.Context, bearer secret.Text, req AccessTokenRequest) (Token, error) {
	call := invocation{failure: failure{Op: "generateAccessToken", Account: req.ServiceAccount}, bearer: bearer}
	if err := req.check(); err != nil {
		return Token{}, call.because("invalid_request", err)
	}
	call.body = struct {
		Delegates []string `json:"delegates,omitempty"`
		Scope     []string `json:"scope"`
		Lifetime  string   `json:"lifetime"`
	}{
		resourceNames(req.Delegates), req.Scopes,
		strconv.Itoa(int(cmp.Or(req.Lifetime, defaultLifetime).Seconds())) + "s",
	}
	return invoke(ctx, c, call, func(answer *googleapi.Answer) (Token, error) { return readAccessToken(answer, c.now()) })
}

func (r AccessTokenRequest) check() error {
	if l := r.Lifetime; l != 0 && (l < shortestLifetime || l > longestLifetime || l%time.Second != 0) {
		return fmt.Errorf("field Lifetime is %v: write whole seconds from %v to %v, or 0 for %v", l, shortestLifetime, longestLifetime, defaultLifetime)
	}
	return cmp.Or(checkChain(r.ServiceAccount, r.Delegates), checkScopes(r.Scopes))
}

// readAccessToken reads generateAccessToken's answer. Its errors quote nothing
// of the token.
func readAccessToken(answer *googleapi.Answer, now time.Time) (Token, error) {
	var told struct {
		AccessToken secret.Text `json:"accessToken"`
		ExpireTime  string      `json:"expireTime"`
	}
	if err := answer.Decode(&told); err != nil {
		return Token{}, err
	}
	switch {
	case told.AccessToken.IsZero():
		return Token{}, errors.New("the answer has no accessToken")
	case !googleapi.FitsHeader(told.AccessToken.Reveal()):
		return Token{}, errors.New("the answer's accessToken has characters in it that no header can carry")
	case told.ExpireTime == "":
		return Token{}, errors.New("the answer has no expireTime")
	}
	expiry, err := time.Parse(time.RFC3339, told.ExpireTime) // takes fractional seconds, too
	if err != nil {
		return Token{}, errors.New("the answer's expireTime is not a time as RFC 3339 writes it")
	}
	expiry = expiry.UTC().Truncate(time.Second)
	return Token{told.AccessToken, expiry}, checkExpiry("the answer's expireTime", expiry, now)
}

// checkExpiry refuses what a clock that is wrong, here or there, would yield.
func checkExpiry(what string, expiry, now time.Time) error {
	switch {
	case !expiry.After(now):
		return fmt.Errorf("%s, %s, is past: this machine's clock says %s", what, expiry.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case expiry.After(now.Add(longestLifetime + clockSlack)):
		return fmt.Errorf("%s, %s, is more than %v away: this machine's clock says %s",
			what, expiry.Format(time.RFC3339), longestLifetime, now.UTC().Format(time.RFC3339))
	}
	return nil
}
