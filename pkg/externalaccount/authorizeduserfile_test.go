package externalaccount

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/secret"
)

const (
	plantedRefresh = "1//planted-refresh-token"
	plantedAccess  = "ya29.planted-access-token"
)

// workforceLogin is what gcloud writes for a workforce pool, and more.
const workforceLogin = `{
	"type": "external_account_authorized_user",
	"account": "",
	"audience": "//iam.googleapis.com/locations/global/workforcePools/staff/providers/oidc",
	"client_id": "client",
	"client_secret": "` + plantedClient + `",
	"refresh_token": "` + plantedRefresh + `",
	"token_url": "https://sts.googleapis.com/v1/oauthtoken",
	"token_info_url": "https://sts.googleapis.com/v1/introspect",
	"revoke_url": "https://sts.googleapis.com/v1/revoke",
	"quota_project_id": "quota",
	"universe_domain": "googleapis.com",
	"scopes": ["https://www.googleapis.com/auth/cloud-platform", "openid"],
	"token": "` + plantedAccess + `",
	"expiry": "2026-01-02T03:04:05.678901Z"
}`

// googleLogin is what gcloud writes for a Google account.
const googleLogin = `{
	"account": "",
	"client_id": "client",
	"client_secret": "` + plantedClient + `",
	"quota_project_id": "quota",
	"refresh_token": "` + plantedRefresh + `",
	"type": "authorized_user",
	"universe_domain": "googleapis.com"
}`

// edit sets fields of a JSON object to JSON values; "" removes one.
func edit(t *testing.T, document string, fields map[string]string) []byte {
	t.Helper()
	doc := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		t.Fatal(err)
	}
	for key, value := range fields {
		if doc[key] = json.RawMessage(value); value == "" {
			delete(doc, key)
		}
	}
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parseAs[F AnyFile](t *testing.T, data []byte) F {
	t.Helper()
	got, err := ParseAny(data, FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f, ok := got.(F)
	if !ok {
		t.Fatalf("it is a %T", got)
	}
	return f
}

func TestALoginIsReadWhole(t *testing.T) {
	t.Parallel()
	of := secret.New
	for _, tt := range []struct {
		name, document string
		want           AuthorizedUserFile
	}{
		{"a workforce pool's", workforceLogin, AuthorizedUserFile{
			Type: "external_account_authorized_user", Audience: "//iam.googleapis.com/locations/global/workforcePools/staff/providers/oidc",
			ClientID: "client", ClientSecret: of(plantedClient), RefreshToken: of(plantedRefresh),
			TokenURL: "https://sts.googleapis.com/v1/oauthtoken", TokenInfoURL: "https://sts.googleapis.com/v1/introspect", RevokeURL: "https://sts.googleapis.com/v1/revoke",
			QuotaProjectID: "quota", UniverseDomain: "googleapis.com", Scopes: []string{platform, "openid"},
			Token: of(plantedAccess), Expiry: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		}},
		{"a Google account's", googleLogin, AuthorizedUserFile{
			Type: "authorized_user", ClientID: "client", ClientSecret: of(plantedClient), RefreshToken: of(plantedRefresh),
			TokenURL: "https://oauth2.googleapis.com/token", QuotaProjectID: "quota", UniverseDomain: "googleapis.com",
		}},
		{"that Python writes", `{"type": "authorized_user", "account": "a@example.com", "client_id": "c", "client_secret": "s", "refresh_token": "r",
			"token_uri": "https://oauth2.googleapis.com/token", "rapt_token": "planted", "scopes": "openid email"}`, AuthorizedUserFile{
			Type: "authorized_user", Account: "a@example.com", ClientID: "c", ClientSecret: of("s"), RefreshToken: of("r"),
			TokenURL: "https://oauth2.googleapis.com/token", UniverseDomain: "googleapis.com", Scopes: []string{"openid", "email"},
		}},
		{"an access token alone", `{"type": "external_account_authorized_user", "token": "t", "expiry": "2026-01-02T03:04:05Z"}`, AuthorizedUserFile{
			Type: "external_account_authorized_user", UniverseDomain: "googleapis.com", Token: of("t"), Expiry: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := parseAs[*AuthorizedUserFile](t, []byte(tt.document))
			if diff := cmp.Diff(&tt.want, got, cmp.Comparer(secret.Text.Equal)); diff != "" {
				t.Error(diff)
			}
			againAny(t, got, FileOptions{})
			expectMasked(t, got)
		})
	}
}

// expectMasked prints a file in every way there is.
func expectMasked(t *testing.T, f any) {
	t.Helper()
	masked, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "file", f)
	slog.New(slog.NewTextHandler(&log, nil)).Info("text", "file", f)
	for _, text := range []string{string(masked), fmt.Sprintf("%v %+v %#v %s", f, f, f, f), log.String()} {
		if strings.Contains(text, "planted") {
			t.Errorf("a secret is out: %s", text)
		}
	}
}

