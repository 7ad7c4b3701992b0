package tokenstore

import (
	"strings"
	"testing"
)

func TestTheEnvironmentMayNameAnotherSecretsManager(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name             string
		service, general string
		want             string
	}{
		{"not by default", "", "", ""},
		{"for this service", "http://127.0.0.1:5000", "", "http://127.0.0.1:5000"},
		{"for all services", "", "https://vpce.example/aws", "https://vpce.example/aws"},
		{"for this service rather than for all", "http://127.0.0.1:5000", "planted", "http://127.0.0.1:5000"},
	} {
		if got, err := EndpointFromEnvironment(variables(tt.service, tt.general)); got != tt.want || err != nil {
			t.Errorf("%s: got %q, %v", tt.name, got, err)
		}
	}
	for _, wrong := range []string{"planted", "planted:5000", "//planted", "http://", "ftp://planted", "http://planted:port", "%zzplanted"} {
		for _, getenv := range []func(string) string{variables(wrong, "http://127.0.0.1:5000"), variables("", wrong)} {
			got, err := EndpointFromEnvironment(getenv)
			if got != "" || err == nil || !strings.Contains(err.Error(), "AWS_ENDPOINT_URL") || strings.Contains(err.Error(), "planted") {
				t.Errorf("%q: got %q, %v", wrong, got, err)
			}
		}
	}
}

func variables(service, general string) func(string) string {
	return func(name string) string {
		return map[string]string{"AWS_ENDPOINT_URL_SECRETS_MANAGER": service, "AWS_ENDPOINT_URL": general}[name]
	}
}
