// Package docs_test checks that what the documents link to is there.
package docs_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const root = "../.."

// notOurs are folders that programs put there, with documents of others.
var notOurs = []string{"node_modules", "testdata", "vendor"}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	files := documents(t)
	if len(files) < 15 {
		t.Fatalf("found %d documents", len(files))
	}
	checked := 0
	for _, path := range slices.Sorted(maps.Keys(files)) {
		for _, link := range links(files[path]) {
			if strings.Contains(link, ":") { // a URL
				continue
			}
			checked++
			target, anchor, hasAnchor := strings.Cut(link, "#")
			to := path
			if target != "" {
				to = filepath.Join(filepath.Dir(path), filepath.FromSlash(target))
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil || strings.HasPrefix(to, "..") {
				t.Errorf("%s links to %s, which is not there", path, link)
				continue
			}
			if text, ok := files[to]; hasAnchor && (!ok || !slices.Contains(anchors(text), anchor)) {
				t.Errorf("%s links to %s, where no heading is called so", path, link)
			}
		}
	}
	if checked < 100 {
		t.Errorf("checked %d links only", checked)
	}
}

// documents returns the text of every document of the repository, by its path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains(notOurs, d.Name())):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		found[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var (
	fence      = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	code       = regexp.MustCompile("`[^`\n]*`")
	inline     = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	definition = regexp.MustCompile(`(?m)^\[[^\]]+\]: +(\S+)$`)
	heading    = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	linkInText = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// links returns what a document links to. A link's text may be code.
func links(text string) []string {
	text = fence.ReplaceAllString(text, "")
	text = code.ReplaceAllString(text, "code")
	var found []string
	for _, m := range slices.Concat(inline.FindAllStringSubmatch(text, -1), definition.FindAllStringSubmatch(text, -1)) {
		found = append(found, m[1])
	}
	return found
}

// anchors returns what GitHub calls a document's headings: in lower case, without
// punctuation, and with hyphens for spaces.
func anchors(text string) []string {
	var found []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		title := linkInText.ReplaceAllString(m[1], "$1")
		found = append(found, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, title))
	}
	return found
}

func TestLinksAndAnchorsAreFoundAsGitHubDoes(t *testing.T) {
	t.Parallel()
	const text = "# A title: what's `new`?\n\n[a](x.md) `[b](y.md)` [`c`](z.md#d-e)\n\n```\n# no heading\n[f](g.md)\n```\n\n[h]: i.md\n"
	if got := strings.Join(links(text), " "); got != "x.md z.md#d-e i.md" {
		t.Errorf("links are %s", got)
	}
	if got := strings.Join(anchors(text), " "); got != "a-title-whats-new" {
		t.Errorf("anchors are %s", got)
	}
}
