package externalaccount

import (
	"slices"
	"strings"
	"testing"
)

func TestACopysScopesAreExchangedFor(t *testing.T) {
	t.Parallel()
	w := newWire()
	c := w.scoped(t)
	own := cached(t, c)
	scopes := []string{"openid"}
	d := c.WithScopes(scopes...)
	scopes[0] = "changed"
	if d.TokenState() != Invalid {
		t.Error("the copy has the token of other scopes")
	}
	other := cached(t, d)
	if issued, _ := w.LookupToken(other.Value.Reveal()); !slices.Equal(issued.Scopes, []string{"openid"}) {
		t.Errorf("issued with %q", issued.Scopes)
	}
	if !cached(t, c).Value.Equal(own.Value) || !slices.Equal(c.Scopes(), []string{bigquery}) {
		t.Error("the original was changed")
	}
}

func TestACopysTokenURLIsCalled(t *testing.T) {
	t.Parallel()
	const private = "https://sts-vpc.p.googleapis.com/v1/token"
	w := newWire()
	c := w.scoped(t).WithTokenURL(private)
	cached(t, c)
	if len(w.sent) != 1 || w.sent[0].url != private || c.TokenURL() != private {
		t.Errorf("sent to %v", w.sent)
	}
	if got := c.WithTokenURL("").TokenURL(); got != "https://sts.googleapis.com/v1/token" {
		t.Errorf("the default is %s", got)
	}
	_, err := c.WithTokenURL("https://sts.example.com/v1/token").CachedToken(t.Context())
	expectRefreshError(t, err, LegSTS, false, hasCode("invalid_endpoint"))
}

func TestACopysUniverseIsCalled(t *testing.T) {
	t.Parallel()
	w := newWire()
	c := w.credentials(t, map[string]string{
		"service_account_impersonation_url": anyReports,
		"token_info_url":                    `"https://sts.googleapis.com/v1/introspect"`,
	}, Options{Scopes: []string{bigquery}})
	d := c.WithUniverseDomain("s3nsapis.fr")
	cached(t, d)
	if len(w.sent) != 2 || w.sent[0].url != "https://sts.s3nsapis.fr/v1/token" || !strings.HasPrefix(w.sent[1].url, "https://iamcredentials.s3nsapis.fr/v1/projects/-/") {
		t.Errorf("sent %v", w.sent)
	}
	if d.UniverseDomain() != "s3nsapis.fr" || d.TokenInfoURL() != "https://sts.s3nsapis.fr/v1/introspect" || d.ServiceAccountEmail() != reports {
		t.Errorf("%s, %s, %s", d.UniverseDomain(), d.TokenInfoURL(), d.ServiceAccountEmail())
	}
	if c.UniverseDomain() != "googleapis.com" || c.TokenURL() != "https://sts.googleapis.com/v1/token" {
		t.Error("the original was changed")
	}
}

func TestTheInfoOfACopyMakesTheSameCredentials(t *testing.T) {
	t.Parallel()
	w := newWire()
	c := w.credentials(t, map[string]string{"client_id": `"c"`, "client_secret": `"` + plantedClient + `"`}, Options{}).
		WithQuotaProject("quota").WithUniverseDomain("s3nsapis.fr").WithTokenURL("https://sts-vpc.p.s3nsapis.fr/v1/token")
	encoded, err := c.Info().Encode()
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseFile(encoded, FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d := w.of(f, Options{})
	if d.QuotaProject() != "quota" || d.UniverseDomain() != "s3nsapis.fr" || d.TokenURL() != c.TokenURL() || f.ClientSecret.Reveal() != plantedClient {
		t.Errorf("%s", encoded)
	}
	c.Info().TokenURL = "changed"
	if c.TokenURL() == "changed" {
		t.Error("the info is no copy")
	}
}
