package googlests

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
)

// Advice says what the error means and what a person can do about it, in two
// clauses without a full stop. Both are empty where that is not known. They end
// the error's text, too.
func (e *Error) Advice() (means, fix string) {
	a := e.advice()
	return a.Means, a.Fix
}

func (e *Error) advice() googleapi.Advice {
	switch {
	case e.HTTPStatus/100 != 4: // Google's own fault, say, needs no change here
		return googleapi.Advice{}
	case e.Op == refreshing:
		return googleapi.Advise(refreshAdvices[:], e.Code, e.Description)
	case e.Op != exchanging:
		return googleapi.Advice{}
	}
	if means := clockIsOff(e.Description); means != "" {
		return googleapi.Advice{Means: means, Fix: "set it, and keep it set by NTP"}
	}
	return googleapi.Advise(advices[:], e.Code, e.Description)
}

const audienceForm = "//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER, " +
	"with the project's number, not its id, and down to the provider, not the pool"

// advices are for an exchange's errors that Google documents or that people have reported.
// https://cloud.google.com/iam/docs/troubleshooting-workload-identity-federation
var advices = [...]googleapi.Advice{
	{
		Code:  "invalid_target",
		Means: "Google knows no provider of this name, or it or its pool is disabled or deleted",
		Fix:   "check that the audience is " + audienceForm,
	},
	{
		Code: "invalid_request", Text: `invalid value for "audience"`,
		Means: "the audience is not the full resource name of a provider",
		Fix:   "write " + audienceForm,
	},
	{
		Text:  "subject token type do not match",
		Means: "the provider is of another kind than the subject token",
		Fix: "name an AWS provider for subject_token_type urn:ietf:params:aws:token-type:aws4_request, and for a JWT an OIDC provider " +
			"(gcloud iam workload-identity-pools providers describe tells which it is)",
	},
	{
		Text:  "google.subject exceeds the 127 bytes limit",
		Means: "the attribute mapping makes a google.subject longer than 127 bytes; by default it is the assumed-role ARN",
		Fix: "shorten the name of the role or of its session, which on Lambda is the function's, " +
			"or map google.subject to a part of it, such as assertion.arn.extract('assumed-role/{role_and_session}')",
	},
	{
		Text:  "rejected by the attribute condition",
		Means: "the provider's attribute condition does not let this identity in",
		Fix: "compare it with what is asserted: on AWS the account and the ARN that aws sts get-caller-identity prints, " +
			"arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION",
	},
	{
		Text:  "response of type InvalidClientTokenId",
		Means: "AWS does not know the access key or its session token",
		Fix: "check that key id, secret key and session token are of one session, and that the region is enabled for the account; " +
			"in an opt-in region the session has to come from a regional STS endpoint",
	},
	{
		Text:  "response of type ExpiredToken",
		Means: "the AWS credentials have expired",
		Fix:   "get new ones, or a supplier that does",
	},
	{
		Text:  "response of type SignatureDoesNotMatch",
		Means: "AWS finds the request's signature wrong",
		Fix:   "check that the secret key is the access key's, and that nothing on the way changes the subject token",
	},
	{
		Text:  "AWS request has invalid format",
		Means: "Google does not take the signed AWS request for one of GetCallerIdentity for this provider",
		Fix:   "leave regional_cred_verification_url as gcloud wrote it, and check the region and the audience",
	},
	{
		Text:  "error connecting to the given credential's issuer",
		Means: "Google cannot fetch the issuer's keys",
		Fix:   "make its OIDC discovery document and its key set public, or upload the keys to the provider",
	},
	{
		Text:  "audience in ID Token",
		Means: "the subject token is for another audience than the provider takes",
		Fix:   "ask its issuer for one for the provider's full resource name, or add its aud to the provider's allowed audiences",
	},
	{
		Code:  "invalid_grant",
		Means: "Google does not accept the subject token",
		Fix:   "check that the provider trusts this AWS account, or this issuer, and that this machine's clock is right",
	},
	{
		Code:  "unauthorized_client",
		Means: "the provider does not let this identity in",
		Fix:   "check its attribute mapping and its attribute condition",
	},
	{
		Code:  "invalid_scope",
		Means: "Google knows no such scope",
		Fix:   "write scopes in full, such as https://www.googleapis.com/auth/cloud-platform",
	},
	{
		Code:  "invalid_client",
		Means: "Google does not accept the OAuth client",
		Fix:   "check client_id and client_secret, or leave both out: only workforce pools have them",
	},
	{
		Text:  "has not been used in project",
		Means: "the Security Token Service API is not enabled",
		Fix:   "gcloud services enable sts.googleapis.com in the project that the message names; it takes minutes to work",
	},
	{
		Text:  "organization's policy",
		Means: "a VPC Service Controls perimeter keeps this caller out",
		Fix:   "let it in by an ingress rule: the id in the message finds the violation in Google's logs",
	},
	{
		Code:  "PERMISSION_DENIED",
		Means: "the caller lacks a permission at Google",
		Fix: "if workforce_pool_user_project is set, grant the caller roles/serviceusage.serviceUsageConsumer on that project; " +
			"a new grant takes minutes to work",
	},
	{
		Code:  googleapi.CodeHTTP,
		Means: "this is not an answer of Google's STS",
		Fix:   "check token_url, and any proxy (HTTPS_PROXY) or firewall on the way",
	},
}

