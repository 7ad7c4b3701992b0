package externalaccount

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/secret"
)

const deploy = "deploy@p.iam.gserviceaccount.com"

// impersonated are credentials of a document, on the wire and in env unless the
// options say otherwise.
func (w *wire) impersonated(t *testing.T, document []byte, o Options) *Impersonated {
	t.Helper()
	o.HTTPClient = &http.Client{Transport: w.login(true)}
	if o.Getenv == nil {
		o.Getenv = lookup(env)
	}
	c, err := NewImpersonated(parseAs[*ImpersonatedFile](t, document), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func impersonatedToken(t *testing.T, c *Impersonated) Token {
	t.Helper()
	token, err := c.CachedToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestAnImpersonationIsReadWhole(t *testing.T) {
	t.Parallel()
	got := parseAs[*ImpersonatedFile](t, edit(t, impersonating(googleLogin), map[string]string{
		"delegates":                     `["projects/-/serviceAccounts/` + deploy + `"]`,
		"scopes":                        `["openid"]`,
		"quota_project_id":              `"quota"`,
		"service_account_impersonation": `{"token_lifetime_seconds": 2800}`,
	}))
	want := &ImpersonatedFile{
		Type:                               "impersonated_service_account",
		ServiceAccountImpersonationURL:     strings.Trim(anyReports, `"`),
		ServiceAccountTokenLifetimeSeconds: 2800,
		Delegates:                          []string{"projects/-/serviceAccounts/" + deploy},
		Source:                             parseAs[*AuthorizedUserFile](t, []byte(googleLogin)),
		Scopes:                             []string{"openid"},
		QuotaProjectID:                     "quota",
		UniverseDomain:                     "googleapis.com",
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(secret.Text.Equal)); diff != "" {
		t.Error(diff)
	}
	againAny(t, got, FileOptions{})
	masked, err := json.Marshal(got)
	if err != nil || strings.Contains(string(masked), "planted") || !strings.Contains(string(masked), `"refresh_token":"sha256:`) {
		t.Errorf("%s, %v", masked, err)
	}
	expectMasked(t, got)
	expectMasked(t, parseAs[*ImpersonatedFile](t, []byte(nested(3))))
}

func TestTheUniverseOfAnImpersonationIsThatOfItsSource(t *testing.T) {
	t.Parallel()
	source := string(edit(t, workforceLogin, map[string]string{"universe_domain": `"s3nsapis.fr"`, "token_url": `"https://sts.s3nsapis.fr/v1/oauthtoken"`, "token_info_url": "", "revoke_url": ""}))
	f := parseAs[*ImpersonatedFile](t, []byte(strings.Replace(impersonating(source), "iamcredentials.googleapis.com", "iamcredentials.s3nsapis.fr", 1)))
	c, err := NewImpersonated(f, Options{Getenv: lookup(nil)})
	if err != nil || f.UniverseDomain != "s3nsapis.fr" || c.UniverseDomain() != "s3nsapis.fr" {
		t.Errorf("%s, %v", f.UniverseDomain, err)
	}
	c, err = NewImpersonated(&ImpersonatedFile{ServiceAccountImpersonationURL: f.ServiceAccountImpersonationURL, Source: f.Source}, Options{Getenv: lookup(nil)})
	if err != nil || c.UniverseDomain() != "s3nsapis.fr" {
		t.Errorf("of a file made in Go: %v", err)
	}
}

// The source's token would go to hosts of another cloud, whoever has it.
func TestAnImpersonationStaysInTheUniverseOfItsSource(t *testing.T) {
	t.Parallel()
	elsewhere := strings.ReplaceAll(strings.Trim(anyReports, `"`), "googleapis.com", "evil.example")
	document := edit(t, impersonating(minimal), map[string]string{"universe_domain": `"evil.example"`, "service_account_impersonation_url": `"` + elsewhere + `"`})
	_, err := ParseAny(document, FileOptions{})
	expectProblems(t, []string{`universe_domain: found "evil.example"; write "googleapis.com", which is that of the source_credentials, or remove it`}, problems(t, err))

	for _, o := range []Options{{Getenv: lookup(nil)}, {Getenv: lookup(nil), AllowAnyEndpoint: true}} {
		c, err := NewImpersonated(&ImpersonatedFile{ServiceAccountImpersonationURL: elsewhere, UniverseDomain: "evil.example", Source: &File{Audience: provider}}, o)
		if !isA[*ConfigError](err) || c != nil || !strings.Contains(err.Error(), `"evil.example"`) {
			t.Errorf("of a file made in Go: %v, %v", c, err)
		}
	}
}

func TestEachMistakeInAnImpersonationIsToldWithWhatToWrite(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		fields map[string]string
		want   []string
	}{
		{"nothing", map[string]string{"source_credentials": "", "service_account_impersonation_url": ""}, []string{
			"source_credentials: found nothing; write the credentials that impersonate",
			"service_account_impersonation_url: found nothing; write whom to impersonate: https://iamcredentials.googleapis.com/",
		}},
		{"a source with a mistake", map[string]string{"source_credentials": `{"type": "authorized_user"}`}, []string{
			"source_credentials.refresh_token: found nothing; log in again", "source_credentials.client_id: found nothing", "source_credentials.client_secret: found nothing"}},
		{"a path", map[string]string{"source_credentials": `"adc.json"`}, []string{`source_credentials: found "adc.json"; write an object in braces`}},
		{"a foreign host", map[string]string{"service_account_impersonation_url": `"https://iam.example.com/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken"`},
			[]string{`service_account_impersonation_url: found the host "iam.example.com"`}},
		{"nobody", map[string]string{"service_account_impersonation_url": `"https://iamcredentials.googleapis.com/v1/x"`}, []string{`service_account_impersonation_url: found "https://iamcredentials.googleapis.com/v1/x"; end it with`}},
		{"delegates in one text", map[string]string{"delegates": `"` + deploy + `"`}, []string{`delegates: found "` + deploy + `"; write an array`}},
		{"an empty delegate", map[string]string{"delegates": `[""]`}, []string{`delegates[0]: found ""; write the email`}},
		{"too short a lifetime", map[string]string{"service_account_impersonation": `{"token_lifetime_seconds": 1}`}, []string{`service_account_impersonation.token_lifetime_seconds: found 1; write`}},
		{"an unknown field", map[string]string{"lifetime": `3600`}, []string{`lifetime: found an unknown field`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseAny(edit(t, impersonating(googleLogin), tt.fields), FileOptions{})
			expectProblems(t, sorted(tt.want), sorted(problems(t, err)))
		})
	}
}

func TestEverySourceImpersonates(t *testing.T) {
	t.Parallel()
	account := func(email string) map[string]string {
		return map[string]string{"service_account_impersonation_url": strings.Replace(anyReports, reports, email, 1)}
	}
	for _, tt := range []struct{ name, source, by string }{
		{"a workload", minimal, subjects + lambdaARN},
		{"a workload that impersonates", string(change(t, account(deploy))), deploy},
		{"a workforce login", workforceLogin, ada},
		{"a Google login", googleLogin, ada},
		{"another impersonation", string(edit(t, impersonating(googleLogin), account(deploy))), deploy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWire()
			w.AddServiceAccount(fakecloud.ServiceAccount{Email: deploy})
			w.AddServiceAccount(fakecloud.ServiceAccount{Email: reports, Callers: []string{tt.by}})
			c := w.impersonated(t, []byte(impersonating(tt.source)), Options{Scopes: []string{bigquery}})
			token := impersonatedToken(t, c)
			issued, good := w.LookupToken(token.Value.Reveal())
			if !good || issued.Principal != reports || !slices.Equal(issued.Scopes, []string{bigquery}) || token.ServiceAccount != reports {
				t.Errorf("it is %v with %q, good: %t", issued, issued.Scopes, good)
			}
			if c.IsUser() || c.ServiceAccountEmail() != reports {
				t.Errorf("user %t, %s", c.IsUser(), c.ServiceAccountEmail())
			}
			before := len(w.sent)
			if other := impersonatedToken(t, c.WithScopes("openid")); other.Value.Equal(token.Value) || len(w.sent) != before+1 {
				t.Errorf("%d calls for other scopes; the source's token was not kept", len(w.sent)-before)
			}
			if again := impersonatedToken(t, c); !again.Value.Equal(token.Value) || len(w.sent) != before+1 {
				t.Error("the token was not kept")
			}
		})
	}
}

func TestAnImpersonationIsOfTheFilesMaking(t *testing.T) {
	t.Parallel()
	w := newWire()
	w.AddServiceAccount(fakecloud.ServiceAccount{Email: deploy, Callers: []string{ada}})
	w.AddServiceAccount(fakecloud.ServiceAccount{Email: reports, Callers: []string{deploy}, MaxLifetime: 12 * time.Hour})
	const private = `"https://iamcredentials-vpc.p.googleapis.com/v1/projects/-/serviceAccounts/` + reports + `:generateAccessToken"`
	c := w.impersonated(t, edit(t, impersonating(googleLogin), map[string]string{
		"service_account_impersonation_url": private,
		"delegates":                         `["` + deploy + `"]`,
		"service_account_impersonation":     `{"token_lifetime_seconds": 7200}`,
	}), Options{})
	token, err := c.Token(t.Context(), []string{platform})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(token.Expiry); left < 119*time.Minute || left > 2*time.Hour {
		t.Errorf("it lasts %v", left)
	}
	w.one(t, "iamcredentials-vpc.p.googleapis.com")
}

func TestTheScopesOfAnImpersonation(t *testing.T) {
	t.Parallel()
	document := edit(t, impersonating(minimal), map[string]string{"scopes": `["openid"]`})
	for _, tt := range []struct {
		name     string
		document []byte
		options  Options
		want     []string
	}{
		{"the options'", document, Options{Scopes: []string{bigquery}, DefaultScopes: []string{platform}}, []string{bigquery}},
		{"the file's", document, Options{DefaultScopes: []string{platform}}, []string{"openid"}},
		{"the default ones", []byte(impersonating(minimal)), Options{DefaultScopes: []string{platform}}, []string{platform}},
		{"none", []byte(impersonating(minimal)), Options{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWire()
			c := w.impersonated(t, tt.document, tt.options)
			if len(tt.want) == 0 {
				_, err := c.CachedToken(t.Context())
				expectRefreshError(t, err, LegConfig, false, isA[*ConfigError])
				c = c.WithDefaultScopes(platform)
				tt.want = []string{platform}
			}
			if issued, _ := w.LookupToken(impersonatedToken(t, c).Value.Reveal()); !slices.Equal(issued.Scopes, tt.want) || !c.HasScopes(tt.want...) {
				t.Errorf("issued with %q, want %q", issued.Scopes, tt.want)
			}
		})
	}
}

func TestTheQuotaProjectOfAnImpersonationIsItsOwn(t *testing.T) {
	t.Parallel()
	w := newWire()
	if got := w.impersonated(t, []byte(impersonating(googleLogin)), Options{}).QuotaProject(); got != "" {
		t.Errorf("the source's is taken: %q", got)
	}
	c := w.impersonated(t, edit(t, impersonating(googleLogin), map[string]string{"quota_project_id": `"files"`}), Options{})
	if c.QuotaProject() != "files" || c.WithQuotaProject("copys").QuotaProject() != "copys" || c.QuotaProject() != "files" {
		t.Errorf("it is %q", c.QuotaProject())
	}
	c = w.impersonated(t, []byte(impersonating(googleLogin)), Options{Getenv: lookup(map[string]string{"GOOGLE_CLOUD_QUOTA_PROJECT": "environments"})})
	if c.QuotaProject() != "environments" {
		t.Errorf("the environment's is %q", c.QuotaProject())
	}
}

func TestARotatedRefreshTokenOfASourceIsInTheInfo(t *testing.T) {
	t.Parallel()
	w := newWire()
	var handed secret.Text
	c := w.impersonated(t, []byte(impersonating(googleLogin)), Options{Scopes: []string{platform}, OnRefreshToken: func(token secret.Text) { handed = token }})
	impersonatedToken(t, c)
	encoded, err := c.WithQuotaProject("other").Info().Encode()
	if err != nil || handed.IsZero() || !strings.Contains(string(encoded), handed.Reveal()) || strings.Contains(string(encoded), plantedRefresh) {
		t.Errorf("handed %v, the file is %s, %v", handed, encoded, err)
	}
}

func TestNoCredentialsAreMadeOfHalfAnImpersonation(t *testing.T) {
	t.Parallel()
	url := strings.Trim(anyReports, `"`)
	own := ImpersonatedFile{ServiceAccountImpersonationURL: url}
	own.Source = &own
	for _, tt := range []struct {
		name string
		file ImpersonatedFile
		want string
	}{
		{"nobody", ImpersonatedFile{Source: &File{}}, "names no service account; end it with"},
		{"by nobody", ImpersonatedFile{ServiceAccountImpersonationURL: url}, "there are no source_credentials"},
		{"by no file", ImpersonatedFile{ServiceAccountImpersonationURL: url, Source: (*File)(nil)}, "there are no source_credentials"},
		{"by no login", ImpersonatedFile{ServiceAccountImpersonationURL: url, Source: (*AuthorizedUserFile)(nil)}, "there are no source_credentials"},
		{"by no impersonation", ImpersonatedFile{ServiceAccountImpersonationURL: url, Source: (*ImpersonatedFile)(nil)}, "there are no source_credentials"},
		{"by nobody in the end", ImpersonatedFile{ServiceAccountImpersonationURL: url, Source: &ImpersonatedFile{ServiceAccountImpersonationURL: url}}, "there are no source_credentials"},
		{"by itself", own, "more than 4 accounts on the way to a service account; write fewer, or the delegates"},
		{"by a login without tokens", ImpersonatedFile{ServiceAccountImpersonationURL: url, Source: &AuthorizedUserFile{}}, "lacks refresh_token"},
	} {
		c, err := tt.file.Credentials(Options{Getenv: lookup(nil)})
		if _, ok := err.(*ConfigError); !ok || c != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v", tt.name, c, err)
		}
		if tt.want != "lacks refresh_token" && tt.file.ServiceAccount() != "" {
			if encoded, err := tt.file.Encode(); err == nil {
				t.Errorf("%s: it encodes to %s", tt.name, encoded)
			}
		}
	}
}

