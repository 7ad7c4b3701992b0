package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// document is what -write puts the figures into, between two marks. Its plots are
// beside it.
const (
	document   = "../docs/performance.md"
	ratiosName = "performance-ratios.svg"
	growthName = "performance-growth.svg"

	begin = "<!-- figures: written by make bench-write -->\n"
	end   = "<!-- end of the figures -->\n"
)

// write replaces the figures in the document, and its plots.
func write(path string, sections []section, setting string) error {
	before, after, err := readAround(path)
	if err != nil {
		return err
	}
	rows := rowsOf(sections)
	figures := setting + "\n" + verdict(rows) + "\n" + render(sections)
	for _, file := range []struct{ path, text string }{
		{filepath.Join(filepath.Dir(path), ratiosName), ratioPlot(rows)},
		{filepath.Join(filepath.Dir(path), growthName), growthPlot(rows)},
		{path, before + begin + "\n" + figures + "\n" + end + after},
	} {
		if err := os.WriteFile(file.path, []byte(file.text), 0o644); err != nil {
			return fmt.Errorf("writing the figures: %w", err)
		}
	}
	return nil
}

// readAround reads what stands around the figures.
func readAround(path string) (before, after string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", "", fmt.Errorf("looking where the figures belong: %w", err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", "", fmt.Errorf("looking where the figures belong: %s has not the lines %q and %q", path, begin, end)
	}
	return before, after, nil
}
