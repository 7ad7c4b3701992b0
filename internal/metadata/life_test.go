package metadata

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

func TestWhileTheStoreIsDownTokensComeFromMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		h := w.serve(t, reportsSecret)
		up := w.cloud.Fault(fakecloud.Fault{Status: 503})
		wantRefusal(t, get(h, accounts+"default/token"), 503, "it could not be read")
		wantRefusal(t, get(h, base+"project/project-id"), 503, "it could not be read")
		wantRefusal(t, get(h, base+"?recursive=true"), 503, "it could not be read")
		wantAnswer(t, get(h, "/"), 200, asText, "computeMetadata/\n")
		wantAnswer(t, get(h, base+"instance"), 200, asText, "service-accounts/\n")
		if n := w.reads(reportsSecret); n != 1 {
			t.Errorf("it was read %d times at once", n)
		}
		up()
		time.Sleep(5 * time.Second)
		get(h, accounts+"default/token")
		w.cloud.Fault(fakecloud.Fault{Status: 503})
		time.Sleep(30 * time.Minute)
		if got := get(h, accounts+"default/token"); got.Code != 200 {
			t.Errorf("got %d %s, want the token in memory", got.Code, got.Body)
		}
	})
}

func TestWhoseTokenASecretHeldIsKnownAfterItExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newWorld().serve(t, reportsSecret, runAppSecret)
		get(h, accounts)
		time.Sleep(2 * time.Hour)
		wantAnswer(t, get(h, accounts+caller+"/email"), 200, asText, caller)
		wantRefusal(t, get(h, accounts+"default/identity?audience="+runApp), 503, "less than 30s left")
		wantRefusal(t, get(h, accounts+"nobody@p.iam.gserviceaccount.com/token"), 404, "no such account")
		wantRefusal(t, get(h, accounts+"default/identity?audience="+dashboard), 400, "no ID token")
	})
}

// What Python asks for before the token, it asks five times if it is a 503. These
// have no token in them: only what has fails.
func TestWhoseTokenItIsIsKnownThoughItHadExpiredWhenItWasRead(t *testing.T) {
	t.Parallel()
	for first, status := range map[string]int{
		base + "project/project-id":                         200,
		base + "universe/universe-domain":                   200,
		accounts + "default/?recursive=true":                200,
		accounts + reports + "/email":                       200,
		accounts + "default/token":                          503,
		accounts + "default/identity?audience=" + dashboard: 503,
	} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				expired := time.Now().Add(-time.Hour)
				w.holds("late", tokenstore.Token{Kind: tokenstore.AccessToken, Principal: reports, Scopes: []string{bigquery}, ProjectID: "p", Expiry: expired})
				w.holds("late-dashboard", tokenstore.Token{Kind: tokenstore.IDToken, Principal: reports, Audience: dashboard, Expiry: expired})
				h := w.serve(t, "late", "late-dashboard")
				if got := get(h, first); got.Code != status {
					t.Errorf("at first: %d %s, want %d", got.Code, got.Body, status)
				}
				for range 3 {
					wantAnswer(t, get(h, base+"project/project-id"), 200, asText, "p")
					wantAnswer(t, get(h, accounts+"default/?recursive=true"), 200, asJSON, `{"aliases":["default"],"email":"`+reports+`","scopes":["`+bigquery+`"]}`)
					wantRefusal(t, get(h, accounts+"default/token"), 503, "less than 30s left")
					wantRefusal(t, get(h, accounts+"default/identity?audience="+dashboard), 503, "less than 30s left")
					time.Sleep(time.Second)
				}
				if n := w.reads("late"); n > 3 { // AWSCURRENT, AWSPREVIOUS, and once more whose it is
					t.Errorf("the secret was read %d times in 3 s", n)
				}
				time.Sleep(5 * time.Second)
				w.holds("late", tokenstore.Token{Kind: tokenstore.AccessToken, Principal: reports, Scopes: []string{bigquery}})
				wantAnswer(t, get(h, accounts+"default/token"), 200, asJSON, tokenJSON("late"))
			})
		})
	}
}

