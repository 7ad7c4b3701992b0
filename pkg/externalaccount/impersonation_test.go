package externalaccount

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func TestImpersonationURLsAreTakenApart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ url, endpoint, account string }{
		{"", "", ""},
		{"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + reports + ":generateAccessToken", "https://iamcredentials.googleapis.com", reports},
		{"https://iamcredentials-vpc.p.googleapis.com/v1/projects/-/serviceAccounts/" + reports + ":generateAccessToken", "https://iamcredentials-vpc.p.googleapis.com", reports},
		{"http://127.0.0.1:8080/iamcredentials/v1/projects/-/serviceAccounts/" + reports + ":generateAccessToken", "http://127.0.0.1:8080/iamcredentials", reports},
		{"http://127.0.0.1:8080/iamcredentials", "http://127.0.0.1:8080/iamcredentials", ""},
		{"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + reports + ":generateIdToken", "https://iamcredentials.googleapis.com", ""},
		{"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + reports, "https://iamcredentials.googleapis.com", ""},
		{"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/:generateAccessToken", "https://iamcredentials.googleapis.com", ""},
		{"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a/b:generateAccessToken", "https://iamcredentials.googleapis.com", ""},
		{"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a:b:generateAccessToken", "https://iamcredentials.googleapis.com", ""},
	} {
		f := File{ServiceAccountImpersonationURL: tt.url}
		if endpoint, account := f.IAMEndpoint(), f.ServiceAccount(); endpoint != tt.endpoint || account != tt.account {
			t.Errorf("%s\nis %q and %q, want %q and %q", tt.url, endpoint, account, tt.endpoint, tt.account)
		}
	}
}

func TestATokenIsTheExchangesWithoutImpersonation(t *testing.T) {
	t.Parallel()
	w := newWire()
	token, err := w.credentials(t, nil, Options{}).Token(t.Context(), []string{bigquery})
	if err != nil {
		t.Fatal(err)
	}
	issued, good := w.LookupToken(token.Value.Reveal())
	if !good || issued.Kind != fakecloud.FederatedToken || !slices.Equal(issued.Scopes, []string{bigquery}) || token.ServiceAccount != "" {
		t.Errorf("issued %v with %q to %q, good: %t", issued, issued.Scopes, token.ServiceAccount, good)
	}
	if left := time.Until(token.Expiry); left < 59*time.Minute || left > time.Hour {
		t.Errorf("it lives for %v", left)
	}
}

func TestATokenIsTheImpersonatedAccounts(t *testing.T) {
	t.Parallel()
	const call = "/v1/projects/-/serviceAccounts/" + reports + ":generateAccessToken"
	for _, tt := range []struct {
		name     string
		fields   map[string]string
		endpoint string
		any      bool
		lifetime string
	}{
		{"for an hour", nil, "https://iamcredentials.googleapis.com", false, "3600s"},
		{"for as long as the file says", map[string]string{"service_account_impersonation": `{"token_lifetime_seconds": 7200}`}, "https://iamcredentials.googleapis.com", false, "7200s"},
		{"at a private endpoint", nil, "https://iamcredentials-vpc.p.googleapis.com", false, "3600s"},
		{"in another universe", map[string]string{"universe_domain": `"s3nsapis.fr"`}, "https://iamcredentials.s3nsapis.fr", false, "3600s"},
		{"on loopback, where that is allowed", nil, "http://127.0.0.1:8080/iamcredentials", true, "3600s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWire()
			fields := map[string]string{"service_account_impersonation_url": `"` + tt.endpoint + call + `"`}
			for name, value := range tt.fields {
				fields[name] = value
			}
			token, err := w.credentials(t, fields, Options{AllowAnyEndpoint: tt.any}).Token(t.Context(), []string{bigquery, "openid"})
			if err != nil {
				t.Fatal(err)
			}

			issued := w.IssuedTokens()
			if len(issued) != 2 || len(w.sent) != 2 {
				t.Fatalf("%d tokens of %d messages, want 2 of 2", len(issued), len(w.sent))
			}
			federated, own := issued[0], issued[1]
			if !slices.Equal(federated.Scopes, []string{platform}) || federated.Principal != subjects+lambdaARN {
				t.Errorf("exchanged for %v with %q", federated, federated.Scopes)
			}
			if own.Token != token.Value.Reveal() || own.Principal != reports || !slices.Equal(own.Scopes, []string{bigquery, "openid"}) {
				t.Errorf("issued %v with %q", own, own.Scopes)
			}
			if token.ServiceAccount != reports || !token.Expiry.Equal(own.Expires) {
				t.Errorf("the token is of %s until %v, want %v", token.ServiceAccount, token.Expiry, own.Expires)
			}

			sent := w.sent[1]
			var body struct{ Lifetime string }
			if err := json.Unmarshal([]byte(sent.body), &body); err != nil || body.Lifetime != tt.lifetime {
				t.Errorf("sent %s, want the lifetime %s", sent.body, tt.lifetime)
			}
			if sent.url != tt.endpoint+call || sent.header.Get("Authorization") != "Bearer "+federated.Token {
				t.Errorf("sent to %s, want %s with the federated token", sent.url, tt.endpoint+call)
			}
		})
	}
}

func TestAnExchangeImpersonatesNoOne(t *testing.T) {
	t.Parallel()
	w := newWire()
	issued := w.exchange(t, w.credentials(t, map[string]string{
		"service_account_impersonation_url": `"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/` + reports + `:generateAccessToken"`,
	}, Options{}))
	if issued.Kind != fakecloud.FederatedToken || !slices.Equal(issued.Scopes, []string{bigquery}) || w.Count("iamcredentials", "") != 0 {
		t.Errorf("issued %v with %q", issued, issued.Scopes)
	}
}

// The account's name is checked before it goes into a URL, but not before the
// file is of use for those who impersonate others.
func TestAnAccountThatIsNoneIsRefusedBeforeIAMIsAsked(t *testing.T) {
	t.Parallel()
	w := newWire()
	_, err := w.credentials(t, map[string]string{
		"service_account_impersonation_url": `"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/reports@example.com:generateAccessToken"`,
	}, Options{}).Token(t.Context(), []string{bigquery})
	expectRefreshError(t, err, LegImpersonate, false, func(err error) bool { return strings.Contains(err.Error(), "write the email of a service account") })
	if n := w.Count("iamcredentials", ""); n != 0 {
		t.Errorf("%d calls", n)
	}
}
