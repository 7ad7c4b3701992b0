package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/secret"
)

// What stands in a fuzzed command line for what only the test knows.
const (
	theFile  = "FILE" // one with the fuzzed document
	theDir   = "DIR"  // one that setup may make
	theToken = "ya29.c.planted-token-0123456789"

	thePlantedKey     = "planted-secret-key/0123456789+abcdefghijk"
	thePlantedSession = "planted-session-token/0123456789+abcdefghijk"
)

var seedCommandLines = []string{
	"", "--help", "help", "version", "--version", "-h", "--", "-", "--=", "---", "\xff", "\x1b[2J\u202e", "@FILE", "nonsense", "validate\n", " validate",
	"validate", "validate\x00FILE", "validate\x00FILE\x00FILE", "validate\x00--help", "validate\x00.", "validate\x00nowhere/\x1b[2J\nx", "validate\x00" + strings.Repeat("x", 5000),
	"subject-token\x00--config\x00FILE", "subject-token\x00--config=FILE\x00--at\x002026-01-02T03:04:05Z", "subject-token\x00--config\x00FILE\x00--at=9999999-01-01T00:00:00Z",
	"subject-token\x00--config\x00FILE\x00--at=-1", "subject-token\x00--config", "subject-token\x00--config=\x00--config=FILE",
	"token\x00--config\x00FILE", "token\x00--config=FILE\x00--scope=a\x00--scope\x00b\x00--show", "token\x00--config=FILE\x00--scope=a b", "token\x00--config=FILE\x00--scope=", "token\x00--show=maybe",
	"metadata", "metadata\x00--secret\x00a\x00--listen\x00example.com:0", "metadata\x00--secret=\x00--listen=0.0.0.0:99999\x00--verbose", "metadata\x00--secret=a\x00--secret=a\x00--listen=[::1",
	"status\x00--config\x00FILE", "status\x00--secret=a\x00--secret\x00b\x00--json", "status\x00--secret=a\x00--watch", "status\x00--secret=a\x00--json\x00--watch", "status\x00--secret=a\x00--config=FILE",
	"trace\x00TOKEN", "trace\x000123456789ab\x00--secret=a", "trace\x00sha256:0123456789AB\x00--config=FILE\x00--logs=FILE\x00--json", "trace\x00TOKEN\x00--secret=a\x00--logs\x00-",
	"trace\x000123456789ab\x00--secret=a\x00--logs\x00nowhere", "pause\x00a\x00--config=FILE\x00--reason=r\n\x1b", "pause\x00--secret=a", "pause\x00a\x00--secret=b", "resume\x00federated\x00--config\x00FILE",
	"doctor\x00--config\x00FILE", "doctor\x00--config=FILE\x00--json", "doctor", "doctor\x00--function=arn:aws:lambda:x.example/#:1:function:f", "doctor\x00--function=\xff\x1b[2J",
	"setup", "setup\x00aws", "setup\x00google\x00--project-number=123456\x00--project-id=p-roject\x00--minter-role=arn:aws:sts::123456789012:assumed-role/minter",
	"setup\x00google\x00--project-number=123456\x00--project-id=p-roject\x00--minter-role=m\x00--aws-account=123456789012\x00--out\x00DIR",
	"setup\x00google\x00--pool=$(id)\x00--provider=`id`\x00--project-role='", "setup\x00aws\x00--project-number=123456\x00--service-account=a@p-roject.iam.gserviceaccount.com\x00--rotate=a@p-roject.iam.gserviceaccount.com\x00--architecture=x86_64",
}

const seedCredentials = `{"type":"external_account","audience":"` + scriptAudience + `","subject_token_type":"urn:ietf:params:aws:token-type:aws4_request","credential_source":{"environment_id":"aws1"}}`

