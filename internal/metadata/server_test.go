package metadata

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/tokenstore"
)

func TestEveryPathInEveryForm(t *testing.T) {
	t.Parallel()
	const (
		reportsJSON = `{"aliases":["default"],"email":"` + reports + `","scopes":["` + bigquery + `"]}`
		callerJSON  = `{"aliases":[],"email":"` + caller + `","scopes":[]}`
		poolJSON    = `{"aliases":[],"email":"` + pool + `","scopes":["` + platform + `"]}`
		allJSON     = `{"` + pool + `":` + poolJSON + `,"` + caller + `":` + callerJSON + `,"default":` + reportsJSON + `,"` + reports + `":` + reportsJSON + `}`
	)
	for _, c := range []struct{ path, contentType, body string }{
		{"/", asText, "computeMetadata/\n"},
		{"/?recursive=true&alt=text", asText, "" +
			"computeMetadata/v1/instance/service-accounts/default/aliases default\n" +
			"computeMetadata/v1/instance/service-accounts/default/email " + reports + "\n" +
			"computeMetadata/v1/instance/service-accounts/default/scopes " + bigquery + "\n" +
			"computeMetadata/v1/instance/service-accounts/" + reports + "/aliases default\n" +
			"computeMetadata/v1/instance/service-accounts/" + reports + "/email " + reports + "\n" +
			"computeMetadata/v1/instance/service-accounts/" + reports + "/scopes " + bigquery + "\n" +
			"computeMetadata/v1/instance/service-accounts/" + caller + "/email " + caller + "\n" +
			"computeMetadata/v1/instance/service-accounts/" + pool + "/email " + pool + "\n" +
			"computeMetadata/v1/instance/service-accounts/" + pool + "/scopes " + platform + "\n" +
			"computeMetadata/v1/project/project-id p\n" +
			"computeMetadata/v1/universe/universe-domain googleapis.com\n"},
		{"/computeMetadata", asText, "v1/\n"},
		{"/computeMetadata/", asText, "v1/\n"},
		{base, asText, "instance/\nproject/\nuniverse/\n"},
		{base + "?alt=json", asJSON, `["instance/","project/","universe/"]`},
		{base + "?recursive=true", asJSON, `{"instance":{"serviceAccounts":` + allJSON + `},"project":{"projectId":"p"},"universe":{"universeDomain":"googleapis.com"}}`},
		{base + "instance", asText, "service-accounts/\n"},
		{base + "instance/", asText, "service-accounts/\n"},
		{base + "project/", asText, "project-id\n"},
		{base + "project/?recursive=true", asJSON, `{"projectId":"p"}`},
		{base + "project/project-id", asText, "p"},
		{base + "project/project-id?alt=json", asJSON, `"p"`},
		{base + "project/project-id?recursive=true", asText, "p"},
		{base + "universe/", asText, "universe-domain\n"},
		{base + "universe/universe-domain", asText, "googleapis.com"},
		{accounts, asText, "default/\n" + reports + "/\n" + caller + "/\n" + pool + "/\n"},
		{accounts + "?recursive=true", asJSON, allJSON},
		{strings.TrimSuffix(accounts, "/"), asText, "default/\n" + reports + "/\n" + caller + "/\n" + pool + "/\n"},
		{accounts + "default", asText, "aliases\nemail\nidentity\nscopes\ntoken\n"},
		{accounts + "default/", asText, "aliases\nemail\nidentity\nscopes\ntoken\n"},
		{accounts + "default/?alt=json", asJSON, `["aliases","email","identity","scopes","token"]`},
		{accounts + "default/?recursive=true", asJSON, reportsJSON},
		{accounts + "default?recursive=True", asJSON, reportsJSON},
		{accounts + "default/?recursive=true&alt=text", asText, "aliases default\nemail " + reports + "\nscopes " + bigquery + "\n"},
		{accounts + "default/aliases", asText, "default\n"},
		{accounts + "default/email", asText, reports},
		{accounts + "default/email/", asText, reports},
		{accounts + "default/email?alt=json", asJSON, `"` + reports + `"`},
		{accounts + "default/scopes", asText, bigquery + "\n"},
		{accounts + "default/scopes?alt=json", asJSON, `["` + bigquery + `"]`},
		{accounts + "default/token", asJSON, tokenJSON("reports")},
		{accounts + "default/token?alt=text", asJSON, tokenJSON("reports")},
		{accounts + "default/identity?audience=" + dashboard, asText, "ya29.reports-dashboard"},
		{accounts + reports + "/?recursive=true", asJSON, reportsJSON},
		{accounts + strings.Replace(reports, "@", "%40", 1) + "/email", asText, reports},
		{accounts + reports + "/token", asJSON, tokenJSON("reports")},
		{accounts + caller + "/?recursive=true", asJSON, callerJSON},
		{accounts + caller + "/identity?audience=" + runApp + "&format=standard", asText, "ya29.caller-api"},
		{accounts + pool + "/?recursive=true", asJSON, poolJSON},
		{accounts + pool + "/token", asJSON, tokenJSON("federated")},
	} {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // so that expires_in is known
				h := newWorld().serve(t, allSecrets...)
				wantAnswer(t, get(h, c.path), http.StatusOK, c.contentType, c.body)
			})
		})
	}
}

