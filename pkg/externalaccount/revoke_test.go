package externalaccount

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/subjecttoken"
)

func TestAProgramRevokesItsLogin(t *testing.T) {
	t.Parallel()
	const staff = "//iam.googleapis.com/locations/global/workforcePools/staff/providers/oidc"
	output := filepath.Join(t.TempDir(), "answer")
	program := writeFile(t, "issue", "#!/bin/sh\n"+
		`[ "$GOOGLE_EXTERNAL_ACCOUNT_REVOKE" = 1 ] && rm -f "$GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE" && echo '{"version": 1, "success": true}' && exit`+"\n"+
		`echo '{"version": 1, "success": true, "token_type": "urn:ietf:params:oauth:token-type:jwt", "id_token": "`+plantedJWT+`", "expiration_time": 9999999999}' >"$GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE"`+"\n", 0o700)
	w := newWire()
	w.trustJWT(staff)
	f, err := ParseFile(change(t, and(from(`{"executable": {"command": "`+program+`", "output_file": "`+output+`", "interactive_timeout_millis": 30000}}`, jwt), "audience", `"`+staff+`"`)),
		FileOptions{AllowExecutable: true})
	if err != nil {
		t.Fatal(err)
	}
	c := w.of(f, Options{Getenv: allowed, Interactive: true, Scopes: []string{platform}})
	cached(t, c)
	if err := c.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(output); !os.IsNotExist(err) || c.TokenState() != Invalid {
		t.Errorf("the login is still there: %v; the token is %v", err, c.TokenState())
	}
	cached(t, c)

	err = w.of(f, Options{Getenv: allowed}).Revoke(t.Context())
	expectRefreshError(t, err, LegSign, false, isA[*subjecttoken.Error])
	if !strings.Contains(err.Error(), "only an interactive program can revoke") {
		t.Error(err)
	}
}

func TestOtherSourcesHaveNothingToRevoke(t *testing.T) {
	t.Parallel()
	w := newWire()
	for _, c := range []*Credentials{w.scoped(t), w.of(&File{}, Options{}), w.of(&File{}, Options{Source: subjecttoken.File{Path: "token"}})} {
		err := c.Revoke(t.Context())
		expectRefreshError(t, err, LegConfig, false, isA[*ConfigError])
		if !strings.Contains(err.Error(), "only an executable does") {
			t.Error(err)
		}
	}
}
