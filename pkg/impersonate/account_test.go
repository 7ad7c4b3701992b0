package impersonate_test

import (
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/impersonate"
)

func TestServiceAccountsAreKnownByTheirForm(t *testing.T) {
	t.Parallel()
	for email, want := range map[string]bool{
		reports: true,
		"123456-compute@developer.gserviceaccount.com":                           true,
		"my-project@appspot.gserviceaccount.com":                                 true,
		"service-123456@gcp-sa-pubsub.iam.gserviceaccount.com":                   true,
		"a@project.example.com.iam.gserviceaccount.com":                          true,
		"a@p.s3ns.iam.gserviceaccount.com":                                       true,
		"":                                                                       false,
		"@p.iam.gserviceaccount.com":                                             false,
		"a@.gserviceaccount.com":                                                 false,
		"a@gserviceaccount.com":                                                  false,
		"a@p..gserviceaccount.com":                                               false,
		"a@p.iam.gserviceaccount.com.evil.com":                                   false,
		"a@b@p.iam.gserviceaccount.com":                                          false,
		"a b@p.iam.gserviceaccount.com":                                          false,
		"a/b@p.iam.gserviceaccount.com":                                          false,
		"a@p.iam.gserviceaccount.com\n":                                          false,
		"ä@p.iam.gserviceaccount.com":                                            false,
		"ada@example.com":                                                        false,
		"serviceAccount:a@p.iam.gserviceaccount.com":                             false,
		"projects/-/serviceAccounts/a@p.iam.gserviceaccount.com":                 false,
		strings.Repeat("a", 250) + "@p.iam.gserviceaccount.com":                  false,
		strings.Repeat("a", 254-len("@p.iam.gserviceaccount.com")) + reports[7:]: true,
	} {
		if got := impersonate.ValidServiceAccount(email); got != want {
			t.Errorf("%q: %v", email, got)
		}
	}
}
