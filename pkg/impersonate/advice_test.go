package impersonate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/impersonate"
)

// Google's own words, and what a person is told to look at.
func TestErrorsSayWhatToChange(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status          int
		code, text, fix string
	}{
		{403, "PERMISSION_DENIED", "IAM Service Account Credentials API has not been used in project 123 before or it is disabled.", "gcloud services enable iamcredentials.googleapis.com"},
		{403, "PERMISSION_DENIED", "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: x", "ingress"},
		{403, "PERMISSION_DENIED", "Request had insufficient authentication scopes.", "cloud-platform"},
		{403, "PERMISSION_DENIED", "Permission 'iam.serviceAccounts.signJwt' denied on resource (or it may not exist).", "last of the delegates, roles/iam.serviceAccountTokenCreator on the account"},
		{403, "PERMISSION_DENIED", "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).", "roles/iam.workloadIdentityUser on the account"},
		{403, "PERMISSION_DENIED", "Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource (or it may not exist).", "takes minutes"},
		{403, "PERMISSION_DENIED", "The caller does not have permission", "roles/iam.workloadIdentityUser"},
		{404, "NOT_FOUND", "Not found; Gaia id not found for email x@p.iam.gserviceaccount.com", "check its email"},
		{401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", "same universe"},
		{400, "INVALID_ARGUMENT", "The access token lifetime cannot exceed 3600 seconds.", "allowServiceAccountCredentialLifetimeExtension"},
		{401, "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method.", "domain-wide delegation"},
		{400, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.", "clock is wrong: set it"},
		{400, "invalid_grant", "Invalid email or User ID", "primary"},
		{403, "http_error", "a page of HTML or XML instead of JSON", "proxy"},
		{400, "INVALID_ARGUMENT", "Request contains an invalid argument.", ""},
		{502, "http_error", "a page of HTML or XML instead of JSON", ""},
		{503, "PERMISSION_DENIED", "", ""},
		{0, "invalid_request", "Scopes is empty", ""},
		{200, "invalid_response", "the answer has no accessToken", ""},
	} {
		e := &impersonate.Error{Account: reports, HTTPStatus: tc.status, Code: tc.code, Message: tc.text}
		means, fix := e.Advice()
		if advice := means + ": " + fix; tc.fix == "" && advice != ": " || !strings.Contains(advice, tc.fix) {
			t.Errorf("%d %s, %q: the advice is %q, want %q", tc.status, tc.code, tc.text, advice, tc.fix)
		}
		if tc.fix != "" && !strings.HasSuffix(e.Error(), fmt.Sprintf("(HTTP %d); %s: %s", tc.status, means, fix)) {
			t.Errorf("the advice is not at the end of %q", e)
		}
	}
}
