package main

import (
	"fmt"
	"strings"
)

// allowance is a line of allowed.txt.
type allowance struct {
	pkg, test, kind string
	used            bool
}

// readAllowed reads lines of PACKAGE TEST KIND # REASON. The package's path is
// without the repository's; a test's subtests are meant too, which have names of the table's
// making. Empty lines and those that begin with # count for nothing.
func readAllowed(text string) (allowed []*allowance, _ error) {
	for line := range strings.Lines(text) {
		entry, reason, _ := strings.Cut(line, "#")
		fields := strings.Fields(entry)
		switch {
		case len(fields) == 0:
		case len(fields) != 3 || strings.TrimSpace(reason) == "":
			return nil, fmt.Errorf("reading allowed.txt: %q is not PACKAGE TEST KIND # REASON", strings.TrimSpace(line))
		default:
			allowed = append(allowed, &allowance{pkg: fields[0], test: fields[1], kind: fields[2]})
		}
	}
	return allowed, nil
}

func permits(allowed []*allowance, k key, found leak) bool {
	for _, a := range allowed {
		if strings.HasSuffix(k.pkg, "/"+a.pkg) && (k.test == a.test || strings.HasPrefix(k.test, a.test+"/")) && found.kind == a.kind {
			a.used = true
			return true
		}
	}
	return false
}

// unused are the allowances that nothing needed, of the packages that were read.
func unused(allowed []*allowance, read map[string]bool) (unneeded []string) {
	for _, a := range allowed {
		for pkg := range read {
			if !a.used && strings.HasSuffix(pkg, "/"+a.pkg) {
				unneeded = append(unneeded, a.pkg+" "+a.test+" "+a.kind)
			}
		}
	}
	return unneeded
}
