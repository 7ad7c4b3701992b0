package subjecttoken

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	goodOIDC = `{"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:id_token","id_token":"` + planted + `","expiration_time":1704168245}`
	goodSAML = `{"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:saml2","saml_response":"PHNhbWw+","expiration_time":1704168245}`
	expired  = `{"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:id_token","id_token":"` + planted + `","expiration_time":1704164645}`
	failed   = `{"version":1,"success":false,"code":"401","message":"Caller not authorized."}`
)

func TestExecutableAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prints, tokenType, want string
	}{
		"an ID token":             {goodOIDC, IDTokenType, planted},
		"a JWT":                   {strings.Replace(goodOIDC, ":id_token", ":jwt", 1), JWTTokenType, planted},
		"an ID token for a JWT":   {goodOIDC, JWTTokenType, planted},
		"SAML":                    {goodSAML, SAML2TokenType, "PHNhbWw+"},
		"white space around it":   {"\n  " + goodOIDC + "\r\n", IDTokenType, planted},
		"no expiry, no file":      {strings.Replace(goodOIDC, `,"expiration_time":1704168245`, "", 1), IDTokenType, planted},
		"fractions of a second":   {strings.Replace(goodOIDC, "1704168245", "1704168245.25", 1), IDTokenType, planted},
		"fields of tomorrow":      {strings.Replace(goodOIDC, `{`, `{"x":{"y":[1]},`, 1), IDTokenType, planted},
		"any type if none is set": {goodSAML, "", "PHNhbWw+"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := program(t, "answers", "CHILD_PRINTS", tc.prints)
			e.SubjectTokenType = tc.tokenType
			token, err := e.SubjectToken(t.Context())
			wantToken(t, token, err, tc.want)
		})
	}
}

func TestExecutableFailuresAreTold(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prints, exits string
		says          string
		code          string
	}{
		"a failure that is told":         {failed, "", "the program failed: 401: Caller not authorized.", "401"},
		"a failure and an exit status":   {failed, "3", "the program failed: 401: Caller not authorized.", "401"},
		"an exit status alone":           {"", "3", "exit status 3 and without telling why on its standard output; run it by hand: ", ""},
		"an exit status and words":       {"denied " + plantedKey, "3", "exit status 3", ""},
		"a success that fails":           {goodOIDC, "3", "exit status 3", ""},
		"nothing, but on standard error": {"", "", "the program's output is empty", ""},
		"a token that expired":           {expired, "", "expired at 2024-01-02T03:04:05Z; is this machine's clock right?", ""},
		"half an answer":                 {goodOIDC[:len(goodOIDC)-9], "", "is not one JSON object", ""},
		"two answers":                    {goodOIDC + goodOIDC, "", "is not one JSON object", ""},
		"SAML where OIDC is asked for":   {goodSAML, "", "has a token of type " + SAML2TokenType + ", while the credential file's subject_token_type is", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := program(t, "answers", "CHILD_PRINTS", tc.prints, "CHILD_EXITS", tc.exits).SubjectToken(t.Context())
			e := wantError(t, err, "executable", tc.says)
			if !token.IsZero() || e.Code != tc.code || e.Retryable || tc.code != "" && e.Message != "Caller not authorized." {
				t.Errorf("a token: %v, %+v", !token.IsZero(), e)
			}
		})
	}
}

func TestNothingRunsThatMayNot(t *testing.T) {
	t.Parallel()
	workforce := "//iam.googleapis.com/locations/global/workforcePools/p/providers/x"
	interactive := func(e *Executable) {
		e.Interactive, e.InteractiveTimeout, e.OutputFile, e.Audience = true, time.Minute, "out", workforce
	}
	for name, tc := range map[string]struct {
		change func(*Executable)
		says   string
	}{
		"not allowed":            {func(e *Executable) { e.Getenv = environ() }, "set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1"},
		"allowed in other words": {func(e *Executable) { e.Getenv = environ(allowExecutables, "true") }, "ALLOW_EXECUTABLES=1"},
		"allowed in the program's own": {func(e *Executable) {
			e.Getenv = nil
			e.Environ = func() []string { return []string{allowExecutables + "=1"} }
		}, "ALLOW_EXECUTABLES=1"},
		"no command":                        {func(e *Executable) { e.Command = " \t" }, "credential_source.executable.command is empty"},
		"less than 5 seconds":               {func(e *Executable) { e.Timeout = 4999 * time.Millisecond }, "timeout_millis must be from 5000 to 120000"},
		"more than 2 minutes":               {func(e *Executable) { e.Timeout = 2*time.Minute + 1 }, "timeout_millis must be from 5000 to 120000"},
		"a negative timeout":                {func(e *Executable) { e.Timeout = -1 }, "timeout_millis must be from 5000 to 120000"},
		"less than 30 seconds for the user": {func(e *Executable) { interactive(e); e.InteractiveTimeout = 29 * time.Second }, "interactive_timeout_millis must be from 30000 to 1800000"},
		"more than 30 minutes for the user": {func(e *Executable) { interactive(e); e.InteractiveTimeout = time.Hour }, "interactive_timeout_millis must be from 30000 to 1800000"},
		"no time for the user":              {func(e *Executable) { interactive(e); e.InteractiveTimeout = 0 }, "needs credential_source.executable.interactive_timeout_millis"},
		"no file to answer the user in":     {func(e *Executable) { interactive(e); e.OutputFile = "" }, "needs credential_source.executable.output_file"},
		"a user of a workload":              {func(e *Executable) { interactive(e); e.Audience = knownAudience }, "is for workforce pools"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ran := filepath.Join(t.TempDir(), "ran")
			e := program(t, "reports", "CHILD_FILE", ran, "CHILD_PRINTS", goodOIDC)
			tc.change(e)
			_, err := e.SubjectToken(t.Context())
			wantError(t, err, "executable", tc.says)
			wantError(t, e.Revoke(t.Context()), "executable", tc.says)
			if _, err := os.Stat(ran); err == nil {
				t.Error("it ran")
			}
		})
	}
}