// tokenJSON is the answer for a secret's token that was minted just now.
func tokenJSON(secret string) string {
	return `{"access_token":"ya29.` + secret + `","expires_in":3600,"token_type":"Bearer"}`
}

func TestWhatIsNotServedIsRefusedCalmly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path   string
		status int
		says   string
	}{
		{base + "instance/zone", 404, "instance/service-accounts/"},
		{base + "instance/id", 404, "nothing is served here"},
		{base + "instance/attributes/", 404, "nothing is served here"},
		{base + "project/numeric-project-id", 404, "project/project-id"},
		{base + "project/project-id/more", 404, "nothing is served here"},
		{"/computeMetadata/v1beta1/instance/", 404, "nothing is served here"},
		{"/favicon.ico", 404, "nothing is served here"},
		{"//computeMetadata/v1/", 404, "nothing is served here"},
		{accounts + "default/token/more", 404, "nothing is served here"},
		{accounts + "default/nothing", 404, "nothing is served here"},
		{accounts + "/token", 404, "no such account"},
		{accounts + "nobody@p.iam.gserviceaccount.com/", 404, "these are served: default, " + reports + ", " + caller},
		{accounts + "nobody@p.iam.gserviceaccount.com/token", 404, "no such account"},
		{accounts + "nobody@p.iam.gserviceaccount.com/identity?audience=" + runApp, 404, "no such account"},
		{accounts + caller + "/token", 404, "no access token"},
		{accounts + "default/identity", 400, "needs ?audience="},
		{accounts + "default/identity?audience=", 400, "needs ?audience="},
		{accounts + "default/identity?audience=https://elsewhere.example", 400, `"` + runApp + `" of ` + caller},
		{accounts + reports + "/identity?audience=" + runApp, 400, `"` + dashboard + `" of ` + reports},
		{accounts + "default/token?wait_for_change=true&timeout_sec=60&last_etag=0", 400, "wait_for_change is not served"},
		{base + "?recursive=true&wait_for_change=TRUE", 400, "wait_for_change is not served"},
		{accounts + "default/email?alt=xml", 400, "alt is json or text"},
		{accounts + "default/token?scopes=%zz", 400, "malformed"},
		{accounts + "default/token?a=1;b=2", 400, "malformed"},
	} {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			h := newWorld().serve(t, reportsSecret, dashboardSecret, runAppSecret)
			wantRefusal(t, get(h, c.path), c.status, c.says)
		})
	}
}