func TestEachMistakeInALoginIsToldWithWhatToWrite(t *testing.T) {
	t.Parallel()
	const again = `; log in again: "gcloud auth application-default login"`
	for _, tt := range []struct {
		name, document string
		fields         map[string]string
		want           []string
	}{
		{"nothing to refresh with", workforceLogin, map[string]string{"token": "", "refresh_token": "", "token_url": "", "client_id": "", "client_secret": ""}, []string{
			"refresh_token: found nothing" + again, "token_url: found nothing" + again, "client_id: found nothing" + again, "client_secret: found nothing" + again}},
		{"an empty refresh token", googleLogin, map[string]string{"refresh_token": `""`}, []string{"refresh_token: found an empty text" + again}},
		{"a token of unknown age", workforceLogin, map[string]string{"expiry": "", "refresh_token": ""}, []string{"refresh_token: found nothing" + again}},
		{"a token that no header carries", workforceLogin, map[string]string{"token": `"planted token"`}, []string{"token: found a string; write the access token alone"}},
		{"an expiry in seconds", workforceLogin, map[string]string{"expiry": `1767323045`}, []string{"expiry: found 1767323045; write a string"}},
		{"an expiry of no form", workforceLogin, map[string]string{"expiry": `"tomorrow"`}, []string{`expiry: found "tomorrow"; write a time such as "2026-01-02T03:04:05Z"`}},
		{"a secret that is a number", workforceLogin, map[string]string{"refresh_token": `4711471147114711`, "token": ""}, []string{"refresh_token: found a number; write a string"}},
		{"foreign endpoints", workforceLogin, map[string]string{"token_url": `"https://example.com/t"`, "token_info_url": `"http://sts.googleapis.com"`, "revoke_url": `"https://oauth2.googleapis.com/revoke"`}, []string{
			`revoke_url: found the host "oauth2.googleapis.com"; want https:// and sts.googleapis.com`,
			`token_info_url: found the scheme "http"`,
			`token_url: found the host "example.com"`,
		}},
		{"a Google account at a foreign endpoint", googleLogin, map[string]string{"token_uri": `"https://oauth2.example.com/token"`}, []string{`token_uri: found the host "oauth2.example.com"; want https:// and oauth2.googleapis.com`}},
		{"a field of the other type", googleLogin, map[string]string{"token_url": `"https://sts.googleapis.com/v1/oauthtoken"`}, []string{`token_url: found an unknown field; did you mean "token_uri"?`}},
		{"an unknown field", workforceLogin, map[string]string{"refreshToken": `"planted"`}, []string{`refreshToken: found an unknown field; did you mean "refresh_token"?`}},
		{"an empty scope", workforceLogin, map[string]string{"scopes": `["openid", ""]`}, []string{`scopes[1]: found ""; write a scope in full`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := ParseAny(edit(t, tt.document, tt.fields), FileOptions{})
			got := problems(t, err)
			if f != nil || !isA[*ConfigError](err) || strings.Contains(err.Error(), "planted") {
				t.Errorf("%v, %v", f, err)
			}
			expectProblems(t, sorted(tt.want), sorted(got))
		})
	}
}
