package externalaccount

import (
	"net/url"
	"slices"
	"strings"
)

// WithScopes returns a copy with other scopes, none of which means the default
// ones. Like every copy it has the same source, and keeps a token of its own.
func (c *Credentials) WithScopes(scopes ...string) *Credentials {
	return c.with(func(_ *File, o *Options) { o.Scopes = slices.Clone(scopes) })
}

// WithDefaultScopes returns a copy with other default scopes.
func (c *Credentials) WithDefaultScopes(scopes ...string) *Credentials {
	return c.with(func(_ *File, o *Options) { o.DefaultScopes = slices.Clone(scopes) })
}

// WithQuotaProject returns a copy that bills another project, whatever the
// environment says; an empty one bills that of what a request is for.
func (c *Credentials) WithQuotaProject(id string) *Credentials {
	return c.with(func(f *File, _ *Options) { f.QuotaProjectID = id })
}

// WithTokenURL returns a copy that exchanges at another endpoint, which is
// checked when it is used; an empty one means that of the universe.
func (c *Credentials) WithTokenURL(tokenURL string) *Credentials {
	return c.with(func(f *File, _ *Options) {
		if f.TokenURL = tokenURL; tokenURL == "" {
			f.TokenURL = defaultTokenURL(f.UniverseDomain, f.Certificate != nil)
		}
	})
}

// WithUniverseDomain returns a copy for another cloud: those of the file's URLs
// that are in the old universe are the same in the new one. The audience stays.
func (c *Credentials) WithUniverseDomain(domain string) *Credentials {
	return c.with(func(f *File, _ *Options) {
		for _, u := range []*string{&f.TokenURL, &f.TokenInfoURL, &f.ServiceAccountImpersonationURL} {
			*u = moved(*u, f.UniverseDomain, domain)
		}
		f.UniverseDomain = domain
	})
}

// with returns a copy of which something is changed before its clients are made.
func (c *Credentials) with(change func(*File, *Options)) *Credentials {
	f, o := *c.file, c.options
	change(&f, &o)
	return assemble(&f, o, c.proof)
}

// moved is the URL with its host in another domain, if it was in the one.
func moved(rawURL, from, to string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return rawURL
	}
	service, ok := strings.CutSuffix(u.Host, "."+from)
	if !ok {
		return rawURL
	}
	return strings.Replace(rawURL, "//"+u.Host, "//"+service+"."+to, 1)
}
