package impersonate_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/impersonate"
)

// What this package makes, googlests can bound: an account's token, and a
// user's, of which Google tells no expiry.
func TestTokensCanBeDownscoped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cloud := newWorkspace()
		federated := federate(t, cloud)
		account, err := client(cloud).AccessToken(t.Context(), federated, accessTokenRequest)
		if err != nil {
			t.Fatal(err)
		}
		user, err := client(cloud).UserToken(t.Context(), federated, userTokenRequest)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		sts := googlests.Client{HTTPClient: &http.Client{Transport: cloud}}
		for principal, source := range map[string]impersonate.Token{reports: account, ada: user} {
			token, err := sts.Downscope(t.Context(), googlests.DownscopeRequest{
				AccessToken: source.Value,
				Expiry:      source.Expiry,
				Rules: []googlests.AccessBoundaryRule{{
					AvailableResource:     "//storage.googleapis.com/projects/_/buckets/b",
					AvailablePermissions:  []string{"inRole:roles/storage.objectViewer"},
					AvailabilityCondition: googlests.AvailabilityCondition{Expression: `resource.name != "x" && true`},
				}},
			})
			issued, _ := cloud.LookupToken(token.AccessToken.Reveal())
			if err != nil || issued.Kind != fakecloud.DownscopedToken || issued.Principal != principal || !token.Expiry.Equal(source.Expiry) {
				t.Errorf("%s: %v: %+v, expiry %v, want %v", principal, err, issued, token.Expiry, source.Expiry)
			}
		}
	})
}