var seedDocuments = []string{
	`{"credentials":` + seedCredentials + `,"targets":[{"name":"federated","secret":"wifmint/federated"},{"name":"a","secret":"b","service_account":"reports@p-roject.iam.gserviceaccount.com","scopes":["s"]}]}`,
	seedCredentials, "", "\x00", "{}", "null", `{"targets":[]}`, `{"type":"\u001b[2J"}`, `{"type":"service_account"}`, "\xef\xbb\xbf" + seedCredentials, strings.Repeat("[", 20_000), strings.Repeat(`{"type":`, 20_000),
	`{"type":"external_account","type":"external_account"}`, `{"targets":1e999999999,"credentials":` + strings.Repeat("9", 1000) + `}`, "{\"type\":\"external_account\xff\"}",
	`{"type":"external_account","audience":"` + scriptAudience + `","subject_token_type":"urn:ietf:params:oauth:token-type:jwt","credential_source":{"file":"FILE"}}`,
	`{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r","account":"\u202e"}`,
	`{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"target","token_sha256":"0123456789ab","target":"\u001b[2J","request_id":1}` + "\n{\n" + strings.Repeat("x", 100_000),
}

// FuzzCommandLine has the whole program run on what somebody may type: arguments with
// NULs between them, and a file. The context is done, so that nothing is sent; of what
// listens, builds or starts something, only the parsing is tried.
func FuzzCommandLine(f *testing.F) {
	for _, line := range seedCommandLines {
		f.Add(line, seedDocuments[0], true)
		f.Add(line, seedDocuments[1], false)
	}
	for _, document := range seedDocuments {
		for _, line := range []string{"validate\x00FILE", "subject-token\x00--config=FILE", "token\x00--config=FILE", "doctor\x00--config=FILE", "trace\x000123456789ab\x00--secret=a\x00--logs=FILE"} {
			f.Add(line, document, true)
		}
	}
	isolate(f)
	own := f.TempDir() // of the process; making one for each line takes as long as the line
	f.Fuzz(func(t *testing.T, line, document string, keys bool) {
		args := strings.Split(line, "\x00")
		if !harmless(args, document) {
			return
		}
		t.Chdir(own)
		if err := os.WriteFile(theFile, []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
		if len(args) > 1 && args[0] == "trace" && args[1] == "TOKEN" {
			args[1] = theToken
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var stdout, stderr strings.Builder
		code := run(args, &world{ctx: ctx, stdout: &stdout, stderr: &stderr, getenv: plantedEnv(keys && !slices.Contains(args, "metadata"))})

		checkOutputs(t, args, code, stdout.String(), stderr.String())
		for _, entry := range must(os.ReadDir(".")) {
			switch name := entry.Name(); name {
			case theFile:
			case theDir:
				_ = os.RemoveAll(theDir)
			default:
				t.Errorf("%q wrote %s", args, name)
			}
		}
	})
}

// FuzzAnotherRefreshToken: a login in a file that is taken has the new token
// afterwards, and all else is as it was.
func FuzzAnotherRefreshToken(f *testing.F) {
	const google = `{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"1//old"`
	for _, content := range []string{
		google + `}`, "\ufeff" + google + `,"rapt_token":"r"}`, google + `,"quota_project_id":"\u2028<>&"}`, google + `,"refresh_token":"1//twice"}`, google + `,"Refresh_Token":"1//other"}`, google + `,"token":"ya29.x","expiry":"2026-01-02T03:04:05.999Z"}`,
		`{"type":"external_account_authorized_user","audience":"//iam.googleapis.com/locations/global/workforcePools/p/providers/q","client_id":"c","client_secret":"s","refresh_token":"r","token_url":"https://sts.googleapis.com/v1/oauthtoken","scopes":["a b"]}`,
		`{"type":"impersonated_service_account","service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken","source_credentials":` + google + `},"delegates":[]}`,
		`{"type":"authorized_user","token":"ya29.x","expiry":"2026-01-02T03:04:05Z","refresh_token":null}`, seedCredentials, "{}", "null",
	} {
		f.Add(content, "1//new")
		f.Add(content, "1//\u2028<>&\"\\\x00")
	}
	f.Fuzz(func(t *testing.T, content, token string) {
		want, err := externalaccount.ParseAny([]byte(content), externalaccount.FileOptions{AllowExecutable: true})
		if err != nil || token == "" || !utf8.ValidString(token) { // which no answer has
			return
		}
		login, ok := (&document{credentials: want}).origin().(*externalaccount.AuthorizedUserFile)
		if !ok {
			return
		}
		login.RefreshToken = secret.New(token)
		changed, err := withRefreshToken(withoutMark([]byte(content)), login.RefreshToken)
		if err != nil {
			t.Fatal(err)
		}
		got, err := externalaccount.ParseAny(changed, externalaccount.FileOptions{AllowExecutable: true})
		if err != nil {
			t.Fatalf("%s: %v", changed, err)
		}
		if got, want := must(got.Encode()), must(want.Encode()); string(got) != string(want) {
			t.Errorf("the file is\n%s\nand was, but for the token,\n%s", got, want)
		}
	})
}

// isolate takes away what personal finds of whoever runs the test.
func isolate(f *testing.F) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			f.Setenv(name, "")
		}
	}
	nowhere := f.TempDir()
	f.Setenv("HOME", nowhere)
	f.Setenv("AWS_CONFIG_FILE", filepath.Join(nowhere, "config"))
	f.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(nowhere, "credentials"))
	stdin := os.Stdin
	f.Cleanup(func() { os.Stdin = stdin })
	os.Stdin = must(os.Open(os.DevNull))
}

