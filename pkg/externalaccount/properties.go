package externalaccount

import (
	"slices"
	"strings"
)

// IsWorkforcePool reports whether the provider is a workforce pool's, for people,
// and not a workload identity pool's, also when a service account is impersonated.
func (f *File) IsWorkforcePool() bool {
	return matches(audienceParts(f.Audience), "locations/*/workforcePools/*/providers/*")
}

// IsUser reports whether the tokens are a person's: those of a workforce pool,
// unless a service account is impersonated.
func (f *File) IsUser() bool {
	return f.IsWorkforcePool() && f.ServiceAccountImpersonationURL == ""
}

// ProjectNumber is that of the workload identity pool; empty for a workforce
// pool, which is an organisation's.
func (f *File) ProjectNumber() string {
	parts := audienceParts(f.Audience)
	if !matches(parts, "projects/*/locations/*/workloadIdentityPools/*/providers/*") || !consistsOf(parts[1], digits) {
		return ""
	}
	return parts[1]
}

// audienceParts are what follows //iam.UNIVERSE/.
func audienceParts(audience string) []string {
	rest, ok := strings.CutPrefix(audience, "//iam.")
	if !ok {
		return nil
	}
	_, name, _ := strings.Cut(rest, "/")
	return strings.Split(name, "/")
}

// Info is the file that the credentials are made of, with what their copies
// changed: [File.Encode] makes a credential file of it again. It is a copy, of
// which nothing may be changed that it points to.
func (c *Credentials) Info() *File {
	f := *c.file
	return &f
}

// Scopes are those that were asked for; DefaultScopes are in effect without any.
func (c *Credentials) Scopes() []string { return slices.Clone(c.options.Scopes) }

// DefaultScopes are in effect if there are no Scopes.
func (c *Credentials) DefaultScopes() []string { return slices.Clone(c.options.DefaultScopes) }

// HasScopes reports whether all of scopes are among those in effect.
func (c *Credentials) HasScopes(scopes ...string) bool {
	return !slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(c.scopes(), s) })
}

// RequiresScopes reports whether there are no scopes at all, without which there
// is no token.
func (c *Credentials) RequiresScopes() bool { return len(c.scopes()) == 0 }

// scopes are those in effect.
func (c *Credentials) scopes() []string {
	if len(c.options.Scopes) > 0 {
		return c.options.Scopes
	}
	return c.options.DefaultScopes
}

// QuotaProject is whom requests are billed to; empty means the project of what
// they are for.
func (c *Credentials) QuotaProject() string { return c.file.QuotaProjectID }

// UniverseDomain is "googleapis.com" unless the file says otherwise.
func (c *Credentials) UniverseDomain() string { return c.file.UniverseDomain }

// TokenURL is the token endpoint of Google STS.
func (c *Credentials) TokenURL() string { return c.file.TokenURL }

// TokenInfoURL is the introspection endpoint of Google STS; empty if the file
// names none.
func (c *Credentials) TokenInfoURL() string { return c.file.TokenInfoURL }

// IsWorkforcePool is [File.IsWorkforcePool].
func (c *Credentials) IsWorkforcePool() bool { return c.file.IsWorkforcePool() }

// IsUser is [File.IsUser].
func (c *Credentials) IsUser() bool { return c.file.IsUser() }

// ProjectNumber is [File.ProjectNumber].
func (c *Credentials) ProjectNumber() string { return c.file.ProjectNumber() }

// ServiceAccountEmail is the account that is impersonated; empty if there is none.
func (c *Credentials) ServiceAccountEmail() string { return c.file.ServiceAccount() }
