package conformance_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/externalaccount"
)

// differs is the verdict when both libraries find a token, and not the same.
const differs verdict = "both, with different tokens"

// sourceCase is a place that a subject token is found in, and the verdict on it.
type sourceCase struct {
	name   string
	source object
	net    map[string]reply
	with   object // more fields of the credential file
	token  string // what both find, or this library alone
	want   verdict
	why    string // if it is that of one of them
}

func TestSubjectTokensAreGoogleAuths(t *testing.T) {
	t.Parallel()
	google := startPython(t)
	for _, some := range [][]sourceCase{textCases(t), jsonCases(t), urlCases(), executableCases(t), outputFileCases(t)} {
		for _, c := range some {
			t.Run(c.name, func(t *testing.T) {
				file := asJSON(t, withFields(jwtFile(c.source), c.with))
				env := map[string]string{"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1", "PATH": os.Getenv("PATH")}
				// Google's first: neither writes into what the other reads.
				var theirs any
				refused := google.answer(t, question{Do: "subject_token", At: refreshedAt, Env: env, File: file, Net: c.net}, &theirs)
				ours, err := subjectToken(t.Context(), file, env, c.net)

				got := verdictOf(err == nil, refused == "")
				if got == both && theirs != ours {
					got = differs
				}
				if got != c.want || ours != c.token || (c.why == "") != (c.want == both || c.want == neither) {
					t.Errorf("%s, want %s (%s)\nwifmint: %q %v, want %q\ngoogle-auth: %q %s", got, c.want, c.why, ours, err, c.token, theirs, refused)
				}
			})
		}
	}
}

func subjectToken(ctx context.Context, file string, env map[string]string, net map[string]reply) (string, error) {
	f, err := externalaccount.ParseAny([]byte(file), externalaccount.FileOptions{AllowExecutable: true})
	if err != nil {
		return "", err
	}
	credentials, err := f.Credentials(externalaccount.Options{
		HTTPClient: &http.Client{Transport: &recorder{answers: net}},
		Getenv:     func(name string) string { return env[name] },
		Now:        func() time.Time { return time.Unix(refreshedAt, 0) },
	})
	if err != nil {
		return "", err
	}
	token, err := credentials.(*externalaccount.Credentials).SubjectToken(ctx)
	return token.Reveal(), err
}

const (
	trimmed     = "white space around a token is not part of it: an editor's last line break would make it invalid"
	noToken     = "no token looks like that, so it is refused here and not by Google, where nobody sees the file"
	noShell     = "AIP-4117 knows no shell's quotes, and Google's library for Go splits at white space, too"
	brokenFile  = "an output file that is malformed is an error, and expiration_time is required where there is one (AIP-4117)"
	otherType   = "Google would be told that the token is something else than it is"
	withoutBOM  = "a byte order mark is no part of a token, and no character of one"
	boundedRead = "1 MiB at most is read"
)

func textCases(t *testing.T) []sourceCase {
	text := func(name, content, token string, want verdict, why string) sourceCase {
		return sourceCase{name: "text: " + name, source: object{"file": writeFile(t, content)}, token: token, want: want, why: why}
	}
	return []sourceCase{
		text("a token", "a.b.c", "a.b.c", both, ""),
		text("a token in two parts", "a b", "a b", both, ""),
		text("a line break after it", "a.b.c\n", "a.b.c", differs, trimmed),
		text("white space around it", " \ta.b.c \r\n", "a.b.c", differs, trimmed),
		text("nothing", "", "", neither, ""),
		text("white space", " \n", "", onlyThem, trimmed),
		text("a byte order mark", "\ufeffa.b.c", "", onlyThem, withoutBOM),
		text("UTF-16", "\xff\xfea\x00.\x00b\x00", "", neither, ""),
		text("a byte that is no UTF-8", "a\xc3(", "", neither, ""),
		text("a letter that no token has", "tökén", "", onlyThem, noToken),
		text("a page of HTML", "<html>", "", onlyThem, noToken),
		text("a JSON object", `{"id_token":"a.b.c"}`, "", onlyThem, noToken),
		text("more than a mebibyte", strings.Repeat("x", 1<<20+1), "", onlyThem, boundedRead),
		{name: "text: no such file", source: object{"file": filepath.Join(t.TempDir(), "none")}, want: neither},
	}
}

