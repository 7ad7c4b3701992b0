package reliability_test

import (
	"testing"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// served is a cloud on loopback, for functions that do not share its process, or
// that make real connections.
type served struct {
	*fakecloud.Cloud
	server *fakecloud.Server
	env    map[string]string // the functions'
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
	return &served{cloud, server, map[string]string{
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
