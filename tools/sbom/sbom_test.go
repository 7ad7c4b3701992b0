package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestTheListOfLicencesParses(t *testing.T) {
	t.Parallel()
	if ids, err := known(); err != nil || len(ids) == 0 {
		t.Fatal(ids, err)
	}
	sum := strings.Repeat("0a", 32)
	for _, wrong := range []string{sum + " AGPL-3.0-only # somewhere", sum + " MIT", "0a MIT # somewhere", sum} {
		if _, err := readLicences(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

// folder makes a module with a package below it, and files of both.
func folder(t *testing.T, files map[string]string) (*pkg, *module) {
	t.Helper()
	dir := t.TempDir()
	inner := filepath.Join(dir, "inner")
	if err := os.Mkdir(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := &module{Path: "example.com/m", Version: "v1.0.0", Dir: dir}
	return &pkg{ImportPath: m.Path + "/inner", Dir: inner, Module: m}, m
}

func TestALicenceThatNobodyHasReadIsRefused(t *testing.T) {
	t.Parallel()
	ours, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		files map[string]string
		want  string // of the licences, or of the error
	}{
		"one that is known":           {map[string]string{"LICENSE": string(ours)}, "Apache-2.0"},
		"one of the package's own":    {map[string]string{"LICENSE": string(ours), "inner/COPYING.md": string(ours)}, "Apache-2.0 Apache-2.0"},
		"none":                        {map[string]string{"inner/LICENSE": string(ours), "README": "free"}, "has no licence"},
		"one that differs a little":   {map[string]string{"LICENSE": string(ours) + "\n"}, "read it"},
		"another one for the package": {map[string]string{"LICENSE": string(ours), "inner/licence-gpl": "GPL"}, "licence-gpl of example.com/m v1.0.0"},
		"a file that is called so":    {map[string]string{"LICENSE": string(ours), "inner/license.go": "package inner"}, "Apache-2.0"},
	} {
		p, m := folder(t, tc.files)
		ids, err := licencesOf(p, m)
		if err != nil && !strings.Contains(err.Error(), tc.want) || err == nil && strings.Join(ids, " ") != tc.want {
			t.Errorf("%s: %v, %v, want %s", name, ids, err, tc.want)
		}
	}
}

func TestABinaryOfOtherModulesHasNoDocument(t *testing.T) {
	t.Parallel()
	listed := []*module{{Path: "a", Version: "v1", Sum: "h1:x"}, {Path: standardLibrary}, {Path: "m", Main: true}}
	for name, built := range map[string][]*debug.Module{
		"another version": {{Path: "a", Version: "v2", Sum: "h1:x"}},
		"another content": {{Path: "a", Version: "v1", Sum: "h1:y"}},
		"one more":        {{Path: "a", Version: "v1", Sum: "h1:x"}, {Path: "b", Version: "v1"}},
		"none":            nil,
	} {
		if compare(listed, built) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := compare(listed, []*debug.Module{{Path: "a", Version: "v1", Sum: "h1:x"}}); err != nil {
		t.Error(err)
	}
}

// This program describes itself, twice.
func TestTheSameBinaryHasTheSameDocument(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "sbom")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var documents [2]bytes.Buffer
	for i := range documents {
		if err := run([]string{"document", "itself", binary, "."}, &documents[i]); err != nil {
			t.Fatal(err)
		}
	}
	if documents[0].String() != documents[1].String() {
		t.Errorf("first\n%s\nthen\n%s", &documents[0], &documents[1])
	}
	var d document
	if err := json.Unmarshal(documents[0].Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if c := d.Metadata.Component; c.Name != "itself" || len(c.Hashes) != 1 || len(d.Components) != 1 || d.Components[0].Name != standardLibrary {
		t.Errorf("%+v", d)
	}
}