func TestOnlySDKsOnThisMachineAreAnswered(t *testing.T) {
	t.Parallel()
	const target = accounts + "default/token"
	for _, c := range []struct {
		name   string
		status int
		lines  []string
	}{
		{"an SDK's request", 200, []string{"GET " + target + " HTTP/1.1", "Host: 127.0.0.1:2774", "Metadata-Flavor: Google"}},
		{"without the header", 403, []string{"GET " + target + " HTTP/1.1", "Host: 127.0.0.1:2774"}},
		{"with another flavor", 403, []string{"GET " + target + " HTTP/1.1", "Host: 127.0.0.1:2774", "Metadata-Flavor: google"}},
		{"with the header of before v1", 403, []string{"GET " + target + " HTTP/1.1", "Host: 127.0.0.1:2774", "X-Google-Metadata-Request: True"}},
		{"a directory without the header", 403, []string{"GET /computeMetadata/v1/ HTTP/1.1", "Host: 127.0.0.1:2774"}},
		{"forwarded", 403, []string{"GET " + target + " HTTP/1.1", "Host: 127.0.0.1:2774", "Metadata-Flavor: Google", "X-Forwarded-For: 203.0.113.7"}},
		{"forwarded for nobody", 403, []string{"GET " + target + " HTTP/1.1", "Host: 127.0.0.1:2774", "Metadata-Flavor: Google", "x-forwarded-for:"}},
		{"a forwarded ping", 403, []string{"GET / HTTP/1.1", "Host: 127.0.0.1:2774", "X-Forwarded-For: 203.0.113.7"}},
		{"by a name that was rebound", 403, []string{"GET " + target + " HTTP/1.1", "Host: attacker.example:2774", "Metadata-Flavor: Google"}},
		{"by a name that looks like an address", 403, []string{"GET " + target + " HTTP/1.1", "Host: 127.0.0.1.attacker.example", "Metadata-Flavor: Google"}},
		{"by another address", 403, []string{"GET " + target + " HTTP/1.1", "Host: 10.0.0.1:2774", "Metadata-Flavor: Google"}},
		{"by every interface's address", 403, []string{"GET " + target + " HTTP/1.1", "Host: 0.0.0.0:2774", "Metadata-Flavor: Google"}},
		{"by every IPv6 interface's address", 403, []string{"GET " + target + " HTTP/1.1", "Host: [::]:2774", "Metadata-Flavor: Google"}},
		{"by Google's name, which a hostile network may resolve", 403, []string{"GET " + target + " HTTP/1.1", "Host: metadata.google.internal", "Metadata-Flavor: Google"}},
		{"by Google's name with a dot", 403, []string{"GET " + target + " HTTP/1.1", "Host: metadata.google.internal.", "Metadata-Flavor: Google"}},
		{"by Google's short name", 403, []string{"GET " + target + " HTTP/1.1", "Host: metadata", "Metadata-Flavor: Google"}},
		{"by Google's address", 403, []string{"GET " + target + " HTTP/1.1", "Host: 169.254.169.254", "Metadata-Flavor: Google"}},
		{"by a port that is no number", 403, []string{"GET " + target + " HTTP/1.1", "Host: 127.0.0.1:evil", "Metadata-Flavor: Google"}},
		{"by a port that is too large", 403, []string{"GET " + target + " HTTP/1.1", "Host: 127.0.0.1:65536", "Metadata-Flavor: Google"}},
		{"by a port that is missing", 403, []string{"GET " + target + " HTTP/1.1", "Host: 127.0.0.1:", "Metadata-Flavor: Google"}},
		{"by half an IPv6 address", 403, []string{"GET " + target + " HTTP/1.1", "Host: [::1", "Metadata-Flavor: Google"}},
		{"by an IPv6 address without brackets", 403, []string{"GET " + target + " HTTP/1.1", "Host: ::1", "Metadata-Flavor: Google"}},
		{"by a name before another's", 403, []string{"GET " + target + " HTTP/1.1", "Host: localhost:80@attacker.example", "Metadata-Flavor: Google"}},
		{"by a name below localhost", 403, []string{"GET " + target + " HTTP/1.1", "Host: attacker.localhost:2774", "Metadata-Flavor: Google"}},
		{"for another's URL", 403, []string{"GET http://attacker.example" + target + " HTTP/1.1", "Host: 127.0.0.1:2774", "Metadata-Flavor: Google"}},
		{"a page that this port left in a browser", 403, []string{"GET " + target + " HTTP/1.1", "Host: localhost:2774", "Metadata-Flavor: Google", "Sec-Fetch-Site: same-origin"}},
		{"Node's fetch", 200, []string{"GET " + target + " HTTP/1.1", "Host: localhost:2774", "Metadata-Flavor: Google", "sec-fetch-mode: cors"}},
		{"everything at once without the header", 403, []string{"GET /?recursive=true&alt=json HTTP/1.1", "Host: 127.0.0.1:2774"}},
		{"by no name", 403, []string{"GET " + target + " HTTP/1.0", "Metadata-Flavor: Google"}},
		{"a ping by a name that was rebound", 403, []string{"GET / HTTP/1.1", "Host: attacker.example"}},
		{"by localhost", 200, []string{"GET " + target + " HTTP/1.1", "Host: localhost:2774", "Metadata-Flavor: Google"}},
		{"by IPv6", 200, []string{"GET " + target + " HTTP/1.1", "Host: [::1]:2774", "Metadata-Flavor: Google"}},
		{"by IPv6 without a port", 200, []string{"GET " + target + " HTTP/1.1", "Host: [::1]", "Metadata-Flavor: Google"}},
		{"by localhost in capitals without a port", 200, []string{"GET " + target + " HTTP/1.1", "Host: LOCALHOST", "Metadata-Flavor: Google"}},
		{"a POST", 405, []string{"POST " + target + " HTTP/1.1", "Host: 127.0.0.1:2774", "Metadata-Flavor: Google"}},
		{"a browser's preflight", 405, []string{"OPTIONS " + target + " HTTP/1.1", "Host: localhost:2774", "Origin: http://localhost:3000", "Access-Control-Request-Headers: metadata-flavor"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newWorld().serve(t, reportsSecret)
			got := send(t, h, c.lines...)
			if got.Code != c.status {
				t.Errorf("got %d %q, want %d", got.Code, got.Body, c.status)
			}
			if given := strings.Contains(got.Body.String(), "ya29."); given != (c.status == 200) {
				t.Errorf("a token was given out: %v", given)
			}
			if allow := got.Header().Get("Allow"); (allow == "GET, HEAD") != (c.status == 405) {
				t.Errorf("Allow is %q", allow)
			}
			wantGuarded(t, got)
		})
	}
}

