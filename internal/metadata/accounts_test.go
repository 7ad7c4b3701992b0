package metadata

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

func TestASecretIsReadWhenARequestNeedsIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path string
		read []string
	}{
		{"/", nil},
		{base + "instance", nil},
		{base + "project/", nil},
		{base + "instance/zone", nil},
		{accounts + "default/token?scopes=a&wait_for_change=true", nil},
		{base + "project/project-id", []string{reportsSecret}},
		{base + "universe/universe-domain", []string{reportsSecret}},
		{accounts + "default/?recursive=true", []string{reportsSecret}},
		{accounts + "default/token", []string{reportsSecret}},
		{accounts + "default/token?scopes=" + bigquery, []string{reportsSecret}},
		{accounts + "default/token?scopes=" + storage, allSecrets},
		{accounts + "default/identity?audience=" + runApp, allSecrets},
		{accounts + caller + "/email", allSecrets},
		{accounts, allSecrets},
	} {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			h := w.serve(t, allSecrets...)
			for range 3 {
				get(h, c.path)
			}
			if n := len(w.cloud.Calls()); n != len(c.read) {
				t.Errorf("there were %d reads, want %d", n, len(c.read))
			}
			for _, id := range c.read {
				if n := w.reads(id); n != 1 {
					t.Errorf("%s was read %d times", id, n)
				}
			}
		})
	}
}

func TestTheFirstSecretIsTheDefaultAccount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		secrets []string
		email   string
		token   int
	}{
		{"an access token", []string{reportsSecret, federatedSecret}, reports, 200},
		{"a federated token", []string{federatedSecret, reportsSecret}, pool, 200},
		{"an ID token and its account's access token", []string{dashboardSecret, reportsSecret}, reports, 200},
		{"an ID token alone", []string{runAppSecret, reportsSecret}, caller, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newWorld().serve(t, c.secrets...)
			wantAnswer(t, get(h, accounts+"default/email"), 200, asText, c.email)
			wantAnswer(t, get(h, accounts+c.email+"/aliases"), 200, asText, "default\n")
			if got := get(h, accounts+"default/token"); got.Code != c.token {
				t.Errorf("token is %d %s, want %d", got.Code, got.Body, c.token)
			}
		})
	}
}

func TestScopesChooseAmongAnAccountsTokensAndRefuseNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, token string }{
		"none":                           {"default/token", reportsSecret},
		"those of the first":             {"default/token?scopes=" + bigquery, reportsSecret},
		"those of the second":            {"default/token?scopes=" + storage, storageSecret},
		"some of the second's, by comma": {"default/token?scopes=" + platform + "," + storage, storageSecret},
		"some of the second's, by space": {"default/token?scopes=" + platform + "+" + storage, storageSecret},
		"some of each":                   {"default/token?scopes=" + storage + "," + bigquery, reportsSecret},
		"nobody's":                       {"default/token?scopes=openid", reportsSecret},
		"another account's":              {"default/token?scopes=" + platform, reportsSecret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := get(newWorld().serve(t, allSecrets...), accounts+c.path)
			if got.Code != 200 || !strings.Contains(got.Body.String(), `"ya29.`+c.token+`"`) {
				t.Errorf("got %d %s, want the token of %s", got.Code, got.Body, c.token)
			}
		})
	}
}

func TestAnIDTokenIsFoundByItsAudience(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.holds("caller-dashboard", tokenstore.Token{Kind: tokenstore.IDToken, Principal: caller, Audience: dashboard})
	h := w.serve(t, reportsSecret, "caller-dashboard", dashboardSecret, runAppSecret)
	for _, c := range []struct{ name, path, token string }{
		{"the default account's own before another's", "default/identity?audience=" + dashboard, "ya29.reports-dashboard"},
		{"another's where the default account has none", "default/identity?audience=" + runApp, "ya29.caller-api"},
		{"an account's own", caller + "/identity?audience=" + dashboard, "ya29.caller-dashboard"},
	} {
		if got := get(h, accounts+c.path); got.Code != 200 || got.Body.String() != c.token {
			t.Errorf("%s: got %d %s, want %s", c.name, got.Code, got.Body, c.token)
		}
	}
}

func TestAFederatedAccountGoesByThePoolsName(t *testing.T) {
	t.Parallel()
	for principal, want := range map[string]string{
		reports:  reports,
		provider: pool,
		"//iam.googleapis.com/locations/global/workforcePools/staff/providers/okta": "iam.googleapis.com.locations.global.workforcePools.staff.providers.okta",
		"//iam.googleapis.com/projects/123456":                                      "iam.googleapis.com.projects.123456",
		"/":                                                                         ".",
	} {
		if got := accountName(principal); got != want {
			t.Errorf("accountName(%q) = %q, want %q", principal, got, want)
		}
	}
}

func TestAFederatedAccountsProjectIsNotKnown(t *testing.T) {
	t.Parallel()
	h := newWorld().serve(t, federatedSecret)
	wantRefusal(t, get(h, base+"project/project-id"), 404, "GOOGLE_CLOUD_PROJECT")
	wantAnswer(t, get(h, base+"project/?recursive=true"), 200, asJSON, `{}`)
	wantAnswer(t, get(h, base+"universe/universe-domain"), 200, asText, "example.goog")
}

