package keeper

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokeninfo"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// Environment is what the environment variables of a function say, read once.
type Environment struct {
	Config *Config
	// Credentials are Config's, for both functions: the minter exchanges for every
	// target, the rotator for itself when it cannot use the minter's token.
	Credentials *externalaccount.Credentials
	Store       *tokenstore.Store
	// IAM and TokenInfo are used by the rotator only.
	IAM       *impersonate.Client
	TokenInfo *tokeninfo.Client
}

// ReadEnvironment reads WIFMINT_CONFIG and the variables beside it. It makes no
// call. It fails with jsondoc.Problems when the document is wrong.
func ReadEnvironment(getenv func(string) string, log *slog.Logger) (*Environment, error) {
	unsafe := UnsafeEndpoints(getenv)
	if unsafe {
		log.Warn("WIFMINT_UNSAFE_ENDPOINTS=allow: Google's URLs may be http and name any host, which gets a signed AWS identity; for local runs only")
	}
	config, err := LoadConfig(getenv("WIFMINT_CONFIG"), getenv("LAMBDA_TASK_ROOT"), ConfigOptions{AllowAnyEndpoint: unsafe})
	if err != nil {
		return nil, err
	}
	tokenInfoURL := getenv("WIFMINT_TOKENINFO_URL")
	if tokenInfoURL != "" && !unsafe {
		log.Warn("WIFMINT_TOKENINFO_URL is ignored without WIFMINT_UNSAFE_ENDPOINTS=allow: whoever answers there would get the tokens")
		tokenInfoURL = ""
	}
	region, err := supplier.Environment{Getenv: getenv}.AwsRegion(context.Background(), supplier.SupplierContext{})
	if err != nil {
		return nil, fmt.Errorf("finding the region of the secrets: %w", err)
	}
	endpoint, err := tokenstore.EndpointFromEnvironment(getenv)
	if err != nil {
		return nil, fmt.Errorf("finding Secrets Manager: %w", err)
	}
	return &Environment{
		Config:      config,
		Credentials: externalaccount.New(config.Credentials, externalaccount.Options{AllowAnyEndpoint: unsafe, Getenv: getenv}),
		Store: &tokenstore.Store{
			Client: tokenstore.NewClient(tokenstore.Options{
				Region:       region,
				Credentials:  supplier.SDK(supplier.Default(getenv)),
				BaseEndpoint: endpoint,
			}),
			Create:      config.CreateSecrets,
			KMSKeyID:    getenv("WIFMINT_KMS_KEY_ID"),
			Description: "A Google Cloud token that wifmint keeps fresh.",
			Tags:        map[string]string{"wifmint": "token"},
		},
		IAM: &impersonate.Client{
			Endpoint:         config.Credentials.IAMEndpoint(),
			UniverseDomain:   config.Credentials.UniverseDomain,
			AllowAnyEndpoint: unsafe,
		},
		TokenInfo: &tokeninfo.Client{
			URL:              tokenInfoURL,
			UniverseDomain:   config.Credentials.UniverseDomain,
			AllowAnyEndpoint: unsafe,
		},
	}, nil
}

// UnsafeEndpoints reports whether Google's URLs may be http and name any host.
func UnsafeEndpoints(getenv func(string) string) bool {
	return getenv("WIFMINT_UNSAFE_ENDPOINTS") == "allow"
}