// wantGuarded checks what every answer has.
func wantGuarded(t *testing.T, got *httptest.ResponseRecorder) {
	t.Helper()
	for name, want := range map[string]string{
		"Metadata-Flavor": "Google", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Access-Control-Allow-Origin": "", "Etag": "", "Location": "",
	} {
		if got := got.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestHEADIsGETWithoutTheBody(t *testing.T) {
	t.Parallel()
	h := newWorld().serve(t, reportsSecret)
	for _, target := range []string{"/", base, accounts + "default/token", accounts + "default/?recursive=true", base + "instance/zone"} {
		full := get(h, target)
		head := send(t, h, "HEAD "+target+" HTTP/1.1", "Host: 127.0.0.1:2774", "Metadata-Flavor: Google")
		if head.Code != full.Code || head.Body.Len() != 0 || head.Header().Get("Content-Length") != fmt.Sprint(full.Body.Len()) {
			t.Errorf("HEAD %s is %d with %d bytes and Content-Length %s; GET is %d with %d",
				target, head.Code, head.Body.Len(), head.Header().Get("Content-Length"), full.Code, full.Body.Len())
		}
		wantGuarded(t, head)
	}
}

func TestATokenCountsDownAndIsNeverGivenOutExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newWorld().serve(t, reportsSecret, dashboardSecret)
		began := time.Now()
		for last := 0; time.Since(began) < 62*time.Minute; {
			left := time.Until(began.Add(time.Hour))
			got := get(h, accounts+"default/token")
			var body struct {
				ExpiresIn float64 `json:"expires_in"`
			}
			switch {
			case got.Code == http.StatusServiceUnavailable:
				wantRefusal(t, got, 503, "less than 30s left")
				wantRefusal(t, get(h, accounts+"default/identity?audience="+dashboard), 503, "less than 30s left")
				if left > 30*time.Second {
					t.Errorf("no token with %v left", left)
				}
			case got.Code != 200 || json.Unmarshal(got.Body.Bytes(), &body) != nil:
				t.Errorf("got %d %s", got.Code, got.Body)
			case body.ExpiresIn > left.Seconds() || body.ExpiresIn < left.Seconds()-1 || body.ExpiresIn < 5:
				t.Errorf("expires_in is %v with %v left", body.ExpiresIn, left)
			}
			if last != got.Code {
				t.Logf("%d with %v left", got.Code, left)
				last = got.Code
			}
			time.Sleep(7700 * time.Millisecond)
		}
	})
}