func TestACommandIsSplitAtWhiteSpaceAndSeenByNoShell(t *testing.T) {
	t.Parallel()
	report := filepath.Join(t.TempDir(), "report")
	e := program(t, "reports", "CHILD_FILE", report, "CHILD_PRINTS", goodOIDC)
	e.Command += "  --a='b c'\t$HOME `id` \"x\" ; > | &&\n*"
	token, err := e.SubjectToken(t.Context())
	wantToken(t, token, err, planted)
	want := []string{"--a='b", "c'", "$HOME", "`id`", `"x"`, ";", ">", "|", "&&", "*"}
	if diff := cmp.Diff(want, readReport(t, report)["arguments"]); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

func readReport(t *testing.T, path string) (report map[string][]string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(content, &report)
	}
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestTheProgramsEnvironment(t *testing.T) {
	t.Parallel()
	parent := []string{"KEPT", "a=b", allowExecutables, "1", "GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL", "stale@x", "GOOGLE_EXTERNAL_ACCOUNT_REVOKE", "1"}
	always := []string{"KEPT=a=b", allowExecutables + "=1", "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE=" + knownAudience, "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE=" + IDTokenType, "GOOGLE_EXTERNAL_ACCOUNT_REVOKE=0"}
	file := filepath.Join(t.TempDir(), "missing")
	for name, tc := range map[string]struct {
		change func(*Executable)
		want   []string
	}{
		"by default":      {func(*Executable) {}, []string{"GOOGLE_EXTERNAL_ACCOUNT_ID=", "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE=0"}},
		"impersonation":   {func(e *Executable) { e.ImpersonatedEmail = "r@p" }, []string{"GOOGLE_EXTERNAL_ACCOUNT_ID=r@p", "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE=0", "GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL=r@p"}},
		"an output file":  {func(e *Executable) { e.OutputFile = file }, []string{"GOOGLE_EXTERNAL_ACCOUNT_ID=", "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE=0", "GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE=" + file}},
		"a clean one too": {func(e *Executable) { e.Timeout = 5 * time.Second }, []string{"GOOGLE_EXTERNAL_ACCOUNT_ID=", "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE=0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := filepath.Join(t.TempDir(), "report")
			e := program(t, "reports", append(parent, "CHILD_FILE", report, "CHILD_PRINTS", goodOIDC)...)
			tc.change(e)
			token, err := e.SubjectToken(t.Context())
			wantToken(t, token, err, planted)
			got := slices.DeleteFunc(readReport(t, report)["environment"], func(v string) bool {
				return !strings.HasPrefix(v, executableVariables) && !strings.HasPrefix(v, "KEPT=")
			})
			want := slices.Concat(always, tc.want)
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheProgramReadsNothing(t *testing.T) {
	t.Parallel()
	_, err := program(t, "reads").SubjectToken(t.Context())
	wantError(t, err, "executable", "0: bytes on standard input")
}

func TestACommandThatCannotBeStarted(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	for command, says := range map[string]string{
		missing:                     "cannot be started: fork/exec " + missing,
		"no-such-program-in-path":   "cannot be started",
		t.TempDir():                 "cannot be started",
		`"` + missing + ` a" --b`:   "quotes and backslashes are part of its words",
		`C:\Program\ Files\get.exe`: "quotes and backslashes are part of its words",
	} {
		e := program(t, "answers")
		e.Command = command
		_, err := e.SubjectToken(t.Context())
		if e := wantError(t, err, "executable", says); e.Retryable || e.Err == nil {
			t.Errorf("%+v", e)
		}
	}
}

func TestTheOutputFileIsACache(t *testing.T) {
	t.Parallel()
	noExpiry := strings.Replace(goodOIDC, `,"expiration_time":1704168245`, "", 1)
	fresh := strings.Replace(goodOIDC, planted, "kept", 1)
	for name, tc := range map[string]struct {
		kept, prints string
		want, says   string
	}{
		"a valid answer is taken":          {fresh, failed, "kept", ""},
		"with white space around it":       {"\n" + fresh + "\n", failed, "kept", ""},
		"an expired one is not":            {expired, goodOIDC, planted, ""},
		"a failure is not":                 {failed, goodOIDC, planted, ""},
		"an empty one is not":              {" \n", goodOIDC, planted, ""},
		"a malformed one is an error":      {goodOIDC[:40], goodOIDC, "", "is not one JSON object"},
		"so is one of tomorrow":            {strings.Replace(goodOIDC, `:1,`, `:2,`, 1), goodOIDC, "", "is of version 2"},
		"so is one that tells no expiry":   {noExpiry, goodOIDC, "", "has no expiration_time"},
		"so is one without end":            {strings.Repeat(" ", maxContent+1), goodOIDC, "", "reading credential_source.executable.output_file"},
		"so is one of another type":        {goodSAML, goodOIDC, "", "has a token of type"},
		"what is printed has to expire":    {expired, noExpiry, "", "the program's output has no expiration_time"},
		"milliseconds would last for ever": {strings.Replace(goodOIDC, "1704168245", "1704168245000", 1), goodOIDC, "", "no number of seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := program(t, "answers", "CHILD_PRINTS", tc.prints)
			e.OutputFile = write(t, "kept", tc.kept)
			token, err := e.SubjectToken(t.Context())
			if tc.says == "" {
				wantToken(t, token, err, tc.want)
				return
			}
			wantError(t, err, "executable", tc.says)
		})
	}
}

func TestAProgramMayAnswerInTheOutputFileAlone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "kept")
	e := program(t, "answers")
	e.OutputFile = file
	_, err := e.SubjectToken(t.Context())
	wantError(t, err, "executable", "the program printed nothing; reading executable.output_file instead", file)

	e = program(t, "reports", "CHILD_FILE", filepath.Join(t.TempDir(), "report"))
	e.OutputFile = write(t, "kept", expired)
	_, err = e.SubjectToken(t.Context())
	wantError(t, err, "executable", e.OutputFile+" has a token that expired")
}

func TestOneRunAtATime(t *testing.T) {
	t.Parallel()
	e := program(t, "alone", "CHILD_FILE", filepath.Join(t.TempDir(), "lock"), "CHILD_PRINTS", goodOIDC)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := e.SubjectToken(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// terminal is what an interactive program talks to.
func terminal(t *testing.T, e *Executable, typed string) (shown func() string) {
	t.Helper()
	stdin, err := os.Open(write(t, "typed", typed))
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, "shown", "")
	stderr, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); stderr.Close() })
	e.Interactive, e.InteractiveTimeout, e.Stdin, e.Stderr = true, 30*time.Second, stdin, stderr
	e.Audience = "//iam.googleapis.com/locations/global/workforcePools/pool/providers/x"
	return func() string {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
}

func TestAnInteractiveProgramAsksTheUser(t *testing.T) {
	t.Parallel()
	e := program(t, "asks", "CHILD_PRINTS", goodOIDC)
	e.OutputFile = filepath.Join(t.TempDir(), "kept")
	shown := terminal(t, e, "alice\n")
	token, err := e.SubjectToken(t.Context())
	wantToken(t, token, err, planted)
	if !strings.Contains(shown(), "your name? ") {
		t.Errorf("the user was shown %q", shown())
	}
	e.Command = "no-longer-needed"
	token, err = e.SubjectToken(t.Context())
	wantToken(t, token, err, planted)
}

func TestAnInteractiveProgramThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	e := program(t, "asks", "CHILD_PRINTS", goodOIDC)
	e.OutputFile = filepath.Join(t.TempDir(), "kept")
	terminal(t, e, "mallory\n")
	_, err := e.SubjectToken(t.Context())
	wantError(t, err, "executable", "reading executable.output_file")
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ prints, says string }{
		"done":             {`{"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:jwt","id_token":"x"}`, ""},
		"done, no token":   {`{"version":1,"success":true}`, ""},
		"refused":          {failed, "the program failed: 401: Caller not authorized."},
		"nothing said":     {"", "the program's output is empty"},
		"another version":  {`{"version":2,"success":true}`, "version 2"},
		"something broken": {`{"version":1`, "is not one JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := program(t, "forgets", "CHILD_PRINTS", tc.prints)
			e.OutputFile = write(t, "kept", goodOIDC)
			terminal(t, e, "")
			err := e.Revoke(t.Context())
			if tc.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, "executable", tc.says)
		})
	}
}

func TestOnlyAnInteractiveProgramRevokes(t *testing.T) {
	t.Parallel()
	e := program(t, "forgets", "CHILD_PRINTS", goodOIDC)
	wantError(t, e.Revoke(t.Context()), "executable", "set Executable.Interactive")
}

func TestWhoWaitsForAnotherRunKeepsTheirDeadline(t *testing.T) {
	t.Parallel()
	e := program(t, "answers")
	leave, err := e.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = e.SubjectToken(ctx)
	if e := wantError(t, err, "executable", "gave up waiting for another run"); !e.Retryable {
		t.Error("not retryable")
	}
}
