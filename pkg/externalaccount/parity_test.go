package externalaccount

import (
	"slices"
	"testing"
)

// Python's with_scopes drops them unless it is told them again.
func TestACopyWithOtherScopesKeepsTheDefaultOnes(t *testing.T) {
	t.Parallel()
	w := newWire()
	c := w.credentials(t, nil, Options{Scopes: []string{bigquery}, DefaultScopes: []string{platform}}).WithScopes()
	if issued, _ := w.LookupToken(cached(t, c).Value.Reveal()); !slices.Equal(issued.Scopes, []string{platform}) {
		t.Errorf("issued with %q", issued.Scopes)
	}
}
