package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wifmint/wifmint/internal/bootstraptest"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"wifmint": main})
}

// TestScripts runs testdata/script: what a person types and sees. $CHECKOUT is
// this checkout. $TOKEN_URL and $IAM_URL are a fake Google's, of each script's
// own, that trusts the AWS key of AWS's documentation; $SECRETS_URL is a fake AWS's.
func TestScripts(t *testing.T) {
	t.Parallel()
	checkout, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	bootstraptest.Visit(t, "go.mod", "go.sum", "events", "functions", "internal", "pkg") // which "local" reads and builds from
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("CHECKOUT", checkout)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // not a second at the end of each process
			// What the go command needs, for "local" builds the functions.
			for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOSUMDB", "GOTOOLCHAIN"} {
				value, err := exec.Command("go", "env", name).Output()
				if err != nil {
					return err
				}
				env.Setenv(name, strings.TrimSpace(string(value)))
			}
			return openCloud(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "expand": expand, "issued": issued, "plant": plant, "versions": versions},
	})
}

const scriptAudience = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws"

// openCloud starts a script's fake cloud.
func openCloud(env *testscript.Env) error {
	cloud := fakecloud.New(fakecloud.Options{})
	cloud.AddAWSKey(fakecloud.AWSKey{
		AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
		ARN: "arn:aws:sts::123456789012:assumed-role/lambda/fn",
	})
	cloud.AddProvider(fakecloud.Provider{Audience: scriptAudience, AWSAccount: "123456789012"})
	cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: "reports@p-roject.iam.gserviceaccount.com", MaxLifetime: 12 * time.Hour})
	server, err := cloud.Serve()
	if err != nil {
		return err
	}
	env.Defer(func() { _ = server.Close() })
	env.Setenv("TOKEN_URL", server.Endpoints().TokenURL)
	env.Setenv("IAM_URL", server.Endpoints().IAMCredentials)
	env.Setenv("SECRETS_URL", server.Endpoints().SecretsManager)
	env.Setenv("AWS_STS_URL", server.Endpoints().AWSSTS)
	env.Values["cloud"] = cloud
	return trustOthers(env, cloud, server.Endpoints())
}

// expand puts the values of $VARIABLES into a file: expand credentials.json.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: expand FILE")
	}
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// issued prints every token that the fake Google has issued so far: its kind,
// whose it is, its scopes, and how long it lives.
func issued(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: issued")
	}
	for _, token := range ts.Value("cloud").(*fakecloud.Cloud).IssuedTokens() {
		fmt.Fprintln(ts.Stdout(), token.Kind, token.Principal, strings.Join(token.Scopes, " "), token.Expires.Sub(token.IssuedAt).Round(time.Minute))
	}
}

// exits runs a command that has to exit with a code: exits 2 wifmint validate x.
// Its output is for stdout and stderr, as that of exec is.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command...")
	}
	var exit *exec.ExitError
	got := 0
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("running %s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("%s exited with %d, not %d; standard error:\n%s", args[1], got, want, ts.ReadFile("stderr"))
	}
}

// The README's example of validate is what validate prints.
func TestREADMEShowsWhatValidateSays(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	w := &world{ctx: t.Context(), stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
	if code := run([]string{"validate", "testdata/broken.json"}, w); code != exitUsage {
		t.Errorf("exit %d", code)
	}
	want := stdout.String() + strings.ReplaceAll(stderr.String(), "testdata/", "")
	if !strings.Contains(string(readme), "validate broken.json\n"+want) {
		t.Errorf("the README does not show:\n%s", want)
	}
}
