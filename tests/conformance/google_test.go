package conformance_test

import (
	"fmt"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

const (
	root           = "../.."
	region         = "eu-west-1"
	audience       = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/aws/providers/lambda"
	reportsAccount = "reports@p-roject.iam.gserviceaccount.com"
	callerAccount  = "caller@p-roject.iam.gserviceaccount.com"
)

// newGoogle makes a cloud whose Google trusts every role of the account, and has
// two service accounts that all of them may impersonate.
func newGoogle() *fakecloud.Cloud {
	cloud := fakecloud.New(fakecloud.Options{Region: region})
	cloud.AddProvider(fakecloud.Provider{Audience: audience, AWSAccount: "123456789012"})
	cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: reportsAccount})
	cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: callerAccount})
	return cloud
}

// functionEnv is the functions' own environment: a config document with these
// targets, with Google and Secrets Manager where they are served.
func functionEnv(google fakecloud.Endpoints, secretsManager, targets string) map[string]string {
	return map[string]string{
		"WIFMINT_CONFIG": fmt.Sprintf(`{"credentials": {"type": "external_account", "audience": %q,
			"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request", "token_url": %q,
			"service_account_impersonation_url": %q,
			"credential_source": {"environment_id": "aws1", "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}},
			"create_secrets": true, "targets": %s}`,
			audience, google.TokenURL, google.IAMCredentials, targets),
		"WIFMINT_UNSAFE_ENDPOINTS":         "allow",
		"WIFMINT_TOKENINFO_URL":            google.TokenInfo,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": secretsManager,
	}
}
