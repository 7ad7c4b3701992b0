package externalaccount

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/secret"
)

const ada = "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/ada"

// login makes ada's login known, and serves it to Google accounts as well: what
// the fake Google knows at STS only is asked for at oauth2.googleapis.com too.
func (w *wire) login(rotate bool) http.RoundTripper {
	w.AddWorkforceUser(fakecloud.WorkforceUser{Pool: "staff", Subject: "ada", RefreshToken: plantedRefresh, ClientID: "client", ClientSecret: plantedClient, Rotate: rotate})
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "oauth2.googleapis.com" {
			return w.RoundTrip(r)
		}
		path := map[string]string{"/token": "/v1/oauthtoken", "/revoke": "/v1/revoke"}[r.URL.Path]
		r = r.Clone(r.Context())
		r.URL, r.Host = &url.URL{Scheme: "https", Host: "sts.googleapis.com", Path: path}, ""
		return w.RoundTrip(r)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// user are credentials of ada's login with fields of the file changed.
func (w *wire) user(t *testing.T, rotate bool, document string, fields map[string]string, o Options) *AuthorizedUser {
	t.Helper()
	o.HTTPClient = &http.Client{Transport: w.login(rotate)}
	if o.Getenv == nil {
		o.Getenv = lookup(nil)
	}
	u, err := NewAuthorizedUser(parseAs[*AuthorizedUserFile](t, edit(t, document, fields)), o)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func userToken(t *testing.T, u *AuthorizedUser) Token {
	t.Helper()
	token, err := u.CachedToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestALoginYieldsTokensOfItsUser(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{"through a workforce pool": workforceLogin, "with a Google account": googleLogin} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire()
			u := w.user(t, false, document, nil, Options{Scopes: []string{bigquery}})
			token := userToken(t, u)
			if issued, good := w.LookupToken(token.Value.Reveal()); !good || issued.Principal != ada || token.Expiry.After(issued.Expires) || token.ServiceAccount != "" {
				t.Errorf("it is %v, good: %t", issued, good)
			}
			if again := userToken(t, u); !again.Value.Equal(token.Value) || u.TokenState() != Fresh || w.Count("google-sts", "") != 1 {
				t.Errorf("it is not kept: %d calls", w.Count("google-sts", ""))
			}
			sent := w.one(t, "sts.googleapis.com")
			form := sent.form()
			inBody, inHeader := form.Get("client_secret") == plantedClient, sent.header.Get("Authorization") != ""
			if form.Get("grant_type") != "refresh_token" || form.Has("scope") || inBody == inHeader || inBody != (document == googleLogin) {
				t.Errorf("sent %v with %v", form, sent.header)
			}
			if !u.IsUser() || u.RequiresScopes() || u.QuotaProject() != "quota" || u.HasScopes(bigquery) || len(u.DefaultScopes()) > 0 {
				t.Errorf("user %t, scopes %q, quota %s", u.IsUser(), u.Scopes(), u.QuotaProject())
			}
			header := http.Header{}
			if err := u.Apply(t.Context(), header); err != nil || header.Get("Authorization") != "Bearer "+token.Value.Reveal() || header.Get("X-Goog-User-Project") != "quota" {
				t.Errorf("%v, %v", header, err)
			}
		})
	}
}

func TestALoginBeginsWithTheAccessTokenOfItsFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		u := w.user(t, false, workforceLogin, map[string]string{"expiry": `"` + time.Now().Add(time.Hour).Format(time.RFC3339) + `"`}, Options{})
		if got := userToken(t, u); got.Value.Reveal() != plantedAccess || w.exchanges() != 0 {
			t.Errorf("it began with %v, %d calls", got, w.exchanges())
		}
		time.Sleep(time.Hour)
		if got := userToken(t, u.WithQuotaProject("other")); got.Value.Reveal() == plantedAccess {
			t.Error("an expired token is used")
		}
	})
}

// Somebody edited the file, or wrote it on a machine whose clock was wrong.
func TestALoginWhoseTokenClaimsToLastForEverIsRefreshed(t *testing.T) {
	t.Parallel()
	w := newWire()
	u := w.user(t, false, workforceLogin, map[string]string{"expiry": `"9999-12-31T00:00:00Z"`}, Options{})
	if got := userToken(t, u); got.Value.Reveal() == plantedAccess || w.exchanges() != 1 || u.TokenState() != Fresh {
		t.Errorf("it is used until %v", got.Expiry)
	}
}

