package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestWritingReplacesTheLastFigures(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "performance.md")
	if err := os.WriteFile(path, []byte("before\n"+begin+end+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"old", "new"} {
		if err := write(path, []section{{"Size", []row{{what: what, peer: "peer", ratio: 1}}}}, "setting\n"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	want := "before\n" + begin + "\nsetting\n\nOf 0 budgets 0 are kept.\n\n### Size\n\n" + renderTable([]row{{what: "new", ratio: 1}}) + "\n" + end + "after\n"
	if err != nil || string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, name := range []string{ratiosName, growthName} {
		if plot, err := os.ReadFile(filepath.Join(folder, name)); err != nil || !strings.HasPrefix(string(plot), "<svg") {
			t.Errorf("%s: %v, %.20s", name, err, plot)
		}
	}

	if err := os.WriteFile(path, []byte("no marks\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(path, nil, ""); err == nil {
		t.Error("a document without the marks: no error")
	}
}

// Else a run of ten minutes would be for nothing.
func TestTheDocumentHasAPlaceForTheFiguresAndShowsThePlots(t *testing.T) {
	t.Parallel()
	before, after, err := readAround(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ratiosName, growthName} {
		if !strings.Contains(before+after, "]("+name+")") {
			t.Errorf("%s does not show %s", document, name)
		}
	}
}

var (
	command    = regexp.MustCompile(`go -C bench run \.((?: +-[a-z]+(?: [a-z0-9][a-z0-9,]*)?)*)`)
	makeTarget = regexp.MustCompile("(?m)(?:`|^ {4})make ([a-z-]+)")
)

func TestEveryCommandOfTheDocumentsIsThere(t *testing.T) {
	t.Parallel()
	makefile := contents(t, "../Makefile")
	for _, recipe := range []string{"bench:", "\n\tgo -C bench run .\n", "bench-write:", "\n\tgo -C bench run . -write\n"} {
		if !strings.Contains(makefile, recipe) {
			t.Errorf("the Makefile has no %q", recipe)
		}
	}
	found := 0
	for _, path := range []string{"../Makefile", document, "README.md", "main.go"} {
		text := contents(t, path)
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			found++
			var o options
			set := o.flags()
			set.Init("bench", flag.ContinueOnError)
			set.SetOutput(io.Discard)
			if err := set.Parse(strings.Fields(m[1])); err != nil && !errors.Is(err, flag.ErrHelp) {
				t.Errorf("%s: %s: %v", path, m[0], err)
			}
			if _, err := choose(o.only); err != nil {
				t.Errorf("%s: %s: %v", path, m[0], err)
			}
		}
		for _, m := range makeTarget.FindAllStringSubmatch(text, -1) {
			found++
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s: there is no make %s", path, m[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d commands", found)
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
