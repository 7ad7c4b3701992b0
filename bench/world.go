package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// newCloud makes a cloud that knows the functions' identity in AWS, and whose
// Google side believes it.
func newCloud() *fakecloud.Cloud {
	cloud := fakecloud.New(fakecloud.Options{Region: region})
	cloud.AddAWSKey(fakecloud.AWSKey{
		AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey, SessionToken: sessionToken,
		ARN: "arn:aws:sts::123456789012:assumed-role/minter/minter",
	})
	cloud.AddProvider(fakecloud.Provider{Audience: audience, AWSAccount: "123456789012", TokenLifetime: time.Hour})
	return cloud
}

// object is a JSON object.
type object = map[string]any

// configDocument is the functions' config document, with these targets.
func configDocument(cloud fakecloud.Endpoints, targets []object) object {
	return object{
		"credentials": object{
			"type": "external_account", "audience": audience, "subject_token_type": subjectTokenType, "token_url": cloud.TokenURL,
			// Nobody is impersonated by it: it tells the rotator where to do that.
			"service_account_impersonation_url": cloud.IAMCredentials + "/v1/projects/-/serviceAccounts/nobody@p.iam.gserviceaccount.com:generateAccessToken",
			"credential_source":                 object{"environment_id": "aws1"},
		},
		"targets": targets,
	}
}

// startWith starts the minter or the rotator against a cloud, with a config
// document of these targets in a file beside the bootstrap, as it is deployed.
func startWith(ctx context.Context, bootstrap string, timeout time.Duration, cloud fakecloud.Endpoints, targets []object) (*lambdaapi.Environment, error) {
	config := configDocument(cloud, targets)
	config["create_secrets"] = true
	document, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	const name = "wifmint.json"
	if err := os.WriteFile(filepath.Join(filepath.Dir(bootstrap), name), document, 0o600); err != nil {
		return nil, err
	}
	env := environment(cloud)
	env["WIFMINT_CONFIG"] = name
	env["WIFMINT_UNSAFE_ENDPOINTS"] = "allow"
	return lambdaapi.Start(ctx, lambdaapi.Function{Bootstrap: bootstrap, Timeout: timeout, Env: env})
}

// environment is what every program needs that calls AWS.
func environment(cloud fakecloud.Endpoints) map[string]string {
	return map[string]string{
		"AWS_REGION": region, "AWS_ACCESS_KEY_ID": accessKeyID, "AWS_SECRET_ACCESS_KEY": secretAccessKey, "AWS_SESSION_TOKEN": sessionToken,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": cloud.SecretsManager,
	}
}