// Python's rule for making external_account_authorized_user credentials.
func TestALoginNeedsAGoodTokenOrAllThatARefreshTakes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	whole := AuthorizedUserFile{ClientID: "c", ClientSecret: secret.New("s"), RefreshToken: secret.New("r"), TokenURL: "https://sts.googleapis.com/v1/oauthtoken"}
	without := func(change func(*AuthorizedUserFile)) AuthorizedUserFile {
		f := whole
		change(&f)
		return f
	}
	for _, tt := range []struct {
		name string
		file AuthorizedUserFile
		want string // in the error
	}{
		{"all that a refresh takes", whole, ""},
		{"a good token", AuthorizedUserFile{Token: secret.New("t"), Expiry: now.Add(time.Second)}, ""},
		{"a Google account without a token URL", without(func(f *AuthorizedUserFile) { f.Type, f.TokenURL = "authorized_user", "" }), ""},
		{"a token that has expired", AuthorizedUserFile{Token: secret.New("t"), Expiry: now}, "lacks refresh_token, token_url, client_id, client_secret; log in again"},
		{"a token of unknown age", AuthorizedUserFile{Token: secret.New("t")}, "lacks refresh_token"},
		{"a token that no header carries", AuthorizedUserFile{Token: secret.New("t\n"), Expiry: now.Add(time.Hour)}, "lacks refresh_token"},
		{"nothing", AuthorizedUserFile{}, "lacks refresh_token"},
		{"no refresh token", without(func(f *AuthorizedUserFile) { f.RefreshToken = secret.Text{} }), "lacks refresh_token; "},
		{"no token URL", without(func(f *AuthorizedUserFile) { f.TokenURL = "" }), "lacks token_url; "},
		{"no client", without(func(f *AuthorizedUserFile) { f.ClientID = "" }), "lacks client_id; "},
		{"no client's secret", without(func(f *AuthorizedUserFile) { f.ClientSecret = secret.Text{} }), "lacks client_secret; "},
		{"another type", without(func(f *AuthorizedUserFile) { f.Type = "service_account" }), `its type is "service_account"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u, err := tt.file.Credentials(Options{Getenv: lookup(nil), Now: func() time.Time { return now }})
			if tt.want == "" {
				if err != nil || u == nil {
					t.Errorf("%v, %v", u, err)
				}
				return
			}
			if _, ok := err.(*ConfigError); !ok || u != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, %v, want %q", u, err, tt.want)
			}
		})
	}
}

func TestATokenAloneLastsUntilItExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u, err := NewAuthorizedUser(&AuthorizedUserFile{Token: secret.New(plantedAccess), Expiry: time.Now().Add(time.Minute)}, Options{Getenv: lookup(nil)})
		if err != nil {
			t.Fatal(err)
		}
		if got := userToken(t, u); got.Value.Reveal() != plantedAccess { // stale, but the best there is
			t.Errorf("got %v", got)
		}
		time.Sleep(time.Minute)
		_, err = u.CachedToken(t.Context())
		expectRefreshError(t, err, LegConfig, false, isA[*ConfigError])
		if !strings.Contains(err.Error(), "log in again") {
			t.Error(err)
		}
	})
}

func TestALoginIsRevoked(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{"through a workforce pool": workforceLogin, "with a Google account": googleLogin} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire()
			u := w.user(t, false, document, nil, Options{})
			token := userToken(t, u)
			if err := u.Revoke(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, good := w.LookupToken(token.Value.Reveal()); good || u.TokenState() != Invalid || !u.Info().RefreshToken.IsZero() || !u.Info().Token.IsZero() {
				t.Errorf("the token is good: %t; the file is %+v", good, u.Info())
			}
			for _, err := range []error{u.Revoke(t.Context()), refreshing(u)} {
				expectRefreshError(t, err, LegConfig, false, isA[*ConfigError])
			}
			if w.exchanges() != 2 {
				t.Errorf("%d calls", w.exchanges())
			}
		})
	}
}

func refreshing(u *AuthorizedUser) error {
	_, err := u.Refresh(context.Background())
	return err
}

func TestWithoutARefreshTokenTheAccessTokenIsRevoked(t *testing.T) {
	t.Parallel()
	w := newWire()
	now := time.Now()
	u := w.user(t, false, workforceLogin, map[string]string{"refresh_token": "", "revoke_url": "", "expiry": `"` + now.Add(time.Hour).Format(time.RFC3339) + `"`}, Options{})
	if err := u.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sent := w.one(t, "sts.googleapis.com"); sent.url != "https://sts.googleapis.com/v1/revoke" || sent.form().Get("token") != plantedAccess || sent.form().Get("token_type_hint") != "access_token" {
		t.Errorf("sent %v to %s", sent.form(), sent.url)
	}
}

func TestALoginThatHasEndedSaysHowToLogInAgain(t *testing.T) {
	t.Parallel()
	w := newWire()
	u := w.user(t, false, googleLogin, map[string]string{"refresh_token": `"1//planted-and-void"`}, Options{})
	err := refreshing(u)
	expectRefreshError(t, err, LegSTS, false, hasCode("invalid_grant"))
	if !strings.Contains(err.Error(), "gcloud auth application-default login") || strings.Contains(err.Error(), "planted") {
		t.Error(err)
	}
}

func TestTheCopiesOfALoginAreWhatTheySay(t *testing.T) {
	t.Parallel()
	w := newWire()
	u := w.user(t, false, workforceLogin, nil, Options{Getenv: lookup(map[string]string{"GOOGLE_CLOUD_QUOTA_PROJECT": "environments"})})
	if got := u.QuotaProject(); got != "environments" {
		t.Errorf("the quota project is %q", got)
	}
	d := u.WithUniverseDomain("s3nsapis.fr").WithQuotaProject("copys")
	if d.UniverseDomain() != "s3nsapis.fr" || d.TokenURL() != "https://sts.s3nsapis.fr/v1/oauthtoken" || d.TokenInfoURL() != "https://sts.s3nsapis.fr/v1/introspect" ||
		d.RevokeURL() != "https://sts.s3nsapis.fr/v1/revoke" || d.QuotaProject() != "copys" {
		t.Errorf("the copy is %+v", d.Info())
	}
	userToken(t, d)
	userToken(t, d.WithTokenURL("https://sts-vpc.p.s3nsapis.fr/v1/oauthtoken")) // which has the token
	if len(w.sent) != 1 || w.sent[0].url != "https://sts.s3nsapis.fr/v1/oauthtoken" {
		t.Errorf("sent %v", w.sent)
	}
	if u.TokenState() != Invalid || u.UniverseDomain() != "googleapis.com" || !u.HasScopes(platform) {
		t.Error("the original was changed")
	}
}

// A copy's endpoint is no file's, and so is checked when it is used.
func TestARefreshTokenGoesToGoogleOnly(t *testing.T) {
	t.Parallel()
	for document, leg := range map[string]Leg{workforceLogin: LegSTS, googleLogin: LegConfig} {
		w := newWire()
		u := w.user(t, false, document, nil, Options{}).WithTokenURL("https://oauth2.example.com/token")
		expectRefreshError(t, refreshing(u), leg, false, func(err error) bool {
			return strings.Contains(err.Error(), `the host "oauth2.example.com"; want https:// and `) && (isA[*ConfigError](err) || isA[*googlests.Error](err))
		})
		if len(w.sent) > 0 {
			t.Errorf("sent %v", w.sent)
		}
	}
}

