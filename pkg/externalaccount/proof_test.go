package externalaccount

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

const (
	oidc        = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/oidc"
	plantedJWT  = "planted.id.token"
	anyReports  = `"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/` + reports + `:generateAccessToken"`
	oidcSubject = "alice"
)

// trustJWT adds a provider that takes plantedJWT for alice.
func (w *wire) trustJWT(audience string) {
	w.AddProvider(fakecloud.Provider{Audience: audience, Kind: fakecloud.OIDCProvider, Verify: func(token string) (string, error) {
		if token != plantedJWT {
			return "", errors.New("not the token of the test")
		}
		return oidcSubject, nil
	}})
}

func writeFile(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// issuer serves plantedJWT at issuer.example, and leaves the rest to the wire.
type issuer struct {
	*wire
	asked int
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "issuer.example" {
		return i.wire.RoundTrip(r)
	}
	i.asked++
	body, status := `{"jwt": "`+plantedJWT+`"}`, http.StatusOK
	if r.Header.Get("X-Key") != "planted-key" {
		body, status = "", http.StatusForbidden
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// allowed is an environment in which programs may be run.
func allowed(name string) string {
	if name == "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES" {
		return "1"
	}
	return ""
}

func TestEverySourceProvesWhoOneIs(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "token", plantedJWT+"\n", 0o600)
	program := writeFile(t, "issue", "#!/bin/sh\n"+
		`[ "$GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE" = "`+oidc+`" ] && [ "$GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL" = "`+reports+`" ] || exit 3`+"\n"+
		`echo '{"version": 1, "success": true, "token_type": "urn:ietf:params:oauth:token-type:jwt", "id_token": "`+plantedJWT+`"}'`+"\n", 0o700)
	own := subjecttoken.Func{Supply: func(_ context.Context, sc supplier.SupplierContext) (secret.Text, error) {
		if sc.Audience != oidc || sc.SubjectTokenType != subjecttoken.JWTTokenType {
			t.Errorf("asked with %+v", sc)
		}
		return secret.New(plantedJWT), nil
	}}
	for _, tt := range []struct {
		name, source string
		options      Options
		told         string // to Google
	}{
		{"a file", `{"file": "` + file + `"}`, Options{}, "source/file"},
		{"a URL", `{"url": "http://issuer.example/token", "headers": {"X-Key": "planted-key"}, "format": {"type": "json", "subject_token_field_name": "jwt"}}`, Options{}, "source/url"},
		{"a program", `{"executable": {"command": "` + program + `"}}`, Options{Getenv: allowed}, "source/executable"},
		{"a function of one's own", `{"file": "/nowhere"}`, Options{Source: own}, "source/programmatic"},
		{"a source of one's own", `{"file": "/nowhere"}`, Options{Source: subjecttoken.File{Path: file}}, "source/programmatic"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWire()
			w.trustJWT(oidc)
			f, err := ParseFile(change(t, and(from(tt.source, jwt), "audience", `"`+oidc+`"`, "service_account_impersonation_url", anyReports)), FileOptions{AllowExecutable: true})
			if err != nil {
				t.Fatal(err)
			}
			o := tt.options
			o.HTTPClient = &http.Client{Transport: &issuer{wire: w}}
			c := New(f, o)
			token, err := c.Token(t.Context(), []string{bigquery})
			if err != nil {
				t.Fatal(err)
			}
			issued := w.IssuedTokens()
			if len(issued) != 2 || issued[0].Principal != subjects+oidcSubject || issued[1].Token != token.Value.Reveal() || token.ServiceAccount != reports {
				t.Errorf("issued %v", issued)
			}
			if got := w.one(t, "sts.googleapis.com").header.Get("X-Goog-Api-Client"); !strings.HasSuffix(got, tt.told+" sa-impersonation/true config-lifetime/false") {
				t.Errorf("Google was told %s", got)
			}
			subject, err := c.SubjectToken(t.Context())
			if err != nil || subject.Reveal() != plantedJWT {
				t.Errorf("the subject token is %v, %v", subject, err)
			}
		})
	}
}

func TestASourceThatFailsIsOfTheLegSign(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, source, want string }{
		{"a file that is not there", `{"file": "/nowhere/token"}`, "credential_source.file"},
		{"a program where none may be run", `{"executable": {"command": "issue"}}`, "set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1"},
		{"a URL that refuses", `{"url": "http://issuer.example/token"}`, "issuer.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWire()
			f, err := ParseFile(change(t, from(tt.source, jwt)), FileOptions{AllowExecutable: true})
			if err != nil {
				t.Fatal(err)
			}
			c := New(f, Options{Getenv: lookup(nil), HTTPClient: &http.Client{Transport: &issuer{wire: w}}})
			_, err = c.Exchange(t.Context(), []string{bigquery})
			expectRefreshError(t, err, LegSign, false, isA[*subjecttoken.Error])
			if !strings.Contains(err.Error(), tt.want) || len(w.sent) > 0 {
				t.Errorf("%v, after %d messages to Google; want %q", err, len(w.sent), tt.want)
			}
		})
	}
}

func TestAFileWithoutASourceIsAMistakeOfTheConfiguration(t *testing.T) {
	t.Parallel()
	_, err := newWire().of(&File{Audience: oidc, SubjectTokenType: subjecttoken.JWTTokenType}, Options{}).Exchange(t.Context(), []string{bigquery})
	expectRefreshError(t, err, LegConfig, false, func(err error) bool { return strings.Contains(err.Error(), "set Options.Source") })
}

func TestASupplierNeedsNoSourceInTheFile(t *testing.T) {
	t.Parallel()
	w := newWire()
	c := w.of(&File{Audience: provider, SubjectTokenType: subjecttoken.AWSTokenType}, Options{Supplier: w.userSupplier()})
	if issued := w.exchange(t, c); issued.Principal != subjects+"arn:aws:iam::123456789012:user/alice" {
		t.Errorf("the token is of %s", issued.Principal)
	}
}

// An attempt at an exchange has ten seconds, and a program two minutes.
func TestASlowSourceHasAllTheTimeThatItsCallerHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.trustJWT(oidc)
		w.Fault(fakecloud.Fault{Service: "google-sts", Status: 503, Times: 2})
		made := 0
		slow := subjecttoken.Func{Supply: func(ctx context.Context, _ supplier.SupplierContext) (secret.Text, error) {
			made++
			select {
			case <-time.After(100 * time.Second):
				return secret.New(plantedJWT), nil
			case <-ctx.Done():
				return secret.Text{}, ctx.Err()
			}
		}}
		c := w.of(&File{Audience: oidc, SubjectTokenType: subjecttoken.JWTTokenType}, Options{Source: slow})
		w.exchange(t, c)
		if made != 1 || len(w.sent) != 3 {
			t.Errorf("made %d subject tokens for %d attempts, want 1 for 3", made, len(w.sent))
		}
	})
}

func TestAnAWSRequestIsSignedAnewForEveryAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.Fault(fakecloud.Fault{Service: "google-sts", Status: 503, Header: http.Header{"Retry-After": {"5"}}, Times: 1})
		w.exchange(t, w.credentials(t, nil, Options{}))
		if first, second := w.sent[0].form().Get("subject_token"), w.sent[1].form().Get("subject_token"); first == second {
			t.Error("the second attempt has the signature of the first")
		}
	})
}
