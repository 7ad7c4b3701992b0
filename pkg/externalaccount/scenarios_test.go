package externalaccount

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// scenario is one way not to get a token: an error's type, leg and whether to try
// again, and what it says to change.
type scenario struct {
	name      string
	document  []byte
	options   Options
	prepare   func(*wire)
	leg       Leg
	retryable bool
	is        func(error) bool // of the RefreshError's Err
	says      string
}

// federated is a file with a source of JWTs.
func federated(t *testing.T, source string, more ...string) []byte {
	return change(t, and(from(source, jwt), append([]string{"audience", `"` + oidc + `"`}, more...)...))
}

func program(t *testing.T, script string) string {
	return `{"executable": {"command": "` + writeFile(t, "issue", "#!/bin/sh\n"+script+"\n", 0o700) + `"}}`
}

func refusal(body string) func(*wire) {
	return func(w *wire) {
		w.Fault(fakecloud.Fault{Service: "google-sts", Status: http.StatusBadRequest, Body: body})
	}
}

func broken(fault fakecloud.Fault) func(*wire) { return func(w *wire) { w.Fault(fault) } }

// The kinds are what the documentation of Google's libraries lists as common error
// scenarios. What is wrong with the configuration itself is mostly found before
// anything is sent: see TestEachTrapOfTheAudienceHasItsOwnAdvice and
// TestEachMistakeInASourceIsToldWithWhatToWrite.
func TestCommonErrorsSayWhatToChange(t *testing.T) {
	t.Parallel()
	token := `{"file": "` + writeFile(t, "token", plantedJWT, 0o600) + `"}`
	other := `{"file": "` + writeFile(t, "other", "planted.other.token", 0o600) + `"}`
	const (
		server  = `{"url": "http://issuer.example/token", "headers": {"X-Key": "planted-key"}, "format": {"type": "json", "subject_token_field_name": "jwt"}}`
		noToken = `{"url": "http://issuer.example/token", "headers": {"X-Key": "planted-key"}, "format": {"type": "json", "subject_token_field_name": "id_token"}}`
	)
	webIdentity := func(w *wire) subjecttoken.Source {
		return &subjecttoken.AWSWebIdentity{Supplier: supplier.Environment{Getenv: lookup(env)}, Audience: oidc, HTTPClient: w.client()}
	}
	function := func(err error) subjecttoken.Source {
		return subjecttoken.Func{Supply: func(context.Context, supplier.SupplierContext) (secret.Text, error) { return secret.Text{}, err }}
	}
	sts, sign, iam := isA[*googlests.Error], isA[*subjecttoken.Error], isA[*impersonate.Error]
	for kind, scenarios := range map[string][]scenario{
		"Invalid workload identity pool configuration": {
			{name: "an unknown provider", document: change(t, map[string]string{"audience": `"` + provider + `-unknown"`}),
				leg: LegSTS, is: hasCode("invalid_target"), says: "check that the audience is //iam.googleapis.com/projects/NUMBER/"},
			{name: "an AWS provider for a JWT", document: change(t, from(token, jwt)),
				leg: LegSTS, is: sts, says: "name an AWS provider for subject_token_type"},
			{name: "an attribute condition", document: change(t, nil), prepare: func(w *wire) {
				w.AddProvider(fakecloud.Provider{Audience: provider, AWSAccount: "123456789012", Condition: func(string) bool { return false }})
			}, leg: LegSTS, is: sts, says: "compare it with what is asserted"},
			{name: "a mapping without a subject", document: change(t, nil), prepare: refusal(`{"error":"unauthorized_client","error_description":"The mapped attribute 'google.subject' must be of type STRING."}`),
				leg: LegSTS, is: hasCode("unauthorized_client"), says: "check its attribute mapping"},
		},
		"Subject token retrieval failures": {
			{name: "AWS: no keys", document: change(t, nil), options: Options{Getenv: lookup(without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))},
				leg: LegAWSCredentials, is: isA[*supplier.ChainError], says: "AWS_ACCESS_KEY_ID"},
			{name: "AWS: no region", document: change(t, nil), options: Options{Getenv: lookup(without("AWS_REGION"))},
				leg: LegAWSCredentials, is: isA[*supplier.ChainError], says: "AWS_REGION"},
			{name: "AWS: a role that may not be assumed", document: change(t, map[string]string{"aws_role_arn": `"arn:aws:iam::123456789012:role/other"`}),
				leg: LegAWSCredentials, is: isA[*supplier.Error], says: "the role's trust policy has to name the caller, and a policy of the caller has to allow sts:AssumeRole"},
			{name: "a file that is not there", document: federated(t, `{"file": "/nowhere/token"}`),
				leg: LegSign, is: sign, says: "credential_source.file"},
			{name: "an empty file", document: federated(t, `{"file": "`+writeFile(t, "empty", "", 0o600)+`"}`),
				leg: LegSign, is: sign, says: "credential_source.file"},
			{name: "a URL that refuses", document: federated(t, strings.Replace(server, "planted-key", "planted-wrong", 1)),
				leg: LegSign, is: sign, says: "answered 403; check credential_source.headers"},
			{name: "a URL without the field", document: federated(t, noToken),
				leg: LegSign, is: sign, says: "subject_token_field_name"},
			{name: "a program that is not allowed", document: federated(t, program(t, "exit 0")),
				leg: LegSign, is: sign, says: "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1"},
			{name: "a program that fails", document: federated(t, program(t, "echo planted >&2; exit 3")), options: Options{Getenv: allowed},
				leg: LegSign, is: sign, says: "exit status 3 and without telling why on its standard output; run it by hand"},
			{name: "a program that tells why", document: federated(t, program(t, `echo '{"version": 1, "success": false, "code": "401", "message": "not logged in"}'`)), options: Options{Getenv: allowed},
				leg: LegSign, is: sign, says: "401: not logged in"},
			{name: "a program that is not there", document: federated(t, `{"executable": {"command": "/nowhere/program"}}`), options: Options{Getenv: allowed},
				leg: LegSign, is: sign, says: "credential_source.executable.command"},
			{name: "a certificate configuration that is not there", document: change(t, from(`{"certificate": {"certificate_config_location": "/nowhere/config.json"}}`, mtls)),
				leg: LegSign, is: sign, says: "credential_source.certificate.certificate_config_location names: stat /nowhere/config.json"},
			{name: "a default certificate configuration that is not there", document: change(t, from(`{"certificate": {"use_default_certificate_config": true}}`, mtls)), options: Options{Getenv: lookup(map[string]string{"HOME": "/nowhere"})},
				leg: LegSign, is: sign, says: "tell by GOOGLE_API_CERTIFICATE_CONFIG"},
			{name: "a function that fails", document: federated(t, token), options: Options{Source: function(errors.New("no such user"))},
				leg: LegSign, is: sign, says: "no such user"},
			{name: "a function that may work later", document: federated(t, token), options: Options{Source: function(context.DeadlineExceeded)},
				leg: LegSign, retryable: true, is: sign, says: "the function failed"},
			{name: "AWS's web identity, which is disabled", document: federated(t, token), prepare: broken(fakecloud.Fault{Service: "aws-sts", Operation: "GetWebIdentityToken", Status: 403,
				Body: `<ErrorResponse><Error><Code>OutboundWebIdentityFederationDisabledException</Code><Message>x</Message></Error></ErrorResponse>`}), options: Options{Source: unmade{webIdentity}},
				leg: LegSign, is: sign, says: "aws iam enable-outbound-web-identity-federation"},
			{name: "a login that has ended", document: []byte(strings.Replace(googleLogin, plantedRefresh, "1//planted-and-void", 1)),
				leg: LegSTS, is: hasCode("invalid_grant"), says: "gcloud auth application-default login"},
			{name: "a login without its client", document: []byte(strings.Replace(workforceLogin, plantedClient, "GOCSPX-planted-wrong", 1)),
				leg: LegSTS, is: hasCode("invalid_client"), says: "client_id and client_secret"},
		},
		"STS token exchange failures": {
			{name: "a token that Google does not accept", document: federated(t, other),
				leg: LegSTS, is: hasCode("invalid_grant"), says: "check that the provider trusts"},
			{name: "a scope that Google does not know", document: change(t, nil), prepare: refusal(`{"error":"invalid_scope","error_description":"Some requested scopes were invalid."}`),
				leg: LegSTS, is: hasCode("invalid_scope"), says: "write scopes in full"},
			{name: "a wrong client", document: change(t, map[string]string{"client_id": `"client"`, "client_secret": `"` + plantedClient + `"`}), prepare: func(w *wire) {
				w.AddProvider(fakecloud.Provider{Audience: provider, AWSAccount: "123456789012", ClientID: "client", ClientSecret: "another"})
			}, leg: LegSTS, is: hasCode("invalid_client"), says: "check client_id and client_secret"},
			{name: "Google STS down", document: change(t, nil), prepare: broken(fakecloud.Fault{Service: "google-sts", Status: 503}),
				leg: LegSTS, retryable: true, is: sts, says: "503"},
			{name: "a proxy in between", document: change(t, nil), prepare: broken(fakecloud.Fault{Service: "google-sts", Status: 407, Body: "<html>"}),
				leg: LegSTS, is: hasCode("http_error"), says: "HTTPS_PROXY"},
		},
		"Service account impersonation errors": {
			{name: "an account that is not there", document: change(t, map[string]string{"service_account_impersonation_url": strings.Replace(anyReports, "reports", "nobody", 1)}),
				leg: LegImpersonate, is: iam, says: "check its email"},
			{name: "a lifetime that is not allowed", document: change(t, map[string]string{"service_account_impersonation_url": anyReports, "service_account_impersonation": `{"token_lifetime_seconds": 43200}`}),
				prepare: func(w *wire) { w.AddServiceAccount(fakecloud.ServiceAccount{Email: reports}) },
				leg:     LegImpersonate, is: iam, says: "iam.allowServiceAccountCredentialLifetimeExtension"},
			{name: "IAM Credentials down", document: change(t, map[string]string{"service_account_impersonation_url": anyReports}), prepare: broken(fakecloud.Fault{Service: "iamcredentials", Status: 503}),
				leg: LegImpersonate, retryable: true, is: iam, says: "503"},
			{name: "by a login", document: []byte(strings.Replace(impersonating(googleLogin), "reports@", "nobody@", 1)),
				leg: LegImpersonate, is: iam, says: "check its email"},
		},
		"Network issues accessing external token sources": {
			{name: "a URL that cannot be reached", document: federated(t, strings.Replace(server, "issuer", "nobody", 1)),
				leg: LegSign, retryable: true, is: sign, says: "which has to be reachable from here; check credential_source.url"},
			{name: "AWS STS for a role", document: change(t, map[string]string{"aws_role_arn": `"` + deployARN + `"`}), prepare: broken(fakecloud.Fault{Service: "aws-sts", Operation: "AssumeRole", Reset: true}),
				leg: LegAWSCredentials, retryable: true, is: isA[*supplier.Error], says: "a NAT gateway or a VPC endpoint"},
			{name: "AWS STS for a web identity", document: federated(t, token), prepare: broken(fakecloud.Fault{Service: "aws-sts", Operation: "GetWebIdentityToken", Reset: true}), options: Options{Source: unmade{webIdentity}},
				leg: LegSign, retryable: true, is: sign, says: "a NAT gateway or a VPC endpoint"},
		},
		"Invalid credential source configuration": {
			{name: "no source, in a file made in Go", leg: LegConfig, is: isA[*ConfigError], says: "set Options.Source or Options.Supplier"},
			{name: "a relative URL of AWS STS, in a file made in Go", options: Options{Source: &subjecttoken.AWS{Audience: provider, VerificationURL: "sts", Supplier: supplier.Environment{Getenv: lookup(env)}}},
				leg: LegSign, is: sign, says: "regional_cred_verification_url is not an absolute https URL"},
		},
		"Insufficient permissions for workload identity pool access": {
			{name: "the API is not enabled", document: change(t, nil), prepare: broken(fakecloud.Fault{Service: "google-sts", Status: 403,
				Body: `{"error":{"code":403,"status":"PERMISSION_DENIED","message":"Security Token Service API has not been used in project 123 before or it is disabled."}}`}),
				leg: LegSTS, is: hasCode("PERMISSION_DENIED"), says: "gcloud services enable sts.googleapis.com"},
			{name: "a project that may not be billed", document: change(t, nil), prepare: broken(fakecloud.Fault{Service: "google-sts", Status: 403,
				Body: `{"error":{"code":403,"status":"PERMISSION_DENIED","message":"Caller does not have required permission to use project 123."}}`}),
				leg: LegSTS, is: hasCode("PERMISSION_DENIED"), says: "roles/serviceusage.serviceUsageConsumer"},
			{name: "an account that may not be impersonated", document: change(t, map[string]string{"service_account_impersonation_url": anyReports}),
				prepare: func(w *wire) {
					w.AddServiceAccount(fakecloud.ServiceAccount{Email: reports, Callers: []string{deploy}})
				},
				leg: LegImpersonate, is: iam, says: "grant the caller roles/iam.workloadIdentityUser"},
		},
	} {
		for _, tt := range scenarios {
			t.Run(kind+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { // in which retries wait for nothing
					w := newWire()
					w.trustJWT(oidc)
					if tt.prepare != nil {
						tt.prepare(w)
					}
					_, err := tt.credentials(t, w).Refresh(t.Context())
					expectRefreshError(t, err, tt.leg, tt.retryable, tt.is)
					if !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "planted") {
						t.Errorf("it says %q, want %q", err, tt.says)
					}
				})
			})
		}
	}
}

// unmade is a source that needs a wire.
type unmade struct {
	make func(*wire) subjecttoken.Source
}

func (unmade) SubjectToken(context.Context) (secret.Text, error) { panic("unmade") }

// credentials are of the document, or of a file without a source.
func (s scenario) credentials(t *testing.T, w *wire) AnyCredentials {
	var f AnyFile = &File{Audience: provider, SubjectTokenType: subjecttoken.AWSTokenType}
	if s.document != nil {
		var err error
		if f, err = ParseAny(s.document, FileOptions{AllowExecutable: true}); err != nil {
			t.Fatal(err)
		}
	}
	o := s.options
	o.Scopes = []string{bigquery}
	if o.Getenv == nil {
		o.Getenv = lookup(env)
	}
	if source, ok := o.Source.(unmade); ok {
		o.Source = source.make(w)
	}
	login := w.login(false)
	o.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Host, ".example") {
			return (&issuer{wire: w}).RoundTrip(r)
		}
		return login.RoundTrip(r)
	})}
	c, err := f.Credentials(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