// Its token was revoked, or the session that it is of has ended.
func TestAnImpersonationGetsOverARefusedTokenOfItsSource(t *testing.T) {
	t.Parallel()
	w := newWire()
	c := w.impersonated(t, []byte(impersonating(googleLogin)), Options{Scopes: []string{platform}})
	impersonatedToken(t, c)
	w.Fault(fakecloud.Fault{Service: "iamcredentials", Status: 401, Times: 1})
	token, err := c.Refresh(t.Context())
	if err != nil || w.exchanges() != 2 {
		t.Errorf("%v; %d tokens of the source", err, w.exchanges())
	}
	if _, good := w.LookupToken(token.Value.Reveal()); !good {
		t.Error("the token is none that Google would accept")
	}

	w.Fault(fakecloud.Fault{Service: "iamcredentials", Status: 401})
	_, err = c.Refresh(t.Context())
	expectRefreshError(t, err, LegImpersonate, false, isA[*impersonate.Error])
	if n := w.Count("iamcredentials", ""); n != 5 || w.exchanges() != 3 {
		t.Errorf("%d calls and %d tokens of the source, want 5 and 3", n, w.exchanges())
	}
}

func TestAnImpersonationTellsTheLegThatFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := w.impersonated(t, []byte(impersonating(googleLogin)), Options{Scopes: []string{platform}})
		mend := w.Fault(fakecloud.Fault{Service: "google-sts", Status: 503})
		_, err := c.CachedToken(t.Context())
		expectRefreshError(t, err, LegSTS, true, isA[*googlests.Error])
		mend()
		w.AddServiceAccount(fakecloud.ServiceAccount{Email: reports, Callers: []string{deploy}})
		_, err = c.CachedToken(t.Context())
		expectRefreshError(t, err, LegImpersonate, false, isA[*impersonate.Error])
	})
}
