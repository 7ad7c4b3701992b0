package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// stream is what go test -json prints for tests that put out what is given, in two
// pieces, and end so.
func stream(t *testing.T, pkg, test, action string, pieces ...string) string {
	t.Helper()
	var b strings.Builder
	for _, e := range append([]event{{Action: "run", Package: pkg, Test: test}}, outputs(pkg, test, action, pieces)...) {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

func outputs(pkg, test, action string, pieces []string) (events []event) {
	for _, piece := range pieces {
		events = append(events, event{Action: "output", Package: pkg, Test: test, Output: piece})
	}
	return append(events, event{Action: action, Package: pkg, Test: test})
}

// samples are secrets as tests would print them. They are put together here, so that
// this test is not what leaks finds.
var samples = map[string][]string{
	"access-token": {"ya29" + ".c.b0Aaekm1K", "%22ya29" + ".d.b0Aaekm1K%22"},
	"jwt":          {"eyJ" + "hbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln"},
	"signed-request": {
		"X-Amz-Signa" + "ture=" + strings.Repeat("0a", 32),
		"%22%2C+Signa" + "ture%3D" + strings.Repeat("0a", 32), // in a subject token
		"%2522%252C+Signa" + "ture%253D" + strings.Repeat("0a", 32),
	},
	"session-token": {
		"IQoJb3JpZ2lu" + "X2VjEXAMPLE//////////", "{Session" + "Token:anything-at-all}",
		`{\"key\":\"x-amz-security-` + `token\",\"value\":\"IQoJb3JpZ2lu` + `X2VjEXAMPLE\"}`,
		"map[X-Aws-Ec2-Metadata-" + "Token:[" + drawn + "]]",
	},
	"secret-access-key": {
		`"SecretAccess` + `Key": "` + drawn + `"`, `\"SecretAccess` + `Key\":\"` + drawn + `\"`, "<SecretAccess" + "Key>" + drawn + "</SecretAccessKey>",
		"AWS_SECRET_ACCESS_" + "KEY=" + drawn, "{ASIA" + "EXAMPLE000000001 " + drawn + " and what follows}",
	},
	"refresh-token":  {"1/" + "/0gABCDEF", "refresh_" + "token=1%2F" + "%2F0gABCDEF", `"refresh_` + `token":"anything-at-all"`},
	"client-secret":  {"GOCSPX" + "-abcdef", "client_" + "secret=anything-at-all"},
	"private-key":    {"-----BEGIN EC PRIVATE" + " KEY-----", "-----BEGIN PRIVATE" + ` KEY-----\nMIG`},
	"rotation-token": {`"Rotation` + `Token":"4f7c1b2e-0000"`, "{Rotation" + "Token:4f7c1b2e-0000}"},
	"authorization":  {"map[Authorization:[Bas" + "ic Y2xpZW50OnNlY3JldA==]]", `"Authorization": "Bea` + `rer anything-at-all"`},
	"planted":        {"planted" + "-secret-access-key", "a value that was plan" + "ted", "PLAN" + "TED-bearer-0123456789"},
	"random":         {drawn, "signing with " + drawn + " failed", drawn + drawn},
}

// drawn is as fakecloud draws a secret key.
const drawn = "E9IFVne4ZMUqrHTt" + "morCZFdk-gd3HtRXJEYZyUl0"

func TestEveryShapeIsFoundInAPassingTestAndNotShown(t *testing.T) {
	t.Parallel()
	for _, shape := range shapes {
		if len(samples[shape.kind]) == 0 {
			t.Errorf("no sample of %s", shape.kind)
		}
		for _, secret := range samples[shape.kind] {
			half := len(secret) / 2
			for _, action := range []string{"pass", "fail"} {
				in := stream(t, "m/p", "TestX", action, "    x_test.go:1: before "+secret[:half], secret[half:]+" behind\n")
				var out strings.Builder
				err := run(strings.NewReader(in), &out, nil)
				if err == nil || !strings.Contains(out.String(), "LEAK: m/p TestX prints "+shape.kind) {
					t.Errorf("%s in a test with %s: %v\n%s", shape.kind, action, err, &out)
				}
				if strings.Contains(out.String(), secret) {
					t.Errorf("%s is shown: %s", shape.kind, &out)
				}
			}
		}
	}
}

// TestWhatTestsPlantIsRecognised has every value that a test of this repository
// calls planted, or a key or a token, looked at as if it had been printed alone.
func TestWhatTestsPlantIsRecognised(t *testing.T) {
	t.Parallel()
	names := regexp.MustCompile(`(?i)^planted|secretkey$|sessiontoken$|refreshtoken$|^(script|example)(key|token|secret)$`)
	values := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, value := range spec.Values {
				literal, ok := value.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING || !names.MatchString(spec.Names[i].Name) {
					continue
				}
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				values[text] = true
				if search(text) == nil {
					t.Errorf("%s: %s is of no shape: add it to those of planted", path, spec.Names[i].Name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || len(values) < 20 {
		t.Errorf("found %d values, %v", len(values), err)
	}
}

func TestWhatIsNoSecretIsNoLeak(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`want no "ya29." and no eyJ, no Signature= of ASIAIOSFODNN7EXAMPLE; RotationToken: was masked; sha256:0123456789ab`,
		`client_secret: something is wrong with it; refresh_token: "" and AWS_SESSION_TOKEN="" are nothing, Authorization is basic authentication`,
		"h1:" + strings.Repeat("0123456789abcdef", 4) + " TestThatTheLongestNamesOfTestsAreNoSecrets /some/Path/to/a/File/That/has/a/Version/v1.2.3",
		"=== RUN   TestARunOf1h0m0s_after_54m0sB3C4D5e6F7g8H9i0J1k2L3m4",
	} {
		var out strings.Builder
		if err := run(strings.NewReader(stream(t, "m/p", "TestX", "pass", text+"\n")), &out, nil); err != nil {
			t.Errorf("%v\n%s", err, &out)
		}
	}
}

func TestACommandOfAScriptIsNoOutput(t *testing.T) {
	t.Parallel()
	for line, leaks := range map[string]bool{
		"        > env TOKEN=" + samples["jwt"][0] + "\n":    false,
		"        # the token is " + samples["jwt"][0] + "\n": false,
		"        the token is > " + samples["jwt"][0] + "\n": true,
	} {
		in := stream(t, "m/p", "TestX", "pass", "        > one\n", line)
		if err := run(strings.NewReader(in), &strings.Builder{}, nil); (err != nil) != leaks {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestWhatNeverEndedIsReadToo(t *testing.T) {
	t.Parallel()
	in := stream(t, "m/p", "TestX", "output", samples["jwt"][0]) + "go: a line that is no JSON\n"
	if err := run(strings.NewReader(in), &strings.Builder{}, nil); err == nil {
		t.Error("no error")
	}
}

func TestNothingToReadIsAnError(t *testing.T) {
	t.Parallel()
	if err := run(strings.NewReader(""), &strings.Builder{}, nil); err == nil {
		t.Error("no error")
	}
}

func TestAnAllowanceIsOfOneTestAndOneKind(t *testing.T) {
	t.Parallel()
	allowed, err := readAllowed("# a comment\n\ncmd/wifmint TestScripts jwt # --show prints it\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		pkg, test, kind string
		permitted       bool
	}{
		{"m/cmd/wifmint", "TestScripts", "jwt", true},
		{"m/cmd/wifmint", "TestScripts/show", "jwt", true},
		{"m/cmd/wifmint", "TestScripts/show", "access-token", false},
		{"m/cmd/wifmint", "TestScriptsOfOthers", "jwt", false},
		{"m/other/cmd/wifmintx", "TestScripts", "jwt", false},
	} {
		err := run(strings.NewReader(stream(t, tc.pkg, tc.test, "pass", samples[tc.kind][0])), &strings.Builder{}, allowed)
		if (err == nil) != tc.permitted {
			t.Errorf("%+v: %v", tc, err)
		}
	}
	for _, wrong := range []string{"cmd/wifmint TestScripts jwt", "cmd/wifmint jwt # why", "a b c d # why"} {
		if _, err := readAllowed(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestTheListOfWhatIsAllowedParses(t *testing.T) {
	t.Parallel()
	allowed, err := readAllowed(allowedText)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range allowed {
		if samples[a.kind] == nil {
			t.Errorf("%s %s: no kind is called %q", a.pkg, a.test, a.kind)
		}
	}
}
