package externalaccount

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
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

func TestARotatedRefreshTokenReplacesTheOld(t *testing.T) {
	t.Parallel()
	w := newWire()
	var handed []secret.Text
	var u *AuthorizedUser
	u = w.user(t, true, googleLogin, nil, Options{OnRefreshToken: func(token secret.Text) {
		if !u.Info().RefreshToken.Equal(token) {
			t.Error("Info has another one")
		}
		handed = append(handed, token)
	}})
	for n := range 3 { // of which the second would fail with the first's token
		if _, err := u.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(handed) != n+1 || handed[n].Reveal() == plantedRefresh {
			t.Fatalf("handed out %d: %v", n+1, handed)
		}
	}
	encoded, err := u.WithQuotaProject("other").Info().Encode()
	if err != nil {
		t.Fatal(err)
	}
	f := parseAs[*AuthorizedUserFile](t, encoded)
	if !f.RefreshToken.Equal(handed[2]) || !f.Token.Equal(u.KeptToken().Value) || !f.Expiry.Equal(u.KeptToken().Expiry) {
		t.Errorf("the file is %+v", f)
	}
	again, err := NewAuthorizedUser(f, Options{HTTPClient: u.options.HTTPClient})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Refresh(t.Context()); err != nil {
		t.Errorf("a refresh with what was saved: %v", err)
	}
}

func TestARefreshTokenThatCameWithAnErrorIsNotLost(t *testing.T) {
	t.Parallel()
	w := newWire()
	var handed []string
	u := w.user(t, false, workforceLogin, nil, Options{OnRefreshToken: func(token secret.Text) { handed = append(handed, token.Reveal()) }})
	w.Fault(fakecloud.Fault{Service: "google-sts", Status: 200, Body: `{"refresh_token": "1//planted-next"}`, Times: 1})
	_, err := u.CachedToken(t.Context())
	expectRefreshError(t, err, LegSTS, false, hasCode("invalid_response"))
	if len(handed) != 1 || handed[0] != "1//planted-next" || u.Info().RefreshToken.Reveal() != "1//planted-next" {
		t.Errorf("handed out %q", handed)
	}
	_, _ = u.CachedToken(t.Context())
	if last := w.sent[len(w.sent)-1]; last.form().Get("refresh_token") != "1//planted-next" {
		t.Error("the old one was sent again")
	}
}

// The login ends if two refreshes of a token that rotates overlap.
func TestARefreshTokenIsSentOnceAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		u := w.user(t, true, workforceLogin, nil, Options{})
		w.Fault(fakecloud.Fault{Service: "google-sts", Latency: time.Second})
		var all sync.WaitGroup
		for _, d := range []*AuthorizedUser{u, u, u.WithQuotaProject("other"), u.WithTokenURL("https://sts-vpc.p.googleapis.com/v1/oauthtoken")} {
			all.Go(func() {
				if _, err := d.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		began := time.Now()
		all.Wait()
		if n, took := w.exchanges(), time.Since(began); n != 3 || took != 3*time.Second { // two share
			t.Errorf("%d refreshes in %v", n, took)
		}
	})
}

func TestWhoGivesUpLeavesTheRefreshTokenToTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		u := w.user(t, true, googleLogin, nil, Options{})
		mend := w.Fault(fakecloud.Fault{Service: "google-sts", Hang: true})
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		late := func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
		var all sync.WaitGroup
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := u.CachedToken(ctx)
			expectRefreshError(t, err, "", true, late)
		})
		synctest.Wait()
		expectRefreshError(t, u.Revoke(hasty), "", true, late) // which had to wait for the refresh
		all.Wait()
		mend()
		userToken(t, u)
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
