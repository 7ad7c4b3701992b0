package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// module is one of which at least one package is linked.
type module struct {
	Path, Version, Sum, Dir string
	Main                    bool
	Replace                 *module

	licences []string // SPDX ids
	needs    []string // paths of the modules that its packages import
}

// pkg is what "go list -json" tells of a package.
type pkg struct {
	ImportPath, Dir string
	Root            string // Go's, of a package of the standard library
	Standard        bool
	Imports         []string
	ImportMap       map[string]string
	Module          *module
}

const standardLibrary = "stdlib"

// linked lists the modules whose packages, or whose packages' packages, are linked
// into these, by path; Go's own is "stdlib".
func linked(packages []string) ([]*module, error) {
	list, err := goList(packages)
	if err != nil {
		return nil, err
	}
	modules, owner := map[string]*module{}, map[string]string{}
	for _, p := range list {
		m := p.module()
		owner[p.ImportPath] = m.Path
		if modules[m.Path] == nil {
			modules[m.Path] = m
		}
		found, err := licencesOf(p, m)
		if err != nil {
			return nil, err
		}
		modules[m.Path].licences = append(modules[m.Path].licences, found...)
	}
	for _, p := range list {
		m := modules[owner[p.ImportPath]]
		for _, path := range p.Imports {
			path = cmp.Or(p.ImportMap[path], path)
			if needed := owner[path]; needed != "" && needed != m.Path {
				m.needs = append(m.needs, needed)
			}
		}
	}
	for _, m := range modules {
		m.licences, m.needs = set(m.licences), set(m.needs)
	}
	return slices.SortedFunc(maps.Values(modules), func(a, b *module) int { return strings.Compare(a.Path, b.Path) }), nil
}

func set(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

func (p *pkg) module() *module {
	switch {
	case p.Standard || p.Module == nil:
		return &module{Path: standardLibrary}
	case p.Module.Replace != nil: // by a folder of this repository
		p.Module.Dir = p.Module.Replace.Dir
	}
	return p.Module
}

func goList(packages []string) (list []*pkg, _ error) {
	command := exec.Command("go", append([]string{"list", "-deps", "-json=ImportPath,Dir,Root,Standard,Imports,ImportMap,Module", "--"}, packages...)...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("running go list: %w", err)
	}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading what go list says: %w", err)
		}
		list = append(list, &p)
	}
}
