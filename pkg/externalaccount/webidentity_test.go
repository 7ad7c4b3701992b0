package externalaccount

import (
	"slices"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// On AWS there is a second proof of identity, for a provider that knows AWS as an
// OpenID Connect issuer. The file is that of any identity pool.
func TestAWSProvesWhoOneIsByAWebIdentityToken(t *testing.T) {
	t.Parallel()
	w := newWire()
	w.AddProvider(fakecloud.Provider{Audience: oidc, Kind: fakecloud.OIDCProvider})
	file, err := ParseFile(change(t, and(from(`{"file": "/nowhere"}`, jwt), "audience", `"`+oidc+`"`, "service_account_impersonation_url", anyReports)), FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := w.of(file, Options{Scopes: []string{bigquery}, Source: &subjecttoken.AWSWebIdentity{
		Supplier: supplier.Environment{Getenv: lookup(env)}, Audience: file.Audience, HTTPClient: w.client(),
	}})
	token := cached(t, c)
	if issued, good := w.LookupToken(token.Value.Reveal()); !good || issued.Principal != reports || !slices.Equal(issued.Scopes, []string{bigquery}) {
		t.Errorf("it is %v, good: %t", issued, good)
	}
	// Google and IAM name the federated principal by the JWT's subject, the role.
	if federated := w.IssuedTokens()[0]; !strings.HasPrefix(federated.Principal, subjects+"arn:aws:iam::123456789012:role/lambda") {
		t.Errorf("the federated token is of %s", federated.Principal)
	}
	if n := w.Count("aws-sts", "GetWebIdentityToken"); n != 1 {
		t.Errorf("AWS was asked %d times", n)
	}
	if told := w.one(t, "sts.googleapis.com").header.Get("X-Goog-Api-Client"); !strings.Contains(told, " source/programmatic ") {
		t.Errorf("Google was told %s", told)
	}
}
