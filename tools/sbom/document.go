package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
)

// document is a bill of materials: https://cyclonedx.org/docs/1.6/json/
type document struct {
	Schema       string       `json:"$schema"`
	BOMFormat    string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Licences   []licence  `json:"licenses"`
	PURL       string     `json:"purl,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type licence struct {
	License struct {
		ID string `json:"id"`
	} `json:"license"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// describe makes the document of a binary, after it has made sure that what "go
// list" says of the package is what the linker wrote into the binary.
func describe(name, binary, packagePath string) (*document, error) {
	modules, err := linked([]string{packagePath})
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("reading the binary: %w", err)
	}
	built, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("reading the binary: %w", err)
	}
	if err := compare(modules, built.Deps); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	d := &document{Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", BOMFormat: "CycloneDX", SpecVersion: "1.6", Version: 1}
	for _, m := range modules {
		c := componentOf(m, built.GoVersion)
		if m.Main {
			c.Type, c.Ref, c.Name, c.PURL = "application", name, name, ""
			c.Hashes, c.Properties = []hash{{"SHA-256", hex.EncodeToString(sum[:])}}, properties(built.Settings)
			d.Metadata.Component = c
		} else {
			d.Components = append(d.Components, c)
		}
		dependsOn := make([]string, 0, len(m.needs))
		for _, needed := range m.needs {
			at := slices.IndexFunc(modules, func(m *module) bool { return m.Path == needed })
			dependsOn = append(dependsOn, componentOf(modules[at], built.GoVersion).Ref)
		}
		d.Dependencies = append(d.Dependencies, dependency{c.Ref, dependsOn})
	}
	return d, nil
}

// compare tells how what is listed and what is built differ.
func compare(listed []*module, built []*debug.Module) error {
	var left, right []string
	for _, m := range listed {
		if !m.Main && m.Path != standardLibrary {
			left = append(left, m.Path+" "+m.Version+" "+m.Sum)
		}
	}
	for _, m := range built {
		right = append(right, m.Path+" "+m.Version+" "+m.Sum)
	}
	slices.Sort(left)
	slices.Sort(right)
	if !slices.Equal(left, right) {
		return fmt.Errorf("the binary is not of this source, or not with these settings: go list says\n%s\nthe binary\n%s", strings.Join(left, "\n"), strings.Join(right, "\n"))
	}
	return nil
}

func componentOf(m *module, goVersion string) component {
	version := m.Version
	if m.Path == standardLibrary {
		version = strings.TrimPrefix(goVersion, "go")
	}
	purl := "pkg:golang/" + strings.ToLower(m.Path) + "@" + version
	c := component{Type: "library", Ref: purl, Name: m.Path, Version: version, PURL: purl}
	for _, id := range m.licences {
		var l licence
		l.License.ID = id
		c.Licences = append(c.Licences, l)
	}
	// go.sum's h1 is a SHA-256 over the module's files, in base64.
	if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(sum) == sha256.Size {
		c.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum)}}
	}
	return c
}

func properties(settings []debug.BuildSetting) (list []property) {
	for _, s := range settings {
		if slices.Contains([]string{"GOOS", "GOARCH", "CGO_ENABLED", "-tags", "-trimpath"}, s.Key) {
			list = append(list, property{"go:" + s.Key, s.Value})
		}
	}
	return list
}
