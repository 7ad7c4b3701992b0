package template_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
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
	var parsed []*ast.File
	for path := range strings.Lines(goCommand(t, "list", "-deps", "-f", files, pkg)) {
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

// goCommand returns what a go command in the root of the module prints.
func goCommand(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out)
}

// stringsOf returns the string literals that match.
func stringsOf(source []*ast.File, pattern *regexp.Regexp) []string {
	var found []string
	for _, file := range source {
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if s, err := strconv.Unquote(literal.Value); err == nil && pattern.MatchString(s) {
					found = append(found, s)
				}
			}
			return true
		})
	}
	return found
}

// secretsManagerCalls returns the operations of Secrets Manager that a function
// can call: those that the linker did not find unreachable.
func secretsManagerCalls(t *testing.T, pkg string) []string {
	t.Helper()
	bootstrap := filepath.Join(t.TempDir(), "bootstrap")
	goCommand(t, "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-o", bootstrap, pkg)
	client := reflect.TypeFor[*secretsmanager.Client]()
	var found []string
	for _, symbol := range strings.Fields(goCommand(t, "tool", "nm", bootstrap)) {
		if _, name, ok := strings.Cut(symbol, "/service/secretsmanager.(*Client)."); ok && name != "Options" {
			if _, ok := client.MethodByName(name); ok {
				found = append(found, name)
			}
		}
	}
	return found
}
