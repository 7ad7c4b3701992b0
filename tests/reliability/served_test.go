package reliability_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// served is a cloud on loopback, for functions that do not share its process, or
// that make real connections.
type served struct {
	*fakecloud.Cloud
	server *fakecloud.Server
	env    map[string]string // the functions'

	mu        sync.Mutex
	collected strings.Builder
}

func serve(t *testing.T, targets string) *served {
	t.Helper()
	cloud := newCloud(1)
	server, err := cloud.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	at := server.Endpoints()
	return &served{Cloud: cloud, server: server, env: map[string]string{
		"WIFMINT_CONFIG":                   document(targets, at.TokenURL, at.IAMCredentials),
		"WIFMINT_UNSAFE_ENDPOINTS":         "allow",
		"WIFMINT_TOKENINFO_URL":            at.TokenInfo,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": at.SecretsManager,
		"AWS_REGION":                       region,
		"AWS_ACCESS_KEY_ID":                key.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":            key.SecretAccessKey,
		"AWS_SESSION_TOKEN":                key.SessionToken,
	}}
}

func (s *served) getenv(name string) string { return s.env[name] }

// collect keeps what the functions write and answer.
func (s *served) collect(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collected.WriteString(line + "\n")
}

func (s *served) output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.collected.String()
}

// shownIn is the beginning of a secret that a text shows; empty for none.
func shownIn(text string) string {
	for _, secret := range []string{"planted-", "ya29.", "eyJ", "Signature=", "AWS4-HMAC"} {
		if strings.Contains(text, secret) {
			return secret
		}
	}
	return ""
}
