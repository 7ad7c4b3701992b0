package externalaccount

import "strings"

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

// AnyInfo is Info, whatever the kind of credentials.
func (c *Credentials) AnyInfo() AnyFile { return c.Info() }

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
