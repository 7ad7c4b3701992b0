package impersonate

import (
	"errors"
	"fmt"
	"strings"
)

// ValidServiceAccount reports whether s has the form of a service account's
// email: NAME@PROJECT.iam.gserviceaccount.com, and those of Google's own and of
// other universes, which all end in .gserviceaccount.com.
func ValidServiceAccount(s string) bool {
	name, domain, ok := strings.Cut(s, "@")
	project, google := strings.CutSuffix(domain, ".gserviceaccount.com")
	if !ok || !google || len(s) > 254 || !consistsOf(name, "._-") {
		return false
	}
	for label := range strings.SplitSeq(project, ".") {
		if !consistsOf(label, "-") {
			return false
		}
	}
	return true
}

// consistsOf reports whether s is not empty and has only ASCII letters, digits
// and some other characters.
func consistsOf(s, others string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if digit := '0' <= c && c <= '9'; !letter && !digit && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return s != ""
}

const resourcePrefix = "projects/-/serviceAccounts/"

// resourceName is an account as the API names it. The project is a hyphen:
// "replacing it with a project ID is invalid", says its reference.
func resourceName(account string) string { return resourcePrefix + account }

// resourceNames are delegates as the API names them, nil for none.
func resourceNames(delegates []string) []string {
	if len(delegates) == 0 {
		return nil
	}
	names := make([]string, len(delegates))
	for i, delegate := range delegates {
		names[i] = resourceName(strings.TrimPrefix(delegate, resourcePrefix))
	}
	return names
}

// checkChain checks an account and the delegates on the way to it.
func checkChain(account string, delegates []string) error {
	const want = "write the email of a service account, such as name@project.iam.gserviceaccount.com"
	if !ValidServiceAccount(account) {
		return fmt.Errorf("ServiceAccount is %.100q: %s", account, want)
	}
	for i, delegate := range delegates {
		if !ValidServiceAccount(strings.TrimPrefix(delegate, resourcePrefix)) {
			return fmt.Errorf("field Delegates[%d] is %.100q: %s", i, delegate, want)
		}
	}
	return nil
}

// checkScopes refuses none at all, and several in one string.
func checkScopes(scopes []string) error {
	if len(scopes) == 0 {
		return errors.New("field Scopes is empty: write at least one, such as https://www.googleapis.com/auth/cloud-platform")
	}
	for i, scope := range scopes {
		if scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' }) {
			return fmt.Errorf("field Scopes[%d] is %.100q: write one scope, such as https://www.googleapis.com/auth/cloud-platform", i, scope)
		}
	}
	return nil
}
