package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/impersonate"
)

func (p *passage) exchange(ctx context.Context) (string, *finding) {
	token, err := p.Environment.Credentials.Exchange(ctx, []string{keeper.CloudPlatformScope})
	if err != nil {
		return "", observe(err)
	}
	p.bearer = token.AccessToken
	return fmt.Sprintf("Google lets it in, for %v", token.Expiry.Sub(p.now()).Round(time.Minute)), nil
}

// impersonate mints the target's token, and drops it.
func (b *branch) impersonate(ctx context.Context) (string, *finding) {
	t := b.target
	expiry, err := b.mint(ctx, t.ServiceAccount, t.Delegates)
	if err == nil {
		return fmt.Sprintf("%s, for %v", t.ServiceAccount, expiry.Sub(b.on.now()).Round(time.Minute)), nil
	}
	b.names["LIFETIME"] = fmt.Sprintf("%.0fs", t.Lifetime.Seconds())
	f := observe(err)
	switch f.code {
	case "PERMISSION_DENIED", "NOT_FOUND", "FAILED_PRECONDITION":
		if apiDisabled(f) {
			break
		}
		if link, err := b.missingLink(ctx); err != nil {
			f.code = "link-unknown"
			f.found += "; which of the delegates it is cannot be told: " + observe(err).found
		} else if link != "" {
			f.code = link
		} else if b.disabled(ctx) {
			f.code = "account-disabled"
			f.found = t.ServiceAccount + " is disabled, says Google's IAM"
		}
	}
	return "", f
}

// apiDisabled goes by the text: googleapi keeps no details of an error.
func apiDisabled(f *finding) bool { return strings.Contains(f.text, textAPIDisabled) }

func (b *branch) mint(ctx context.Context, account string, delegates []string) (time.Time, error) {
	t, iam := b.target, b.on.Environment.IAM
	if t.IDTokenAudience != "" {
		token, err := iam.IDToken(ctx, b.on.bearer, impersonate.IDTokenRequest{
			ServiceAccount: account, Delegates: delegates, Audience: t.IDTokenAudience, IncludeEmail: true,
		})
		return token.Expiry, err
	}
	token, err := iam.AccessToken(ctx, b.on.bearer, impersonate.AccessTokenRequest{
		ServiceAccount: account, Delegates: delegates, Scopes: t.Scopes, Lifetime: t.Lifetime,
	})
	return token.Expiry, err
}

// missingLink finds the first account on the way that is not reached, by impersonating
// one delegate after the other. It is empty for a target without delegates, and fails
// if Google does not say whether a delegate is reached.
func (b *branch) missingLink(ctx context.Context) (code string, err error) {
	chain := append(b.target.Delegates[:len(b.target.Delegates):len(b.target.Delegates)], b.target.ServiceAccount)
	if len(chain) == 1 {
		return "", nil
	}
	b.names["LINK"] = chain[0]
	for i, delegate := range chain[:len(chain)-1] {
		token := impersonate.AccessTokenRequest{ServiceAccount: delegate, Delegates: chain[:i], Scopes: []string{keeper.CloudPlatformScope}}
		_, err := b.on.Environment.IAM.AccessToken(ctx, b.on.bearer, token)
		if err == nil {
			b.names["LINK"], b.names["LINK_MEMBER"] = chain[i+1], delegate
			continue
		}
		refused, ok := errors.AsType[*impersonate.Error](err)
		if !ok || refused.HTTPStatus != http.StatusForbidden && refused.HTTPStatus != http.StatusNotFound {
			return "", err
		}
		b.names["LINK"] = delegate
		break
	}
	if b.names["LINK"] == chain[0] {
		return "delegate-first", nil
	}
	return "delegate-next", nil
}

// disabled asks IAM about the account, which whoever may impersonate it by
// roles/iam.workloadIdentityUser may see. Google's refusal to impersonate does not
// tell. Where IAM is not known, as beside a private endpoint, or does not say, it
// is false.
func (b *branch) disabled(ctx context.Context) bool {
	iam := b.on.Environment.IAM
	if iam.Endpoint != "" {
		return false
	}
	universe := b.on.Environment.Config.Credentials.UniverseDomain
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://iam."+universe+"/v1/projects/-/serviceAccounts/"+b.target.ServiceAccount+"?fields=disabled", nil)
	if err != nil {
		return false
	}
	r.Header.Set("Authorization", "Bearer "+b.on.bearer.Reveal())
	got, err := b.on.send(r)
	var account struct{ Disabled bool }
	return err == nil && got.status == http.StatusOK && json.Unmarshal(got.body, &account) == nil && account.Disabled
}
