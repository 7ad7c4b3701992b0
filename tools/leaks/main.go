// Leaks reads what "go test -json" prints on standard input, prints of it what "go
// test" would, and fails if any test, the passing ones too, has put out something
// that has the shape of a secret: a token, a key, a signed request, or one of the
// values that tests plant.
//
// Its findings name the test and the kind, and show none of the secret but its
// first characters. allowed.txt, which is linked in, lists what is printed on purpose.
package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

//go:embed allowed.txt
var allowedText string

func main() {
	allowed, err := readAllowed(allowedText)
	if err == nil {
		err = run(os.Stdin, os.Stdout, allowed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "leaks:", err)
		os.Exit(1)
	}
}

// event is a line of "go test -json" (go doc test2json).
type event struct {
	Action  string
	Package string
	// ImportPath is that of a build's output, in place of Package.
	ImportPath string
	Test       string
	Output     string
}

// key is a test, or, without a Test, what its package puts out beside its tests.
type key struct{ pkg, test string }

func run(in io.Reader, out io.Writer, allowed []*allowance) error {
	outputs, read, tests, leaks := map[key]*strings.Builder{}, map[string]bool{}, 0, 0
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil { // go's own words, such as of a package that is not there
				e = event{Action: "output", Output: string(line)}
			}
			k := key{e.Package + e.ImportPath, e.Test}
			switch e.Action {
			case "output", "build-output":
				if outputs[k] == nil {
					outputs[k] = &strings.Builder{}
				}
				outputs[k].WriteString(e.Output)
			case "pass", "fail", "skip", "build-fail":
				if e.Test != "" {
					tests++
					read[e.Package] = true
				}
				leaks += finish(out, k, e.Action, outputs, allowed)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the tests' output: %w", err)
		}
	}
	for k := range outputs { // of what was killed, and never ended
		leaks += finish(out, k, "fail", outputs, allowed)
	}
	switch stale := unused(allowed, read); {
	case leaks > 0:
		return fmt.Errorf("%d secrets in the output of %d tests; allowed.txt is for what is printed on purpose", leaks, tests)
	case tests == 0:
		return errors.New("no test was read: pipe \"go test -json\" into this")
	case len(stale) > 0:
		fmt.Fprintf(out, "leaks: nothing was printed that allowed.txt allows to %s\n", strings.Join(stale, ", "))
	}
	fmt.Fprintf(out, "leaks: no secret in the output of %d tests\n", tests)
	return nil
}

// finish looks through what a test has put out, prints what go test would, and
// returns how many leaks there are.
func finish(out io.Writer, k key, action string, outputs map[key]*strings.Builder, allowed []*allowance) int {
	if outputs[k] == nil {
		return 0
	}
	text := outputs[k].String()
	delete(outputs, k)
	if k.test == "" || action == "fail" || action == "build-fail" {
		fmt.Fprint(out, conceal(strings.TrimPrefix(text, "PASS\n")))
	}
	leaks := 0
	for _, found := range search(text) {
		if !permits(allowed, k, found) {
			leaks++
			fmt.Fprintf(out, "LEAK: %s %s prints %s: %s\n", k.pkg, k.test, found.kind, found.beginning())
		}
	}
	return leaks
}