// A person has stopped the target: no SDK is to try again, and its error tells why.
func TestAPausedSecretIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	pause := func(w *world) {
		w.cloud.PutSecret(reportsSecret, `{"version":1,"kind":"paused","paused_at":"2000-01-01T00:00:00Z","reason":"leaked"}`)
	}
	const says = "there is none until a person resumes the target: paused at 2000-01-01T00:00:00Z (leaked)"
	t.Run("before it was read", func(t *testing.T) {
		t.Parallel()
		w := newWorld()
		pause(w)
		h := w.serve(t, reportsSecret, dashboardSecret)
		for _, path := range []string{accounts + "default/token", accounts + "default/?recursive=true", base + "project/project-id"} {
			wantRefusal(t, get(h, path), 403, says)
		}
		wantAnswer(t, get(h, "/"), 200, asText, "computeMetadata/\n")
	})
	t.Run("while its token is in memory", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			h := w.serve(t, reportsSecret)
			get(h, accounts+"default/token")
			pause(w)
			time.Sleep(57 * time.Minute) // 180 s are left: it is stale, and read again
			wantRefusal(t, get(h, accounts+"default/token"), 403, says)
			wantAnswer(t, get(h, base+"project/project-id"), 200, asText, "p")
		})
	})
}

func TestASecretThatIsFilledLaterIsServedThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		h := w.serve(t, "late")
		wantRefusal(t, get(h, accounts+"default/token"), 503, "holds nothing yet")
		time.Sleep(5 * time.Second)
		w.holds("late", tokenstore.Token{Kind: tokenstore.AccessToken, Principal: reports, Scopes: []string{bigquery}})
		wantAnswer(t, get(h, accounts+"default/token"), 200, asJSON, tokenJSON("late"))
	})
}

// Somebody changes the config document: the secrets hold other tokens.
func TestAChangedSecretIsNoLongerTakenForWhatItWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		h := w.serve(t, reportsSecret, runAppSecret)
		for _, path := range []string{"default/token", "default/identity?audience=" + runApp} {
			if got := get(h, accounts+path); got.Code != 200 {
				t.Fatalf("%s: %d %s", path, got.Code, got.Body)
			}
		}
		w.holds(runAppSecret, tokenstore.Token{Kind: tokenstore.IDToken, Principal: reports, Audience: dashboard, Expiry: time.Now().Add(3 * time.Hour)})
		w.holds(reportsSecret, tokenstore.Token{Kind: tokenstore.AccessToken, Principal: caller, Scopes: []string{bigquery}, Expiry: time.Now().Add(3 * time.Hour)})
		time.Sleep(time.Hour)
		wantRefusal(t, get(h, accounts+"default/identity?audience="+runApp), 400, "no ID token")
		wantAnswer(t, get(h, accounts+reports+"/identity?audience="+dashboard), 200, asText, "ya29.caller-api")
		wantAnswer(t, get(h, accounts+"default/token"), 200, asJSON, strings.Replace(tokenJSON("reports"), "3600", "7200", 1))
		wantAnswer(t, get(h, accounts+"default/email"), 200, asText, caller)
		wantRefusal(t, get(h, accounts+reports+"/token"), 404, "no access token")
	})
}

func TestATokenIsNotGivenOutForWhatItsSecretHeldBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		h := w.serve(t, reportsSecret, dashboardSecret, "reports-api")
		idToken := func(audience string) tokenstore.Token {
			return tokenstore.Token{Kind: tokenstore.IDToken, Principal: reports, Audience: audience}
		}
		w.holds("reports-api", idToken(runApp))
		wantAnswer(t, get(h, accounts+"default/identity?audience="+dashboard), 200, asText, "ya29.reports-dashboard")
		wantAnswer(t, get(h, accounts+"default/identity?audience="+runApp), 200, asText, "ya29.reports-api")
		time.Sleep(time.Hour)
		w.holds("reports-api", idToken(dashboard))
		w.holds(dashboardSecret, idToken("https://other.example"))
		wantRefusal(t, get(h, accounts+"default/identity?audience="+runApp), 400, "https://other.example")
		wantAnswer(t, get(h, accounts+"default/identity?audience="+dashboard), 200, asText, "ya29.reports-api")
		time.Sleep(time.Hour)
		w.holds("reports-api", idToken(runApp))
		w.holds(dashboardSecret, idToken(dashboard))
		wantAnswer(t, get(h, accounts+"default/identity?audience="+dashboard), 200, asText, "ya29.reports-dashboard")
	})
}
