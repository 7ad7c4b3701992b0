package tokensource

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const stored = `{"version":1,"target":"reports","kind":"access_token","token_type":"Bearer","access_token":"ya29.planted","expiry":"2126-01-02T03:04:05Z",` +
	`"minted_at":"2026-01-02T02:04:05Z","principal":"reports@p.iam.gserviceaccount.com","scopes":["s"]}`

// lambda is a function's environment with some variables changed.
func lambda(changed map[string]string) func(string) string {
	return func(name string) string {
		if v, ok := changed[name]; ok {
			return v
		}
		return map[string]string{
			"AWS_LAMBDA_FUNCTION_NAME": "reader",
			"AWS_REGION":               "eu-west-1",
			"AWS_ACCESS_KEY_ID":        "ASIAIOSFODNN7EXAMPLE",
			"AWS_SECRET_ACCESS_KEY":    "planted-secret-key",
			"AWS_SESSION_TOKEN":        "planted-session-token",
		}[name]
	}
}

func TestTheEnvironmentSaysWhereSecretsManagerIs(t *testing.T) {
	t.Parallel()
	cloud := fakecloud.New(fakecloud.Options{Region: "eu-west-1"})
	cloud.PutSecret("s", stored)
	server, err := cloud.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for what, variables := range map[string]map[string]string{
		"by the service's variable": {"AWS_ENDPOINT_URL_SECRETS_MANAGER": server.Endpoints().SecretsManager, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
		"by the general one":        {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "", "AWS_ENDPOINT_URL": server.Endpoints().SecretsManager},
	} {
		r := &environmentReader{getenv: lambda(variables)}
		for range 2 {
			current, err := r.ReadStage(t.Context(), "s", stageCurrent)
			if err != nil || current.Token.Value.Reveal() != "ya29.planted" {
				t.Errorf("%s: %v, %v", what, current.Token.Value, err)
			}
		}
	}
}

func TestAMisconfiguredEnvironmentIsAnErrorThatNamesTheVariable(t *testing.T) {
	t.Parallel()
	for variable, value := range map[string]string{
		"AWS_REGION":                       "",
		"AWS_ACCESS_KEY_ID":                "",
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": "planted",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Parallel()
			source := &Source{Secret: "s", Reader: &environmentReader{getenv: lambda(map[string]string{variable: value})}}
			_, err := source.Token(t.Context())
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Retryable || !strings.Contains(err.Error(), variable) || strings.Contains(err.Error(), "planted") {
				t.Errorf("got %v", err)
			}
			if cause, ok := errors.AsType[*tokenstore.Error](err); !ok || cause.Code != "NotSent" {
				t.Errorf("the cause is %v", cause)
			}
		})
	}
}

func TestARegionThatComesLateIsFound(t *testing.T) {
	t.Parallel()
	region := map[string]string{"AWS_REGION": ""}
	r := &environmentReader{getenv: lambda(region)}
	if _, err := r.open(t.Context()); !errors.As(err, new(*supplier.ChainError)) {
		t.Errorf("got %v", err)
	}
	region["AWS_REGION"] = "eu-west-1"
	if store, err := r.open(t.Context()); err != nil || r.store.Load() != store {
		t.Errorf("got %v", err)
	}
}

// processEndpoint is a Secrets Manager that outlives its test, as the client does
// that a process makes once.
var processEndpoint = sync.OnceValues(func() (string, error) {
	cloud := fakecloud.New(fakecloud.Options{Region: "eu-west-1"})
	cloud.PutSecret("s", stored)
	server, err := cloud.Serve()
	if err != nil {
		return "", err
	}
	return server.Endpoints().SecretsManager, nil
})

func TestASourceWithoutAReaderAsksTheProcesssEnvironment(t *testing.T) {
	endpoint, err := processEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{"AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(variable, lambda(nil)(variable))
	}
	t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint)
	token, err := (&Source{Secret: "s"}).Token(t.Context())
	if err != nil || token.Value.Reveal() != "ya29.planted" {
		t.Errorf("%v, %v", token.Value, err)
	}
}