// A process may be frozen after its tokensource answered.
func TestATokenThatExpiredOnTheWayIsNotGivenOut(t *testing.T) {
	t.Parallel()
	for left, given := range map[time.Duration]bool{-time.Hour: false, 0: false, 4 * time.Second: false, 6 * time.Second: true} {
		stored := &token{tokenstore.Token{Expiry: time.Now().Add(left)}, reports}
		if _, err := remaining(stored); (err == nil) != given {
			t.Errorf("with %v left: %v", left, err)
		}
	}
}

// The sources' clock stands, as if the process had been frozen after they answered.
func TestNeitherKindOfTokenIsGivenOutAfterAFreeze(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newWorld().serve(t, reportsSecret, dashboardSecret).(*server)
		began := time.Now()
		for _, k := range s.secrets {
			k.source.Now = func() time.Time { return began }
		}
		for range 2 {
			status := http.StatusOK
			if time.Since(began) > 0 {
				status = http.StatusServiceUnavailable
			}
			for _, path := range []string{"default/token", "default/identity?audience=" + dashboard} {
				if got := get(s, accounts+path); got.Code != status || strings.Contains(got.Body.String(), "ya29.") != (status == 200) {
					t.Errorf("%s: got %d %s, want %d", path, got.Code, got.Body, status)
				}
			}
			time.Sleep(time.Hour)
		}
	})
}

func TestAReplacedTokenIsServedBeforeSDKsAskAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		h := w.serve(t, reportsSecret)
		get(h, accounts+"default/token")
		time.Sleep(56*time.Minute + 20*time.Second) // 220 s are left: SDKs take it for stale
		w.holds(reportsSecret, tokenstore.Token{Kind: tokenstore.AccessToken, Principal: reports, Scopes: []string{bigquery}})
		wantAnswer(t, get(h, accounts+"default/token"), 200, asJSON, tokenJSON("reports"))
	})
}

func TestLogLinesHaveNoQueryAndNoToken(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.serve(t, reportsSecret, runAppSecret)
	get(h, accounts+"default/token?scopes="+bigquery)
	get(h, accounts+"default/identity?audience="+runApp)
	get(h, accounts+"default/identity?audience=https://planted.example")
	get(h, base+"instance/zone")
	log := w.log.String()
	for _, want := range []string{
		"level=DEBUG msg=\"metadata request\" method=GET path=/computeMetadata/v1/instance/service-accounts/default/token status=200 took=",
		"level=WARN", "status=400", "reason=\"this account has no ID token here",
		"level=INFO", "path=/computeMetadata/v1/instance/zone status=404",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	for _, never := range []string{"ya29", bigquery, "planted", "audience="} {
		if strings.Contains(log, never) {
			t.Errorf("the log has %q:\n%s", never, log)
		}
	}
}

func TestSecretsThatCannotBeServedAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for name, secrets := range map[string][]string{"none": nil, "an empty name": {"a", ""}, "one twice": {"a", "b", "a"}} {
		if _, err := NewServer(Options{Secrets: secrets}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzNoRequestGetsATokenUnasked(f *testing.F) {
	f.Add("GET", "127.0.0.1:2774", "Google", accounts+"default/token", "scopes=a,b")
	f.Add("GET", "localhost", "Google", accounts+"default/identity", "audience="+runApp)
	f.Add("HEAD", "[::1]:1", "Google", base, "recursive=true&alt=text")
	f.Add("GET", "[::1", "", "/", "wait_for_change=1")
	f.Add("GET", "attacker.example", "Google", accounts+"default/token", "alt=json&%zz")
	cloud := newWorld().cloud
	f.Fuzz(func(t *testing.T, method, host, flavor, path, rawQuery string) {
		h := (&world{cloud: cloud}).serve(t, allSecrets...)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method, r.Host, r.URL.Path, r.URL.RawQuery = method, host, path, rawQuery
		r.Header.Set("Metadata-Flavor", flavor)
		got := do(h, r)
		wantGuarded(t, got)
		if got.Code >= 500 {
			t.Errorf("got %d %s", got.Code, got.Body)
		}
		asked := method == "GET" && flavor == "Google" && strings.HasPrefix(path, accounts) &&
			(strings.HasSuffix(strings.TrimSuffix(path, "/"), "/token") || strings.HasSuffix(strings.TrimSuffix(path, "/"), "/identity"))
		if strings.Contains(got.Body.String(), "ya29.") && !asked {
			t.Errorf("%s %q of %q got a token", method, path, host)
		}
	})
}