func TestOneBadSecretHarmsNoOther(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  fakecloud.Fault
		status int // of what may be in the secret that cannot be read
	}{
		"fails":  {fakecloud.Fault{Status: 500}, 503},
		"hangs":  {fakecloud.Fault{Hang: true}, 503},
		"breaks": {fakecloud.Fault{Reset: true}, 503},
		"denies": {fakecloud.Fault{Status: 400, Body: `{"__type":"AccessDeniedException","Message":"no"}`}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				c.fault.Resource = runAppSecret
				w.cloud.Fault(c.fault)
				h := w.serve(t, reportsSecret, runAppSecret, federatedSecret)
				for _, path := range []string{"default/token", "default/token?scopes=" + bigquery, "default/?recursive=true"} {
					began := time.Now()
					if got := get(h, accounts+path); got.Code != 200 || time.Since(began) > 0 {
						t.Errorf("%s: %d %s after %v", path, got.Code, got.Body, time.Since(began))
					}
				}
				wantAnswer(t, get(h, accounts), 200, asText, "default/\n"+reports+"/\n"+pool+"/\n")
				wantAnswer(t, get(h, accounts+pool+"/token"), 200, asJSON, strings.Replace(tokenJSON("federated"), "3600", expiresIn(h), 1))
				time.Sleep(10 * time.Second) // a failure is remembered that long at most
				for _, path := range []string{caller + "/email", "default/identity?audience=" + runApp} {
					began := time.Now()
					wantRefusal(t, get(h, accounts+path), c.status, `secret "`+runAppSecret+`"`)
					if took := time.Since(began); took >= 3*time.Second {
						t.Errorf("%s took %v, for which Google's SDKs do not wait", path, took)
					}
				}
			})
		})
	}
}

// A better token may be in a secret that was never read. While that hangs, the
// answer is the one there is, in time for SDKs and mostly at once.
func TestASecretThatHangsDelaysNobodyWhoHasAToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.cloud.Fault(fakecloud.Fault{Resource: storageSecret, Hang: true})
		h := w.serve(t, reportsSecret, storageSecret)
		get(h, accounts+"default/token")
		var waited time.Duration
		for range 60 {
			began := time.Now()
			if got := get(h, accounts+"default/token?scopes="+bigquery+","+storage); got.Code != 200 {
				t.Fatalf("got %d %s", got.Code, got.Body)
			}
			took := time.Since(began)
			if took > 1500*time.Millisecond {
				t.Errorf("it took %v of the 3 s that SDKs wait", took)
			}
			waited += took
			time.Sleep(500 * time.Millisecond)
		}
		if waited > 10*time.Second {
			t.Errorf("60 requests in half a minute waited for %v", waited)
		}
	})
}

func TestASecretThatWasSeenIsNotReadForABetterToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		h := w.serve(t, reportsSecret, storageSecret)
		get(h, accounts)
		time.Sleep(30 * time.Minute)
		w.holds(reportsSecret, tokenstore.Token{Kind: tokenstore.AccessToken, Principal: reports, Scopes: []string{bigquery}})
		time.Sleep(31 * time.Minute) // the other one has expired
		w.cloud.Fault(fakecloud.Fault{Resource: storageSecret, Hang: true})
		get(h, accounts+"default/token")
		began := time.Now()
		if got := get(h, accounts+"default/token?scopes="+bigquery+",openid"); got.Code != 200 || time.Since(began) > 0 {
			t.Errorf("got %d %s after %v", got.Code, got.Body, time.Since(began))
		}
	})
}

// expiresIn is what the default token has left, in the words of an answer.
func expiresIn(h http.Handler) string {
	_, after, _ := strings.Cut(get(h, accounts+"default/token").Body.String(), `"expires_in":`)
	left, _, _ := strings.Cut(after, ",")
	return left
}

func TestAThousandCallersMakeOneRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.cloud.Fault(fakecloud.Fault{Latency: 2 * time.Second})
		h := w.serve(t, allSecrets...)
		paths := []string{"default/token", pool + "/token", "default/identity?audience=" + runApp, "?recursive=true", caller + "/email"}
		var all sync.WaitGroup
		for i := range 1000 {
			all.Go(func() {
				began := time.Now()
				if got := get(h, accounts+paths[i%len(paths)]); got.Code != 200 && got.Code != 503 || time.Since(began) > 3*time.Second {
					t.Errorf("%s: %d %s after %v", paths[i%len(paths)], got.Code, got.Body, time.Since(began))
				}
			})
		}
		all.Wait()
		for _, id := range allSecrets {
			if n := w.reads(id); n > 2 { // one may be given up and begun anew
				t.Errorf("%s was read %d times", id, n)
			}
		}
	})
}

func TestAClientThatGoesAwayIsNoFailureForTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		quick := w.cloud.Fault(fakecloud.Fault{Latency: time.Second})
		h := w.serve(t, reportsSecret)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, accounts+"default/token", nil)
		r.Host = "localhost"
		r.Header.Set("Metadata-Flavor", "Google")
		if got := do(h, r); got.Code == 200 {
			t.Errorf("got %d %s", got.Code, got.Body)
		}
		quick()
		if got := get(h, accounts+"default/token"); got.Code != 200 {
			t.Errorf("got %d %s", got.Code, got.Body)
		}
	})
}
