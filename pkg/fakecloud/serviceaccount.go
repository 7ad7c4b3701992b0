package fakecloud

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ServiceAccount is a Google service account that others may impersonate.
type ServiceAccount struct {
	// Email is required.
	Email     string
	ProjectID string // zero means what the email says
	// UniqueID is the numeric id, which the account is known by as well; zero
	// means one made from the email.
	UniqueID string
	// Callers may impersonate the account or be followed by it in a chain of
	// delegates (roles/iam.serviceAccountTokenCreator): emails of service
	// accounts, and members of IAM policies such as
	// "principal://iam.googleapis.com/POOL/subject/ARN",
	// "principalSet://iam.googleapis.com/POOL/*" and
	// "principalSet://iam.googleapis.com/POOL/attribute.aws_role/ROLE-ARN".
	// Empty means everyone.
	Callers []string
	// MaxLifetime bounds an access token's lifetime; zero means one hour. More,
	// up to 12 hours, is what the organization policy
	// iam.allowServiceAccountCredentialLifetimeExtension gives.
	MaxLifetime time.Duration
	// IDTokenLifetime zero means one hour.
	IDTokenLifetime time.Duration
	// FractionalExpiry has expireTime say nanoseconds, as protobuf's JSON may.
	FractionalExpiry bool
	// Disabled accounts can neither be impersonated nor be delegates.
	Disabled bool
}

// AddServiceAccount makes an account known to IAM Credentials, or replaces the
// one with the same email. It panics if the email is missing.
func (c *Cloud) AddServiceAccount(a ServiceAccount) {
	_, domain, isEmail := strings.Cut(a.Email, "@")
	if !isEmail {
		panic("fakecloud: a ServiceAccount needs Email")
	}
	if a.ProjectID == "" {
		a.ProjectID, _, _ = strings.Cut(domain, ".")
	}
	if a.UniqueID == "" {
		a.UniqueID = uniqueID(a.Email)
	}
	c.google.mu.Lock()
	defer c.google.mu.Unlock()
	if c.google.accounts == nil {
		c.google.accounts = map[string]ServiceAccount{}
	}
	c.google.accounts[a.Email] = a
}

// account finds an account by email or unique id.
func (g *googleState) account(name string) (ServiceAccount, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a, known := g.accounts[name]; known {
		return a, true
	}
	for _, a := range g.accounts {
		if a.UniqueID == name {
			return a, true
		}
	}
	return ServiceAccount{}, false
}

// impersonated follows the chain caller -> delegates -> account, of which each
// link has to be granted on the next, and returns the account at its end.
func (c *Cloud) impersonated(caller IssuedToken, name string, delegates []string, permission string) (ServiceAccount, *googleError) {
	denied := &googleError{http.StatusForbidden, "PERMISSION_DENIED",
		"Permission '" + permission + "' denied on resource (or it may not exist).",
		"IAM_PERMISSION_DENIED", "iam.googleapis.com", map[string]string{"permission": permission}}
	holder := caller
	for _, delegate := range delegates {
		email, found := strings.CutPrefix(delegate, "projects/-/serviceAccounts/")
		if !found {
			return ServiceAccount{}, invalidArgument(fmt.Sprintf("Invalid delegate %.100q: the form is projects/-/serviceAccounts/{ACCOUNT_EMAIL_OR_UNIQUEID}.", delegate))
		}
		a, known := c.google.account(email)
		if !known || a.Disabled || !a.admits(holder) {
			return ServiceAccount{}, denied
		}
		holder = IssuedToken{Kind: AccessToken, Principal: a.Email}
	}
	a, known := c.google.account(name)
	switch {
	case !known:
		return a, &googleError{code: http.StatusNotFound, status: "NOT_FOUND", message: fmt.Sprintf("Not found; Gaia id not found for email %.100s", name)}
	case a.Disabled || !a.admits(holder):
		return a, denied
	}
	return a, nil
}

func (a ServiceAccount) admits(caller IssuedToken) bool {
	return len(a.Callers) == 0 || slices.ContainsFunc(a.Callers, caller.isMember)
}

// lifetime reads a protobuf duration in its JSON form, such as "3600s" or "3.5s".
func (a ServiceAccount) lifetime(text string) (time.Duration, *googleError) {
	if text == "" {
		return time.Hour, nil
	}
	whole, fraction, _ := strings.Cut(strings.TrimSuffix(text, "s"), ".")
	d, err := time.ParseDuration(text)
	if err != nil || strings.Trim(whole+fraction, "0123456789") != "" || len(fraction) > 9 {
		return 0, invalidArgument(fmt.Sprintf("Invalid value at 'lifetime' (type.googleapis.com/google.protobuf.Duration), %.40q", text))
	}
	if longest := cmp.Or(a.MaxLifetime, time.Hour); d <= 0 || d > longest {
		return 0, invalidArgument(fmt.Sprintf("The lifetime %s is not between 0s and %.0fs; more than 3600s, up to 43200s, needs the organization policy "+
			"constraints/iam.allowServiceAccountCredentialLifetimeExtension.", text, longest.Seconds()))
	}
	return d, nil
}

// uniqueID is 21 digits, as Google's are, and the same for the same email.
func uniqueID(email string) string {
	var n uint64 = 14695981039346656037
	for _, b := range []byte(email) { // FNV-1a
		n = (n ^ uint64(b)) * 1099511628211
	}
	return fmt.Sprintf("1%020d", n)
}
