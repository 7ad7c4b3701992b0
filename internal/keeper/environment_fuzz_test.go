package keeper

import (
	"log/slog"
	"net/url"
	"strings"
	"testing"
)

// Whatever the variables are, a function starts with hosts that are Google's, unless
// they may be any, or says why not, without showing what is in them.
func FuzzReadEnvironment(f *testing.F) {
	const region = "eu-west-1"
	for _, document := range []string{
		documentWith(""), documentWith(`, "token_url": "https://user:planted@sts.googleapis.com/"`), documentWith(`, "service_account_impersonation_url": "http://127.0.0.1:1/iamcredentials"`),
		"{", "{}", "{\"a\":\"\xff\"}", `{"credentials":null,"targets":[],"targets":{}}`, `{"targets":` + strings.Repeat("[", 20_000), `{"create_secrets":1e999999999,"targets":` + strings.Repeat("9", 1000) + `}`, "{\x00}",
		documentWith("") + strings.Repeat(" ", MaxConfigSize), "nowhere.json", "", "/\x00",
	} {
		for _, other := range []string{"", "http://127.0.0.1:1/x", "https://user:planted@evil.example/", "://planted", "\xff", "http://[::1", strings.Repeat("x", 50_000)} {
			f.Add(document, region, other, other, "allow")
			f.Add(document, region, other, other, "")
		}
		f.Add(document, "planted\n@evil.example/", "", "", "")
	}
	root := f.TempDir()
	f.Fuzz(func(t *testing.T, document, region, endpoint, tokenInfo, unsafe string) {
		if !strings.HasPrefix(document, "{") && document != "" && document != "nowhere.json" {
			return // a file of this machine's
		}
		variables := map[string]string{
			"WIFMINT_CONFIG": document, "LAMBDA_TASK_ROOT": root, "AWS_REGION": region, "AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoint, "WIFMINT_TOKENINFO_URL": tokenInfo,
			"WIFMINT_UNSAFE_ENDPOINTS": unsafe, "AWS_SECRET_ACCESS_KEY": "planted-secret-key", "AWS_CONTAINER_CREDENTIALS_FULL_URI": tokenInfo,
		}
		var log strings.Builder
		env, err := ReadEnvironment(func(name string) string { return variables[name] }, slog.New(slog.NewTextHandler(&log, nil)))
		text := log.String()
		if err != nil {
			text += err.Error()
		}
		if strings.Contains(text, "planted-secret-key") || len(text) > 100_000 {
			t.Errorf("%d bytes are told: %.1000s", len(text), text)
		}
		if err != nil || unsafe == "allow" {
			return
		}
		if env.TokenInfo.URL != "" || env.IAM.AllowAnyEndpoint || env.TokenInfo.AllowAnyEndpoint {
			t.Errorf("%+v, %+v", env.TokenInfo, env.IAM)
		}
		for _, of := range []string{env.IAM.Endpoint, env.Config.Credentials.TokenURL} {
			if u, err := url.Parse(of); of != "" && (err != nil || u.Scheme != "https" || u.User != nil || !strings.HasSuffix(strings.ToLower(strings.TrimSuffix(u.Host, ":443")), "."+strings.ToLower(env.Config.Credentials.UniverseDomain))) {
				t.Errorf("%q is taken", of)
			}
		}
	})
}