func jsonCases(t *testing.T) []sourceCase {
	object := func(name, content, token string, want verdict, why string) sourceCase {
		format := object{"type": "json", "subject_token_field_name": "t"}
		return sourceCase{name: "JSON: " + name, source: object{"file": writeFile(t, content), "format": format}, token: token, want: want, why: why}
	}
	return []sourceCase{
		object("a token", `{"t":"a.b.c","u":1}`, "a.b.c", both, ""),
		object("white space around the object", " \n{\"t\" : \"a.b.c\"}\n", "a.b.c", both, ""),
		object("escapes", `{"t":"a\u002eb\/c"}`, "a.b/c", both, ""),
		object("white space in the token", `{"t":" a.b.c "}`, " a.b.c ", both, ""),
		object("a field that is there twice", `{"t":"first","t":"last"}`, "last", both, ""),
		object("a field of another case", `{"T":"a.b.c"}`, "", neither, ""),
		object("no such field", `{"u":"a.b.c"}`, "", neither, ""),
		object("null", `{"t":null}`, "", neither, ""),
		object("an empty token", `{"t":""}`, "", neither, ""),
		object("white space for a token", `{"t":" "}`, "", onlyThem, trimmed),
		object("a number", `{"t":1}`, "", onlyThem, noToken),
		object("an object", `{"t":{"v":"a.b.c"}}`, "", onlyThem, noToken),
		object("a byte order mark", "\ufeff{\"t\":\"a.b.c\"}", "", neither, ""),
		object("a bare token", "a.b.c", "", neither, ""),
		object("something after the object", `{"t":"a.b.c"} x`, "", neither, ""),
		object("nothing", "", "", neither, ""),
		object("a list", `["a.b.c"]`, "", neither, ""),
	}
}

func urlCases() []sourceCase {
	const u = "http://127.0.0.1:1/token"
	at := func(name string, format object, answer reply, token string, want verdict, why string) sourceCase {
		return sourceCase{name: "URL: " + name, source: object{"url": u, "format": format}, net: map[string]reply{"GET " + u: answer}, token: token, want: want, why: why}
	}
	format := object{"type": "json", "subject_token_field_name": "access_token"}
	return []sourceCase{
		at("text", object{}, reply{Body: "a.b.c"}, "a.b.c", both, ""),
		at("text with a line break", object{}, reply{Body: "a.b.c\n"}, "a.b.c", differs, trimmed),
		at("JSON", format, reply{Body: `{"access_token":"a.b.c","expires_in":"3599"}`}, "a.b.c", both, ""),
		at("nothing", object{}, reply{}, "", neither, ""),
		at("JSON without the field", format, reply{Body: `{"error":"x"}`}, "", neither, ""),
		at("a refusal", object{}, reply{Status: 403, Body: "a.b.c"}, "", neither, ""),
		at("not found", format, reply{Status: 404, Body: `{"access_token":"a.b.c"}`}, "", neither, ""),
		at("no content", object{}, reply{Status: 204}, "", neither, ""),
	}
}

// program is a credential_source whose program prints something.
func program(t *testing.T, output string, more object) object {
	return object{"executable": withFields(object{"command": "cat " + writeFile(t, output)}, more)}
}

func executableCases(t *testing.T) []sourceCase {
	valid := object{"version": 1, "success": true, "token_type": jwtType, "id_token": "a.b.c", "expiration_time": refreshedAt + 1}
	prints := func(name string, change object, token string, want verdict, why string) sourceCase {
		return sourceCase{name: "program: " + name, source: program(t, asJSON(t, withFields(valid, change)), nil), token: token, want: want, why: why}
	}
	script := func(name, commands, token string, want verdict, why string) sourceCase {
		path := writeFile(t, commands+"\ncat "+writeFile(t, asJSON(t, valid)))
		return sourceCase{name: "program: " + name, source: object{"executable": object{"command": "/bin/sh " + path}}, token: token, want: want, why: why}
	}
	const saml = "urn:ietf:params:oauth:token-type:saml2"
	cases := []sourceCase{
		prints("a JWT", nil, "a.b.c", both, ""),
		prints("an ID token", object{"token_type": "urn:ietf:params:oauth:token-type:id_token"}, "a.b.c", both, ""),
		prints("no expiry", object{"expiration_time": nil}, "a.b.c", both, ""),
		prints("more fields", object{"more": object{}}, "a.b.c", both, ""),
		prints("a fraction of a second", object{"expiration_time": refreshedAt + 1.5}, "a.b.c", both, ""),
		prints("no version", object{"version": nil}, "", neither, ""),
		prints("version 2", object{"version": 2}, "", neither, ""),
		prints("version 0", object{"version": 0}, "", onlyThem, "there is version 1 alone"),
		prints("a version in quotes", object{"version": "1"}, "", neither, ""),
		prints("no success", object{"success": nil}, "", neither, ""),
		prints("a failure", object{"success": false, "code": "401", "message": "no"}, "", neither, ""),
		prints("a failure of which nothing is told", object{"success": false}, "", neither, ""),
		prints("success in quotes", object{"success": "true"}, "", onlyThem, strictType),
		prints("an expired token", object{"expiration_time": refreshedAt - 1}, "", neither, ""),
		prints("a token that expires now", object{"expiration_time": refreshedAt}, "", onlyThem, "a token is good until it expires, and no longer"),
		prints("an expiry in quotes", object{"expiration_time": "1800000000"}, "", neither, ""),
		prints("an expiry in milliseconds", object{"expiration_time": refreshedAt * 1000}, "", onlyThem, "a token that never seems to expire is never replaced"),
		prints("no token type", object{"token_type": nil}, "", neither, ""),
		prints("an unknown token type", object{"token_type": "jwt"}, "", neither, ""),
		prints("no token", object{"id_token": nil}, "", neither, ""),
		prints("an empty token", object{"id_token": ""}, "", onlyThem, noToken),
		prints("a token that is a number", object{"id_token": 1}, "", onlyThem, noToken),
		prints("SAML where a JWT is meant", object{"token_type": saml, "saml_response": "PHNhbWw+"}, "", onlyThem, otherType),
		{name: "program: nothing", source: program(t, "", nil), want: neither},
		{name: "program: no JSON", source: program(t, "a.b.c", nil), want: neither},
		script("something on standard error", "echo warning >&2", "a.b.c", onlyUs, "a program's warnings are not its answer"),
		script("an exit code", "trap 'exit 3' EXIT", "", neither, ""),
		{name: "program: quotes in its command", want: onlyThem, why: noShell,
			source: object{"executable": object{"command": `cat "` + writeFile(t, asJSON(t, valid)) + `"`}}},
		{name: "program: none", source: object{"executable": object{"command": "/no/such/program"}}, want: neither},
	}
	for name, with := range map[string]object{"its environment": nil, "its environment, impersonating": {"service_account_impersonation_url": impersonationURL}} {
		cases = append(cases, sourceCase{name: "program: " + name, source: tellsEnvironment(t), with: with, want: both, token: environmentOf(with != nil)})
	}
	return cases
}

