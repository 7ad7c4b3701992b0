package externalaccount

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

// AuthorizedUser turns a person's login into access tokens, by its refresh token.
// Google may put another in its place whenever it is used; the new one is used
// from then on, stands in Info, and goes to Options.OnRefreshToken. What Google
// answers may be the only copy of it, and the login is lost without: so a refresh
// that was sent goes on, for 10 s at most, when all who wait for it have given up,
// each at its own deadline. A program that ends or is frozen by then may lose it.
// Safe for concurrent use: a refresh token is sent once at a time, by all copies of
// the credentials together.
type AuthorizedUser struct {
	holder
	file    *AuthorizedUserFile // never changed; the tokens in it may be old
	options Options
	login   *login
	sts     *googlests.Client
}

var _ AnyCredentials = (*AuthorizedUser)(nil)

// NewAuthorizedUser makes credentials of a login. It fails with a *[ConfigError] if
// there is neither an access token that is still good nor everything that it takes
// to get one: RefreshToken, TokenURL, ClientID and ClientSecret.
func NewAuthorizedUser(f *AuthorizedUserFile, o Options) (*AuthorizedUser, error) {
	o = o.filled()
	own := *f
	own.Type = cmp.Or(f.Type, workforceUser)
	own.UniverseDomain = cmp.Or(f.UniverseDomain, googleapi.DefaultUniverse)
	own.QuotaProjectID = o.quotaProject(f.QuotaProjectID)
	own.Scopes = slices.Clone(f.Scopes)
	own.Expiry = f.Expiry.UTC()
	switch own.Type {
	case workforceUser:
	case googleUser:
		own.TokenURL = cmp.Or(f.TokenURL, defaultUserURL(own.UniverseDomain, "token"))
	default:
		return nil, configErrorf("making credentials of a login: its type is %.60q; write %q or %q", own.Type, workforceUser, googleUser)
	}
	u := assembleUser(&own, o, &login{turn: make(chan struct{}, 1), refreshToken: f.RefreshToken})
	if googleapi.FitsHeader(f.Token.Reveal()) {
		u.kept.Store(&Token{Value: f.Token, Expiry: own.Expiry})
	}
	if missing := own.missing(); u.TokenState() == Invalid && len(missing) > 0 {
		return nil, configErrorf("making credentials of a login: there is no access token that is still good, and to get one it lacks %s; %s",
			strings.Join(missing, ", "), wantLogin)
	}
	return u, nil
}

// assembleUser makes the client for a file and options.
func assembleUser(f *AuthorizedUserFile, o Options, l *login) *AuthorizedUser {
	u := &AuthorizedUser{
		holder:  newHolder(o, f.QuotaProjectID, f.UniverseDomain),
		file:    f,
		options: o,
		login:   l,
		sts: &googlests.Client{
			TokenURL:         f.TokenURL,
			UniverseDomain:   f.UniverseDomain,
			AllowAnyEndpoint: o.AllowAnyEndpoint,
			ClientAuth:       googlests.ClientAuth{ID: f.ClientID, Secret: f.ClientSecret},
			HTTPClient:       o.HTTPClient,
			Now:              o.Now,
		},
	}
	if f.Type == googleUser { // another server than STS, which check looks after
		u.sts.ClientAuth.Style, u.sts.AllowAnyEndpoint = googlests.Body, true
	}
	u.mint, u.agreed, u.scopes, u.defaultScopes = u.refresh, true, f.Scopes, nil
	return u
}

// refreshTime bounds a refresh, which no caller's context does.
const refreshTime = 10 * time.Second

