package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// licences.txt has lines of SHA-256 SPDX-ID # WHERE: the texts that somebody has
// read. A text that differs in one letter is one that nobody has.
//
//go:embed licences.txt
var licencesText string

// allowed are what a program may link without more than naming them, which the
// Apache licence of this one does not contradict.
var allowed = map[string]bool{"Apache-2.0": true, "BSD-2-Clause": true, "BSD-3-Clause": true, "ISC": true, "MIT": true, "MIT-0": true}

var known = sync.OnceValues(func() (map[string]string, error) { return readLicences(licencesText) })

func readLicences(text string) (map[string]string, error) {
	ids := map[string]string{}
	for line := range strings.Lines(text) {
		entry, where, _ := strings.Cut(line, "#")
		fields := strings.Fields(entry)
		switch {
		case len(fields) == 0:
		case len(fields) != 2 || len(fields[0]) != 2*sha256.Size || strings.TrimSpace(where) == "":
			return nil, fmt.Errorf("reading licences.txt: %q is not SHA-256 SPDX-ID # WHERE", strings.TrimSpace(line))
		case !allowed[fields[1]]:
			return nil, fmt.Errorf("reading licences.txt: %s is not a licence that may be linked", fields[1])
		default:
			ids[fields[0]] = fields[1]
		}
	}
	return ids, nil
}

var licenceFile = regexp.MustCompile(`(?i)^(un)?licen[cs]e([-._].*)?$|^copying([-._].*)?$`)

// licencesOf are the SPDX ids of the texts in a package's folder and in those above
// it, up to the module's, which has to have one.
func licencesOf(p *pkg, m *module) (ids []string, _ error) {
	if m.Path == standardLibrary {
		return licencesIn(p.Root, m)
	}
	for dir := p.Dir; ; dir = filepath.Dir(dir) {
		found, err := licencesIn(dir, m)
		if err != nil {
			return nil, err
		}
		ids = append(ids, found...)
		if dir == m.Dir && len(found) == 0 && !m.own() {
			return nil, fmt.Errorf("module %s has no licence in %s: nobody may use it", m.Path, filepath.Base(dir))
		}
		if dir == m.Dir || len(dir) < len(m.Dir) {
			return ids, nil
		}
	}
}

// own reports whether a module is of this repository, whose licence stands at its root.
func (m *module) own() bool { return m.Main || m.Replace != nil }

func licencesIn(dir string, m *module) (ids []string, _ error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for licences: %w", err)
	}
	texts, err := known()
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if entry.IsDir() || !licenceFile.MatchString(entry.Name()) || filepath.Ext(entry.Name()) == ".go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading a licence: %w", err)
		}
		sum := sha256.Sum256(text)
		id := texts[hex.EncodeToString(sum[:])]
		if id == "" {
			return nil, fmt.Errorf("%s of %s %s is no licence of licences.txt: read it, and if it is one that may be linked, add %x", entry.Name(), m.Path, m.Version, sum)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