// harmless reports whether the arguments may be run: not "local", which builds and
// starts functions, no --out but into the test's own folder, and no refresh of a
// login, which outlives its context.
func harmless(args []string, text string) bool {
	for i, arg := range args {
		own := arg == "--out" && i+1 < len(args) && args[i+1] == theDir || arg == "--out="+theDir
		if arg == "local" || strings.HasPrefix(arg, "--out") && !own {
			return false
		}
	}
	file, err := externalaccount.ParseAny([]byte(text), externalaccount.FileOptions{AllowExecutable: true})
	_, login := (&document{credentials: file}).origin().(*externalaccount.AuthorizedUserFile)
	return err != nil || !login || !slices.Contains(args, "token")
}

func plantedEnv(keys bool) func(string) string {
	env := map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_SECRET_ACCESS_KEY": thePlantedKey, "AWS_SESSION_TOKEN": thePlantedSession,
	}
	if keys {
		env["AWS_ACCESS_KEY_ID"] = "ASIAIOSFODNN7EXAMPLE"
	}
	return func(name string) string { return env[name] }
}

func checkOutputs(t *testing.T, args []string, code int, stdout, stderr string) {
	t.Helper()
	said := strings.Contains(stderr, "wifmint: ")
	switch {
	case code < exitDone || code > exitUsage:
		t.Errorf("%q: exit %d", args, code)
	case said != (code != exitDone):
		t.Errorf("%q: exit %d, and on standard error\n%s", args, code, stderr)
	case code == exitUsage && stdout != "" && args[0] != "validate":
		t.Errorf("%q: exit 2, and on standard output\n%s", args, stdout)
	case code == exitUsage && !strings.HasPrefix(stderr, "wifmint: "):
		t.Errorf("%q: exit 2, and on standard error\n%s", args, stderr)
	}
	lines, problems := strings.Count(stderr, "\n"), strings.Count(stderr, ": found ")
	if code == exitUsage && lines > 1 && lines != problems && lines != 1+problems && !strings.Contains(strings.Join(args, ""), "\n") {
		t.Errorf("%q: exit 2, and %d lines:\n%s", args, lines, stderr)
	}
	for _, never := range []string{thePlantedKey, thePlantedSession, theToken} {
		if strings.Contains(stderr, never) || strings.Contains(stdout, never) {
			t.Errorf("%q shows %s:\n%s\n%s", args, never, stdout, stderr)
		}
	}
	if !fit(stderr) || !fit(stdout) && args[0] != "subject-token" && fit(strings.Join(args, "")) { // a token is printed as it is
		t.Errorf("%q prints what is no text:\n%q\n%q", args, stdout, stderr)
	}
}

// fit reports whether a text does nothing to a terminal but show itself.
func fit(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' })
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