// tellsEnvironment is a program whose token is what it was told by its environment.
func tellsEnvironment(t *testing.T) object {
	return object{"executable": object{"command": "/bin/sh " + writeFile(t, `
		told=$(env | grep ^GOOGLE_EXTERNAL_ACCOUNT_ | grep -v ALLOW | sort | tr '\n' ' ')
		printf '{"version":1,"success":true,"token_type":"`+jwtType+`","id_token":"%s"}' "$told"`)}}
}

func environmentOf(impersonating bool) string {
	email, also := "", ""
	if impersonating {
		email = "reports@p-roject.iam.gserviceaccount.com"
		also = "GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL=" + email + " "
	}
	return "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE=" + workloadAudience +
		" GOOGLE_EXTERNAL_ACCOUNT_ID=" + email + " " + also + "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE=0 GOOGLE_EXTERNAL_ACCOUNT_REVOKE=0" +
		" GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE=" + jwtType + " "
}

// outputFileCases have a program whose token is "new", and a file with its last answer.
func outputFileCases(t *testing.T) []sourceCase {
	answer := func(token string, change object) string {
		return asJSON(t, withFields(object{
			"version": 1, "success": true, "token_type": jwtType, "id_token": token, "expiration_time": refreshedAt + 60,
		}, change))
	}
	kept := func(name, content, token string, want verdict, why string) sourceCase {
		source := program(t, answer("new", nil), object{"output_file": writeFile(t, content)})
		return sourceCase{name: "output file: " + name, source: source, token: token, want: want, why: why}
	}
	written := filepath.Join(t.TempDir(), "answer")
	return []sourceCase{
		kept("a token that is good", answer("old", nil), "old", both, ""),
		kept("white space around it", "\n"+answer("old", nil)+"\n", "old", both, ""),
		kept("an expired token", answer("old", object{"expiration_time": refreshedAt - 1}), "new", both, ""),
		kept("a failure", answer("old", object{"success": false, "code": "1", "message": "no"}), "new", both, ""),
		kept("nothing", "", "new", both, ""),
		kept("no JSON", "{", "", onlyThem, brokenFile),
		kept("no version", answer("old", object{"version": nil}), "", neither, ""),
		kept("no expiry", answer("old", object{"expiration_time": nil}), "", onlyThem, brokenFile),
		{name: "output file: none yet", source: program(t, answer("new", nil), object{"output_file": filepath.Join(t.TempDir(), "none")}), token: "new", want: both},
		{name: "output file: an answer without expiry", want: onlyThem, why: brokenFile,
			source: program(t, answer("new", object{"expiration_time": nil}), object{"output_file": filepath.Join(t.TempDir(), "none")})},
		{name: "output file: the program writes there and prints nothing", token: "written", want: both,
			source: object{"executable": object{"command": "cp " + writeFile(t, answer("written", nil)) + " " + written, "output_file": written}}},
	}
}