// ParseAny refuses it, and does not read a Google login's at all.
func TestALoginIsRevokedAtGoogleOnly(t *testing.T) {
	t.Parallel()
	for document, leg := range map[string]Leg{workforceLogin: LegSTS, googleLogin: LegConfig} {
		w := newWire()
		f := *parseAs[*AuthorizedUserFile](t, []byte(document))
		f.RevokeURL = "https://oauth2.example.com/revoke"
		u, err := NewAuthorizedUser(&f, Options{HTTPClient: w.client(), Getenv: lookup(nil)})
		if err != nil {
			t.Fatal(err)
		}
		expectRefreshError(t, u.Revoke(t.Context()), leg, false, func(err error) bool { return strings.Contains(err.Error(), `the host "oauth2.example.com"`) })
		if len(w.sent) > 0 || u.Info().RefreshToken.IsZero() {
			t.Errorf("sent %v", w.sent)
		}
	}
}

func TestTheScopesOfALoginAreItsOwn(t *testing.T) {
	t.Parallel()
	f := *parseAs[*AuthorizedUserFile](t, []byte(workforceLogin))
	u, err := NewAuthorizedUser(&f, Options{Getenv: lookup(nil)})
	if err != nil {
		t.Fatal(err)
	}
	f.Scopes[0], u.Info().Scopes[0], u.Scopes()[0] = "file's", "Info's", "Scopes'"
	if !u.HasScopes(platform, "openid") {
		t.Errorf("they were changed to %q", u.Scopes())
	}
}

// On a machine whose clock, and a Google's, is years behind.
func TestEveryKindOfCredentialsGoesByTheOptionsClock(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC) }
	for _, document := range []string{minimal, workforceLogin, googleLogin, impersonating(minimal), impersonating(googleLogin)} {
		w := newWireAt(now)
		f, err := ParseAny([]byte(document), FileOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if login, ok := f.(*AuthorizedUserFile); ok {
			login.Token = secret.Text{}
		}
		c, err := f.Credentials(Options{Scopes: []string{platform}, HTTPClient: &http.Client{Transport: w.login(false)}, Getenv: lookup(env), Now: now})
		if err != nil {
			t.Fatal(err)
		}
		token, err := c.CachedToken(t.Context())
		if err != nil || !token.Expiry.Equal(now().Add(time.Hour)) {
			t.Errorf("%T: it expires at %v, %v", c, token.Expiry, err)
		}
	}
}
