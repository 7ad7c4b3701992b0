// Package parity_test checks docs/parity.md: that what its tables name is there,
// and that nothing that Google's pages name is missing from them.
package parity_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const document = "../../docs/parity.md"

var (
	goName    = regexp.MustCompile(`\[(\w+)\.([\w.]+)\]\[(\w+)\]`)             // [package.Name][package]
	testName  = regexp.MustCompile("`(\\w+)\\.((?:Test|Example|Fuzz)\\w*)`")   // `package.TestName`
	folder    = regexp.MustCompile(`(?m)^\[(\w+)\]: (\S+)$`)                   // [package]: ../pkg/package
	names     = regexp.MustCompile("(?s)\n## The names\n.*?\n```\n(.*?)\n```") // the block below the heading
	emptyCell = regexp.MustCompile(`^\W*$|\bTODO\b`)
)

func TestWhatTheTablesNameIsThere(t *testing.T) {
	t.Parallel()
	text := read(t)
	packages := map[string]*source{}
	for _, m := range folder.FindAllStringSubmatch(text, -1) {
		packages[m[1]] = parse(t, filepath.Join(filepath.Dir(document), m[2]))
	}
	for _, r := range rows(text) {
		for heading, cell := range r {
			if heading != "note" && emptyCell.MatchString(cell) {
				t.Errorf("the row is open, at %s: %v", heading, r)
			}
			for _, m := range goName.FindAllStringSubmatch(cell, -1) {
				if m[1] != m[3] || packages[m[1]] == nil || !packages[m[1]].declares(m[2]) {
					t.Errorf("there is no %s: %v", m[0], r)
				}
			}
		}
		if _, ok := r["Go"]; ok && !goName.MatchString(r["Go"]) {
			t.Errorf("no name of Go's: %v", r)
		}
		tests := testName.FindAllStringSubmatch(r["shown by"], -1)
		if len(tests) == 0 {
			t.Errorf("no test: %v", r)
		}
		for _, m := range tests {
			if p := packages[m[1]]; p == nil || !p.tests[m[2]] {
				t.Errorf("there is no %s: %v", m[0], r)
			}
		}
	}
}

func TestEveryNameOfThePagesHasARow(t *testing.T) {
	t.Parallel()
	text := read(t)
	var found []string
	for _, r := range rows(text) {
		found = append(found, strings.Trim(r["Python"]+r["name"], "`"))
	}
	block := names.FindStringSubmatch(text)
	if block == nil {
		t.Fatal("the document has no names")
	}
	for line := range strings.Lines(block[1]) {
		words := strings.Split(strings.TrimSpace(line), " · ")
		if !slices.Contains(found, words[0]) {
			t.Errorf("%s has no row", words[0])
		}
		for _, member := range words[1:] {
			if name := words[0] + member; !slices.Contains(found, name) {
				t.Errorf("%s has no row", name)
			}
		}
	}
}

func read(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rows are those of all tables, each with its cells by the headings of their columns.
func rows(text string) (all []map[string]string) {
	var headings []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			headings = nil
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if headings == nil {
			for _, cell := range cells {
				headings = append(headings, strings.TrimSpace(cell))
			}
			continue
		}
		if strings.HasPrefix(line, "|---") {
			continue
		}
		row := map[string]string{}
		for i, heading := range headings {
			if row[heading] = ""; i < len(cells) {
				row[heading] = strings.TrimSpace(cells[i])
			}
		}
		all = append(all, row)
	}
	return all
}

// source is what a package declares: "New", "File", "File.Audience", "File.Encode".
type source struct {
	exported map[string]bool
	embedded map[string][]string // types in a type, whose members it has too
	tests    map[string]bool
}

func (s *source) declares(name string) bool {
	if s.exported[name] {
		return true
	}
	outer, member, ok := strings.Cut(name, ".")
	return ok && slices.ContainsFunc(s.embedded[outer], func(inner string) bool { return s.declares(inner + "." + member) })
}

func parse(t *testing.T, dir string) *source {
	t.Helper()
	s := &source{map[string]bool{}, map[string][]string{}, map[string]bool{}}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no Go files: %v", dir, err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, isFunc := d.(*ast.FuncDecl)
			switch {
			case !strings.HasSuffix(path, "_test.go"):
				s.add(d)
			case isFunc && f.Recv == nil:
				s.tests[f.Name.Name] = true
			}
		}
	}
	return s
}

func (s *source) add(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name
		if d.Recv == nil {
			s.export("", name)
		} else {
			s.export(typeName(d.Recv.List[0].Type)+".", name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				s.export("", spec.Names...)
			case *ast.TypeSpec:
				s.export("", spec.Name)
				s.addMembers(spec)
			}
		}
	}
}

func (s *source) addMembers(spec *ast.TypeSpec) {
	var members *ast.FieldList
	switch typ := spec.Type.(type) {
	case *ast.StructType:
		members = typ.Fields
	case *ast.InterfaceType:
		members = typ.Methods
	default:
		return
	}
	for _, f := range members.List {
		s.export(spec.Name.Name+".", f.Names...)
		if len(f.Names) == 0 {
			s.embedded[spec.Name.Name] = append(s.embedded[spec.Name.Name], typeName(f.Type))
		}
	}
}

func (s *source) export(prefix string, names ...*ast.Ident) {
	for _, name := range names {
		if name.IsExported() {
			s.exported[prefix+name.Name] = true
		}
	}
}

// typeName is the name of a type of the same package, or of a pointer to one.
func typeName(x ast.Expr) string {
	if star, ok := x.(*ast.StarExpr); ok {
		x = star.X
	}
	if name, ok := x.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}