const logInAgain = "log in again: gcloud auth application-default login, for a workforce pool with --login-config=FILE"

// refreshAdvices are for what RFC 6749 (5.2) has a refresh fail with.
// https://developers.google.com/identity/protocols/oauth2#expiration
var refreshAdvices = [...]googleapi.Advice{
	{
		Text:  "invalid_rapt",
		Means: "the organization asks its users to prove themselves again from time to time",
		Fix:   logInAgain,
	},
	{
		Code:  "invalid_grant",
		Means: "the login has ended, was revoked, or was made with another client_id",
		Fix:   logInAgain,
	},
	{
		Code:  "invalid_client",
		Means: "Google does not accept the OAuth client",
		Fix:   "check that client_id and client_secret are those that the login was made with, or " + logInAgain,
	},
	{
		Code:  "unauthorized_client",
		Means: "the OAuth client may not refresh tokens",
		Fix:   "make the login with another one, or " + logInAgain,
	},
	{
		Code:  googleapi.CodeHTTP,
		Means: "this is not an answer of Google's",
		Fix:   "check the file's token URL, and any proxy (HTTPS_PROXY) or firewall on the way",
	},
}

// clockIsOff reads by how much from AWS's refusal of a signature, which has the
// date of the signature and, in parentheses, AWS's own:
//
//	Signature expired: 20260102T030405Z is now earlier than 20260102T034905Z (20260102T040405Z - 15 min.)
//	Signature not yet current: 20260102T030405Z is still later than 20260102T021905Z (20260102T020405Z + 15 min.)
//
// It is empty for any other text. An attempt signs and sends within seconds, so
// nothing but the clock makes so much of a difference.
func clockIsOff(message string) string {
	_, rest, found := strings.Cut(message, "Signature expired: ")
	if !found {
		_, rest, found = strings.Cut(message, "Signature not yet current: ")
	}
	dates, now, ok := strings.Cut(rest, "(")
	signed, ok1 := amzDate(dates)
	actual, ok2 := amzDate(now)
	if !found || !ok || !ok1 || !ok2 {
		return ""
	}
	behind, direction := actual.Sub(signed).Minutes(), "behind"
	if behind < 0 {
		direction = "ahead of"
	}
	return fmt.Sprintf("this machine's clock is about %.0f minutes %s AWS's", math.Abs(behind), direction)
}

// amzDate reads the date that s begins with.
func amzDate(s string) (time.Time, bool) {
	const layout = "20060102T150405Z"
	t, err := time.Parse(layout, s[:min(len(s), len(layout))])
	return t, err == nil
}
