package keeper

import (
	"errors"
	"log/slog"
	"net/url"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokeninfo"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// Environment is what a function is started with: the variables of the
// contract, read once.
type Environment struct {
	Config      *Config
	Credentials *externalaccount.Credentials
	Store       *tokenstore.Store
	// IAM and TokenInfo are the rotator's.
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
	aws := supplier.Default(getenv)
	region, err := awsRegion(getenv)
	if err != nil {
		return nil, err
	}
	endpoint, err := secretsEndpoint(getenv)
	if err != nil {
		return nil, err
	}
	return &Environment{
		Config:      config,
		Credentials: externalaccount.New(config.Credentials, externalaccount.Options{AllowAnyEndpoint: unsafe, Getenv: getenv}),
		Store: &tokenstore.Store{
			Client: tokenstore.NewClient(tokenstore.Options{
				Region:       region,
				Credentials:  supplier.SDK(aws),
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

func awsRegion(getenv func(string) string) (string, error) {
	region := firstSet(getenv, "AWS_REGION", "AWS_DEFAULT_REGION")
	if region == "" {
		return "", errors.New("reading the environment: AWS_REGION is not set; Lambda sets it, elsewhere set it to the region of the secrets")
	}
	if !supplier.ValidRegion(region) {
		return "", errors.New("reading the environment: AWS_REGION is no region; write one such as eu-west-1")
	}
	return region, nil
}

// secretsEndpoint is the SDK's variables for another Secrets Manager; empty means AWS's.
func secretsEndpoint(getenv func(string) string) (string, error) {
	endpoint := firstSet(getenv, "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL")
	if u, err := url.Parse(endpoint); endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return "", errors.New("reading the environment: AWS_ENDPOINT_URL_SECRETS_MANAGER, or else AWS_ENDPOINT_URL, is no URL; write one such as http://127.0.0.1:5000, or nothing")
	}
	return endpoint, nil
}

// firstSet returns the first variable that is not empty: an empty one is unset.
func firstSet(getenv func(string) string, names ...string) string {
	for _, n := range names {
		if v := getenv(n); v != "" {
			return v
		}
	}
	return ""
}