// refresh asks for no scopes: those of the login are all that Google knows here.
func (u *AuthorizedUser) refresh(ctx context.Context, _ []string) (Token, error) {
	leave, err := u.login.enter(ctx)
	if err != nil {
		return Token{}, err
	}
	defer leave()
	refreshToken := u.login.token()
	if refreshToken.IsZero() || len(u.file.missing()) > 0 {
		return Token{}, configFailure("refreshing token: the access token has expired or was revoked, and the login has nothing to get another; " + wantLogin)
	}
	if err := u.check(u.file.TokenURL); err != nil {
		return Token{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTime)
	defer cancel()
	got, err := u.sts.Refresh(ctx, googlests.RefreshRequest{RefreshToken: refreshToken})
	if next := got.RefreshToken; !next.IsZero() && !next.Equal(refreshToken) { // with an error, too
		u.login.set(next)
		if u.options.OnRefreshToken != nil {
			u.options.OnRefreshToken(next)
		}
	}
	if err != nil {
		return Token{}, refreshError(err)
	}
	return Token{Value: got.AccessToken, Expiry: got.Expiry}, nil
}

// check refuses a URL that is not of Google's OAuth server for its own accounts.
// Those of STS are googlests's to check.
func (u *AuthorizedUser) check(rawURL string) error {
	if u.file.Type != googleUser {
		return nil
	}
	if _, err := googleapi.ParseEndpoint(rawURL, "oauth2", u.file.UniverseDomain, u.options.AllowAnyEndpoint); err != nil {
		return configFailure("using a login: its endpoint has " + err.Error())
	}
	return nil
}

// Revoke ends the login: Google voids the refresh token, and with it its access
// tokens, and these credentials forget them. Without a refresh token it is the
// access token that is revoked. Copies of the credentials lose the refresh token
// too; the access tokens that they keep are void. It fails with a *[RefreshError], of
// [LegConfig] if there is nothing to revoke, as there is not a second time.
func (u *AuthorizedUser) Revoke(ctx context.Context) error {
	leave, err := u.login.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	req := googlests.RevokeRequest{URL: u.file.RevokeURL, Token: u.login.token(), TypeHint: "refresh_token"}
	if req.Token.IsZero() {
		req.Token, req.TypeHint = u.KeptToken().Value, "access_token"
	}
	if req.Token.IsZero() {
		return configFailure("revoking token: there is none")
	}
	if u.file.Type == googleUser {
		req.URL = cmp.Or(req.URL, defaultUserURL(u.file.UniverseDomain, "revoke"))
	}
	if err := u.check(req.URL); err != nil {
		return err
	}
	if err := u.sts.Revoke(ctx, req); err != nil {
		return refreshError(err)
	}
	u.login.set(secret.Text{})
	u.forget()
	return nil
}

// Info is the file that the credentials are made of, with what their copies
// changed and with the tokens of now: [AuthorizedUserFile.Encode] makes a
// credential file of it again. To leave a secret out, clear its field first.
func (u *AuthorizedUser) Info() *AuthorizedUserFile {
	f, kept := *u.file, u.KeptToken()
	f.RefreshToken, f.Token, f.Expiry, f.Scopes = u.login.token(), kept.Value, kept.Expiry, u.Scopes()
	return &f
}

// AnyInfo is Info, whatever the kind of credentials.
func (u *AuthorizedUser) AnyInfo() AnyFile { return u.Info() }

// IsUser is true.
func (u *AuthorizedUser) IsUser() bool { return true }

// TokenURL is where the refresh token is sent.
func (u *AuthorizedUser) TokenURL() string { return u.file.TokenURL }

// TokenInfoURL is the introspection endpoint of Google STS; empty if the file
// names none.
func (u *AuthorizedUser) TokenInfoURL() string { return u.file.TokenInfoURL }

// RevokeURL is what the file names; empty means the default that
// [AuthorizedUserFile] tells.
func (u *AuthorizedUser) RevokeURL() string { return u.file.RevokeURL }

// WithQuotaProject returns a copy that bills another project, whatever the
// environment says; an empty one bills that of what a request is for. Like every
// copy it is of the same login and begins with the same access token.
func (u *AuthorizedUser) WithQuotaProject(id string) *AuthorizedUser {
	return u.with(func(f *AuthorizedUserFile) { f.QuotaProjectID = id })
}

// WithTokenURL returns a copy that refreshes at another endpoint, which is checked
// when it is used.
func (u *AuthorizedUser) WithTokenURL(tokenURL string) *AuthorizedUser {
	return u.with(func(f *AuthorizedUserFile) { f.TokenURL = tokenURL })
}

// WithUniverseDomain returns a copy for another cloud: those of the file's URLs
// that are in the old universe are the same in the new one.
func (u *AuthorizedUser) WithUniverseDomain(domain string) *AuthorizedUser {
	return u.with(func(f *AuthorizedUserFile) {
		for _, at := range []*string{&f.TokenURL, &f.TokenInfoURL, &f.RevokeURL} {
			*at = moved(*at, f.UniverseDomain, domain)
		}
		f.UniverseDomain = domain
	})
}

func (u *AuthorizedUser) with(change func(*AuthorizedUserFile)) *AuthorizedUser {
	f := *u.file
	change(&f)
	d := assembleUser(&f, u.options, u.login)
	d.kept.Store(u.kept.Load())
	return d
}

// login is what the credentials of one person have in common with their copies.
type login struct {
	// turn holds an element while the refresh token is used. Two uses at a time
	// would look like those of its owner and of a thief, which ends the login
	// (RFC 9700, 4.14.2). It is held beyond a caller's giving up, as long as the
	// request goes on.
	turn chan struct{}

	mu           sync.Mutex
	refreshToken secret.Text
}

func (l *login) enter(ctx context.Context) (leave func(), err error) {
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn }, nil
	case <-ctx.Done():
		return nil, gaveUp(ctx.Err())
	}
}

func (l *login) token() secret.Text {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refreshToken
}

func (l *login) set(refreshToken secret.Text) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refreshToken = refreshToken
}
