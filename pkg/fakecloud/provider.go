package fakecloud

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ProviderKind is whom a [Provider] trusts.
type ProviderKind int

const (
	// AWSProvider takes signed GetCallerIdentity requests.
	AWSProvider ProviderKind = iota
	// OIDCProvider takes what Provider.Verify accepts.
	OIDCProvider
)

// Provider is a provider of a workload or workforce identity pool, with
// Google's default attribute mapping: for AWS, google.subject is the caller's ARN
// and attribute.aws_role its role.
type Provider struct {
	// Audience is the full resource name, such as
	// "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws".
	Audience string
	// Kind zero means AWSProvider.
	Kind ProviderKind
	// AWSAccount is the account whose identities an AWSProvider takes; required.
	AWSAccount string
	// AllowedRoleARNs are the roles whose sessions are let in, as
	// "arn:aws:iam::ACCOUNT:role/NAME" or "arn:aws:sts::ACCOUNT:assumed-role/NAME";
	// empty means that roles do not matter.
	AllowedRoleARNs []string
	// Condition is the attribute condition, asked with google.subject; nil lets
	// everyone in.
	Condition func(subject string) bool
	// Verify is how an OIDCProvider checks a subject token: it returns
	// google.subject, or an error whose text becomes the error_description.
	// Nil accepts tokens for this provider's audience that the cloud's own AWS STS
	// made with GetWebIdentityToken.
	Verify func(token string) (subject string, err error)
	// RequireSignedTarget refuses requests whose signature does not cover
	// x-goog-cloud-target-resource. Google takes them: some of its own libraries add
	// the header after signing.
	RequireSignedTarget bool
	// ClientID and ClientSecret are the OAuth client that has to authenticate,
	// in the header or the body; empty means that none may.
	ClientID, ClientSecret string
	// TokenLifetime is how long federated tokens are valid; zero means one hour.
	TokenLifetime time.Duration
	// Disabled makes the provider answer as if it did not exist, as Google does.
	Disabled bool
}

// AddProvider makes a provider known to Google STS, or replaces the one with
// the same audience. It panics if the audience is no provider's or an
// AWSProvider has no account.
func (c *Cloud) AddProvider(p Provider) {
	if !isProviderName(p.Audience) {
		panic("fakecloud: Provider.Audience " + p.Audience + " is not the full resource name of a provider")
	}
	if p.Kind == AWSProvider && p.AWSAccount == "" {
		panic("fakecloud: an AWSProvider needs AWSAccount")
	}
	c.google.mu.Lock()
	defer c.google.mu.Unlock()
	if c.google.providers == nil {
		c.google.providers = map[string]Provider{}
	}
	c.google.providers[p.Audience] = p
}

func (g *googleState) provider(audience string) (Provider, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, known := g.providers[audience]
	return p, known && !p.Disabled
}

const iamPrefix = "//iam.googleapis.com/"

// isProviderName knows the two forms that Google documents for audience. A pool
// where the provider belongs has neither; a project's id where its number
// belongs has the form and is simply unknown.
func isProviderName(audience string) bool {
	name, found := strings.CutPrefix(audience, iamPrefix)
	parts := strings.Split(name, "/")
	if !found || slices.Contains(parts, "") {
		return false
	}
	form := []string{"projects", "*", "locations", "global", "workloadIdentityPools", "*", "providers", "*"}
	if parts[0] == "locations" {
		form = []string{"locations", "global", "workforcePools", "*", "providers", "*"}
	}
	return slices.EqualFunc(parts, form, func(part, want string) bool { return want == "*" || part == want })
}

// pool is the pool's name below iam.googleapis.com.
func (p Provider) pool() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(p.Audience, iamPrefix), "/providers/")
	return name
}

// identity is a subject as a provider's mapping sees it.
type identity struct {
	subject      string // google.subject
	role         string // attribute.aws_role; empty if the subject is no role's session
	targetSigned bool
}

// maxSubject is Google's limit for google.subject, in bytes.
const maxSubject = 127

// admit applies the provider's rules to an identity that has been proved.
func (p Provider) admit(id identity) *oauthError {
	if len(id.subject) > maxSubject {
		return invalidRequest("The size of mapped attribute google.subject exceeds the 127 bytes limit. " +
			"Either modify your attribute mapping or the incoming assertion to produce a mapped attribute that is less than 127 bytes.")
	}
	if !p.allowsRole(id.role) || p.Condition != nil && !p.Condition(id.subject) {
		return &oauthError{http.StatusBadRequest, "unauthorized_client", "The given credential is rejected by the attribute condition."}
	}
	return nil
}

func (p Provider) allowsRole(role string) bool {
	if len(p.AllowedRoleARNs) == 0 {
		return true
	}
	return slices.ContainsFunc(p.AllowedRoleARNs, func(allowed string) bool {
		arn, isARN := parseARN(allowed)
		return isARN && role == arn.ofRole("sts", "assumed-role")
	})
}

// verifyOIDC proves an OIDC subject token.
func (c *Cloud) verifyOIDC(p Provider, token string, now time.Time) (identity, *oauthError) {
	verify := p.Verify
	if verify == nil {
		verify = func(token string) (string, error) { return verifyWebIdentity(token, p.Audience, now) }
	}
	subject, err := verify(token)
	if err != nil {
		return identity{}, invalidGrant(err.Error())
	}
	return identity{subject: subject}, nil
}

// verifyWebIdentity checks a token of AWS's outbound federation. Google wants
// the provider's name as audience, with or without "https:".
func verifyWebIdentity(token, audience string, now time.Time) (subject string, err error) {
	verified, err := verifyJWT(token, awsIssuer, now)
	if err != nil {
		return "", err
	}
	if aud := verified.claims["aud"]; aud != audience && aud != "https:"+audience {
		return "", errors.New("The audience in ID Token does not match the expected audience " + audience + ".")
	}
	subject, _ = verified.claims["sub"].(string)
	return subject, nil
}
