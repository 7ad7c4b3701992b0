package externalaccount

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
)

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

// What Google answers may be the only copy of the next refresh token.
func TestARefreshOnceSentOutlastsItsCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		var handed []secret.Text
		u := w.user(t, true, googleLogin, nil, Options{OnRefreshToken: func(token secret.Text) { handed = append(handed, token) }})
		w.Fault(fakecloud.Fault{Service: "google-sts", Latency: 300 * time.Millisecond})
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://storage.googleapis.com/b", nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = u.Transport(&api{}).RoundTrip(r)
		expectRefreshError(t, err, "", true, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) })
		if took := time.Since(began); took != 200*time.Millisecond {
			t.Errorf("the caller waited %v", took)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(handed) != 1 || !u.Info().RefreshToken.Equal(handed[0]) || u.TokenState() != Fresh {
			t.Errorf("handed %v; the access token is %v", handed, u.TokenState())
		}
		if _, err := u.Refresh(t.Context()); err != nil || w.exchanges() != 2 {
			t.Errorf("%d refreshes, %v", w.exchanges(), err)
		}
	})
}

func TestARefreshThatHangsEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		u := w.user(t, true, googleLogin, nil, Options{})
		w.Fault(fakecloud.Fault{Service: "google-sts", Hang: true})
		began := time.Now()
		_, err := u.CachedToken(t.Context())
		expectRefreshError(t, err, LegSTS, true, hasCode("timeout"))
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it took %v", took)
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
