package subjecttoken

import "testing"

// Google's library for Go looks into the output file first.
func TestAKeptAnswerIsNotTakenWhereNothingMayRun(t *testing.T) {
	t.Parallel()
	e := &Executable{Command: "never-run", OutputFile: write(t, "kept", goodOIDC), Now: knownTime, Getenv: environ(allowExecutables, "1")}
	token, err := e.SubjectToken(t.Context())
	wantToken(t, token, err, planted)
	e.Getenv = environ()
	_, err = e.SubjectToken(t.Context())
	wantError(t, err, "executable", "set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1")
}
