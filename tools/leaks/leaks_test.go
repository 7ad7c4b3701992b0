package main

import (
	"encoding/json"
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

// Secrets are put together here, so that this test is not what leaks finds.
var samples = map[string]string{
	"access-token":      "ya29" + ".c.b0Aaekm1K",
	"jwt":               "eyJ" + "hbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln",
	"signed-request":    "X-Amz-Signa" + "ture=" + strings.Repeat("0a", 32),
	"session-token":     "IQoJb3JpZ2lu" + "X2VjEXAMPLE//////////",
	"secret-access-key": `"SecretAccess` + `Key": "` + strings.Repeat("aB/0", 10) + `"`,
	"refresh-token":     "1/" + "/0gABCDEF",
	"client-secret":     "GOCSPX" + "-abcdef",
	"private-key":       "-----BEGIN EC PRIVATE" + " KEY-----",
	"rotation-token":    `"Rotation` + `Token":"4f7c1b2e-0000"`,
	"planted":           "planted" + "-secret-access-key",
}

func TestEveryShapeIsFoundInAPassingTestAndNotShown(t *testing.T) {
	t.Parallel()
	for _, shape := range shapes {
		secret := samples[shape.kind]
		if secret == "" {
			t.Errorf("no sample of %s", shape.kind)
			continue
		}
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

func TestWhatIsNoSecretIsNoLeak(t *testing.T) {
	t.Parallel()
	in := stream(t, "m/p", "TestX", "pass", `want no "ya29." and no eyJ, no Signature= of ASIAIOSFODNN7EXAMPLE; RotationToken: was masked; sha256:0123456789ab`+"\n")
	var out strings.Builder
	if err := run(strings.NewReader(in), &out, nil); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestACommandOfAScriptIsNoOutput(t *testing.T) {
	t.Parallel()
	for line, leaks := range map[string]bool{
		"        > env TOKEN=" + samples["jwt"] + "\n":    false,
		"        the token is > " + samples["jwt"] + "\n": true,
	} {
		in := stream(t, "m/p", "TestX", "pass", "        > one\n", line)
		if err := run(strings.NewReader(in), &strings.Builder{}, nil); (err != nil) != leaks {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestWhatNeverEndedIsReadToo(t *testing.T) {
	t.Parallel()
	in := stream(t, "m/p", "TestX", "output", samples["jwt"]) + "go: a line that is no JSON\n"
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
		err := run(strings.NewReader(stream(t, tc.pkg, tc.test, "pass", samples[tc.kind])), &strings.Builder{}, allowed)
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
		if samples[a.kind] == "" {
			t.Errorf("%s %s: no kind is called %q", a.pkg, a.test, a.kind)
		}
	}
}
