package template_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// sourceOf parses every file of this module that a function is linked from.
func sourceOf(t *testing.T, pkg string) []*ast.File {
	t.Helper()
	const files = `{{if .Module}}{{if .Module.Main}}{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}
{{end}}{{end}}{{end}}`
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", files, pkg)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing what %s is made of: %v\n%s", pkg, err, stderr.Bytes())
	}
	var parsed []*ast.File
	for _, path := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if path = strings.TrimSpace(path); path == "" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, file)
	}
	return parsed
}

// stringsOf returns the string literals that match.
func stringsOf(source []*ast.File, pattern *regexp.Regexp) []string {
	var found []string
	inspect(source, func(n ast.Node) {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return
		}
		if s, err := strconv.Unquote(literal.Value); err == nil && pattern.MatchString(s) {
			found = append(found, s)
		}
	})
	return found
}

// secretsManagerCalls returns the operations of Secrets Manager that the source
// calls, by name: nothing else here has methods called so.
func secretsManagerCalls(source []*ast.File) []string {
	client := reflect.TypeFor[*secretsmanager.Client]()
	var found []string
	inspect(source, func(n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || selector.Sel.Name == "Options" {
			return
		}
		if _, ok := client.MethodByName(selector.Sel.Name); ok {
			found = append(found, selector.Sel.Name)
		}
	})
	return found
}

func inspect(source []*ast.File, visit func(ast.Node)) {
	for _, file := range source {
		ast.Inspect(file, func(n ast.Node) bool { visit(n); return true })
	}
}
