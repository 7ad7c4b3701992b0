// Sbom tells what is linked into a program, and under which licences.
//
//	sbom licences PACKAGE...
//	sbom document NAME BINARY PACKAGE
//
// The first checks that each licence of each module that the packages link is one
// of licences.txt, which somebody has read. The second prints a software bill of
// materials (CycloneDX 1.6) of a binary that was built of a package. The same
// source and the same Go give the same document: it has no date and no serial number.
//
// Both see what "go list" sees: GOOS, GOARCH and GOFLAGS have to be those of the build.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	switch {
	case len(args) >= 2 && args[0] == "licences":
		modules, err := linked(args[1:])
		if err != nil {
			return err
		}
		return printLicences(modules, out)
	case len(args) == 4 && args[0] == "document":
		document, err := describe(args[1], args[2], args[3])
		if err != nil {
			return err
		}
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(document)
	}
	return errors.New("usage: sbom licences PACKAGE... | sbom document NAME BINARY PACKAGE")
}

func printLicences(modules []*module, out io.Writer) error {
	for _, m := range modules {
		fmt.Fprintf(out, "%-60s %-12s %s\n", m.Path, m.Version, strings.Join(m.licences, ", "))
	}
	fmt.Fprintf(out, "%d modules, all of their licences are in licences.txt\n", len(modules))
	return nil
}
