package setup

import (
	"slices"
	"strings"
)

// What answers look like. Nothing that passes here means anything to a shell, to
// Terraform or to CEL inside their quotes.

const (
	digits = "0123456789"
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// consistsOf reports whether s is not empty and has only characters of set.
func consistsOf(s, set string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(set, r) })
}

// isProjectID knows ids, and those of old that a domain stands in front of, as in
// "example.com:my-project".
// https://cloud.google.com/resource-manager/docs/creating-managing-projects
func isProjectID(s string) bool {
	if domain, id, ok := strings.Cut(s, ":"); ok {
		return consistsOf(domain, lower+digits+".-") && domain[0] != '-' && isProjectID(id) && !strings.Contains(id, ":")
	}
	return len(s) >= 6 && len(s) <= 30 && consistsOf(s, lower+digits+"-") && consistsOf(s[:1], lower) && !strings.HasSuffix(s, "-")
}

func isAWSAccount(s string) bool { return len(s) == 12 && consistsOf(s, digits) }

// isGoogleRole knows Google's roles and those of a project or an organization.
func isGoogleRole(s string) bool {
	owner, name, ok := strings.Cut(s, "roles/")
	if !ok || !consistsOf(name, lower+upper+digits+"._") {
		return false
	}
	parts := strings.Split(owner, "/")
	switch {
	case owner == "":
		return true
	case len(parts) != 3 || parts[2] != "":
		return false
	}
	return parts[0] == "projects" && isProjectID(parts[1]) || parts[0] == "organizations" && consistsOf(parts[1], digits)
}

// list takes what is separated by commas or spaces, each once.
func list(text string) []string {
	var items []string
	for _, item := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		if !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	return items
}
