package keeper

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// documentWith is a config document whose credential file has one field more.
func documentWith(field string) string {
	return fmt.Sprintf(`{"credentials": {"type": "external_account", "audience": %q,
		"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
		"credential_source": {"environment_id": "aws1"}%s}, "targets": [{"name": "a", "secret": "a"}]}`, testAudience, field)
}

func TestTheRotatorsEndpoints(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		field string
		env   map[string]string
		iam   string
		info  string
		warns string
	}{
		"are Google's own": {},
		"are those of the credential file": {
			field: `, "service_account_impersonation_url": "https://iamcredentials.us-east4.rep.googleapis.com/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken"`,
			iam:   "https://iamcredentials.us-east4.rep.googleapis.com",
		},
		"are a fake's in a local run": {
			field: `, "service_account_impersonation_url": "http://127.0.0.1:1/iamcredentials"`,
			env:   map[string]string{"WIFMINT_UNSAFE_ENDPOINTS": "allow", "WIFMINT_TOKENINFO_URL": "http://127.0.0.1:1/tokeninfo"},
			iam:   "http://127.0.0.1:1/iamcredentials", info: "http://127.0.0.1:1/tokeninfo", warns: "for local runs only",
		},
		"of tokeninfo are not to be changed otherwise": {
			env: map[string]string{"WIFMINT_TOKENINFO_URL": "http://127.0.0.1:1/tokeninfo"}, warns: "WIFMINT_TOKENINFO_URL is ignored",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			getenv := func(name string) string {
				switch name {
				case "WIFMINT_CONFIG":
					return documentWith(tc.field)
				case "AWS_REGION":
					return "eu-west-1"
				}
				return tc.env[name]
			}
			var log bytes.Buffer
			env, err := ReadEnvironment(getenv, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			if env.IAM.Endpoint != tc.iam || env.TokenInfo.URL != tc.info {
				t.Errorf("IAM at %q, tokeninfo at %q", env.IAM.Endpoint, env.TokenInfo.URL)
			}
			unsafe := tc.env["WIFMINT_UNSAFE_ENDPOINTS"] != ""
			if env.IAM.AllowAnyEndpoint != unsafe || env.TokenInfo.AllowAnyEndpoint != unsafe || env.IAM.UniverseDomain != "googleapis.com" || env.TokenInfo.UniverseDomain != "googleapis.com" {
				t.Errorf("%+v, %+v", env.IAM, env.TokenInfo)
			}
			if warned := log.String(); (tc.warns == "") != (warned == "") || !strings.Contains(warned, tc.warns) {
				t.Errorf("logged %q, want %q", warned, tc.warns)
			}
		})
	}
}
