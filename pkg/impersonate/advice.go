package impersonate

import "github.com/wifmint/wifmint/pkg/internal/googleapi"

// Advice says what the error means and what a person can do about it, in two
// clauses without a full stop. Both are empty where that is not known. They end
// the error's text, too.
func (e *Error) Advice() (means, fix string) {
	a := e.advice()
	return a.Means, a.Fix
}

func (e *Error) advice() googleapi.Advice {
	if e.HTTPStatus/100 != 4 { // nothing was sent, or there is nothing to change
		return googleapi.Advice{}
	}
	return googleapi.Advise(advices[:], e.Code, e.Message)
}

const denied = "the caller may not do this as this service account, or there is no such account"

// advices are for errors that Google documents or that people have reported.
// https://cloud.google.com/iam/docs/troubleshooting-workload-identity-federation
var advices = [...]googleapi.Advice{
	{
		Text:  "has not been used in project",
		Means: "the IAM Service Account Credentials API is not enabled",
		Fix:   "gcloud services enable iamcredentials.googleapis.com in the project that the message names; it takes minutes to work",
	},
	{
		Text:  "organization's policy",
		Means: "a VPC Service Controls perimeter keeps this caller out",
		Fix:   "let it in by an ingress rule: the id in the message finds the violation in Google's logs",
	},
	{
		Text:  "insufficient authentication scopes",
		Means: "the caller's own token is not for this API",
		Fix:   "ask for it with the scope https://www.googleapis.com/auth/cloud-platform",
	},
	{
		Text:  "iam.serviceAccounts.sign",
		Means: denied,
		Fix: "grant the caller, or the last of the delegates, roles/iam.serviceAccountTokenCreator on the account; " +
			"a new grant takes minutes to work",
	},
	{
		Code:  "PERMISSION_DENIED",
		Means: denied,
		Fix: "grant the caller roles/iam.workloadIdentityUser on the account (with delegates: on the first of them, " +
			"and each of them roles/iam.serviceAccountTokenCreator on the next); a new grant takes minutes to work",
	},
	{
		Code:  "NOT_FOUND",
		Means: "there is no such service account",
		Fix:   "check its email, NAME@PROJECT.iam.gserviceaccount.com with the project's id, and that it was not deleted",
	},
	{
		Code:  "UNAUTHENTICATED",
		Means: "Google does not accept the caller's own token",
		Fix:   "get a new one, of the same universe and with the scope https://www.googleapis.com/auth/cloud-platform",
	},
	{
		Code: "INVALID_ARGUMENT", Text: "lifetime",
		Means: "the lifetime is longer than this service account may have",
		Fix:   "ask for 3600s at most, or add the account to the organization policy constraints/iam.allowServiceAccountCredentialLifetimeExtension",
	},
	{
		Code:  "unauthorized_client",
		Means: "the user's domain does not let this service account act for its users with these scopes",
		Fix: "have its administrator add the account's numeric client id with exactly these scopes, " +
			"in the Admin console under Security, API controls, domain-wide delegation; it takes minutes, at worst a day, to work",
	},
	{
		Code: "invalid_grant", Text: "reasonable timeframe",
		Means: "this machine's clock is wrong",
		Fix:   "set it, and keep it set by NTP",
	},
	{
		Code: "invalid_grant", Text: "invalid email or user id",
		Means: "there is no such user in the domain",
		Fix:   "check the user's email, which must be the primary one",
	},
	{
		Code:  googleapi.CodeHTTP,
		Means: "this is not an answer of Google's API",
		Fix:   "check the endpoint, and any proxy (HTTPS_PROXY) or firewall on the way",
	},
}
