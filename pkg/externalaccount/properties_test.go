package externalaccount

import (
	"slices"
	"strings"
	"testing"
)

func TestWhoseTokensTheyAre(t *testing.T) {
	t.Parallel()
	const staff = "//iam.googleapis.com/locations/global/workforcePools/staff/providers/oidc"
	impersonating := strings.Trim(anyReports, `"`)
	for _, tt := range []struct {
		name            string
		file            File
		workforce, user bool
		number, account string
	}{
		{"a workload", File{Audience: provider}, false, false, "123456", ""},
		{"a workload as a service account", File{Audience: provider, ServiceAccountImpersonationURL: impersonating}, false, false, "123456", reports},
		{"a workforce", File{Audience: staff}, true, true, "", ""},
		{"a workforce as a service account", File{Audience: staff, ServiceAccountImpersonationURL: impersonating}, true, false, "", reports},
		{"a workforce of another universe", File{Audience: strings.Replace(staff, "googleapis.com", "s3nsapis.fr", 1)}, true, true, "", ""},
		{"a project id", File{Audience: strings.Replace(provider, "123456", "my-project", 1)}, false, false, "", ""},
		{"another host", File{Audience: strings.Replace(staff, "iam.", "example.", 1)}, false, false, "", ""},
		{"nobody", File{}, false, false, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := New(&tt.file, Options{Getenv: lookup(nil)})
			if c.IsWorkforcePool() != tt.workforce || c.IsUser() != tt.user || c.ProjectNumber() != tt.number || c.ServiceAccountEmail() != tt.account {
				t.Errorf("workforce %t, user %t, project %q, account %q", c.IsWorkforcePool(), c.IsUser(), c.ProjectNumber(), c.ServiceAccountEmail())
			}
		})
	}
}

func TestScopesGoBeforeDefaultScopes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name             string
		scopes, defaults []string
		want             []string
	}{
		{"none", nil, nil, nil},
		{"default ones alone", nil, []string{platform}, []string{platform}},
		{"both", []string{bigquery}, []string{platform}, []string{bigquery}},
		{"an empty list is none", []string{}, []string{platform}, []string{platform}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWire()
			c := w.credentials(t, nil, Options{}).WithScopes(tt.scopes...).WithDefaultScopes(tt.defaults...)
			if c.RequiresScopes() != (len(tt.want) == 0) || !c.HasScopes() || !c.HasScopes(tt.want...) || c.HasScopes("openid") || c.HasScopes(append([]string{"openid"}, tt.want...)...) {
				t.Errorf("it has %q, by default %q", c.Scopes(), c.DefaultScopes())
			}
			if !slices.Equal(c.Scopes(), tt.scopes) || !slices.Equal(c.DefaultScopes(), tt.defaults) {
				t.Errorf("scopes %q, by default %q", c.Scopes(), c.DefaultScopes())
			}
			if c.RequiresScopes() {
				return
			}
			token := cached(t, c)
			if issued, _ := w.LookupToken(token.Value.Reveal()); !slices.Equal(issued.Scopes, tt.want) {
				t.Errorf("issued with %q, want %q", issued.Scopes, tt.want)
			}
		})
	}
}

func TestTheQuotaProjectIsTheCopysTheEnvironmentsOrTheFiles(t *testing.T) {
	t.Parallel()
	w := newWire()
	fields := map[string]string{"quota_project_id": `"files"`}
	if got := w.credentials(t, fields, Options{}).QuotaProject(); got != "files" {
		t.Errorf("the file's is %q", got)
	}
	fromEnv := w.credentials(t, fields, Options{Getenv: lookup(with("GOOGLE_CLOUD_QUOTA_PROJECT", "environments"))})
	if got := fromEnv.QuotaProject(); got != "environments" {
		t.Errorf("the environment's is %q", got)
	}
	if got := fromEnv.WithQuotaProject("copys").WithScopes(bigquery).QuotaProject(); got != "copys" {
		t.Errorf("the copy's is %q", got)
	}
	if got := fromEnv.WithQuotaProject("").QuotaProject(); got != "" {
		t.Errorf("of a copy without one it is %q", got)
	}
}

func TestWhatAFileInGoLeavesOutIsFilledIn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		file File
		want string
	}{
		{"the default universe", File{}, "https://sts.googleapis.com/v1/token"},
		{"another universe", File{UniverseDomain: "s3nsapis.fr"}, "https://sts.s3nsapis.fr/v1/token"},
		{"a certificate", File{Certificate: &CertificateSource{}}, "https://sts.mtls.googleapis.com/v1/token"},
	} {
		given := tt.file
		if got := New(&tt.file, Options{Getenv: lookup(nil)}).TokenURL(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if tt.file.TokenURL != given.TokenURL || tt.file.UniverseDomain != given.UniverseDomain {
			t.Errorf("%s: the caller's file was changed", tt.name)
		}
	}
}
