package tokenstore

import (
	"cmp"
	"errors"
	"net/url"
)

// EndpointFromEnvironment is the [Options.BaseEndpoint] that the SDK's variables
// name: AWS_ENDPOINT_URL_SECRETS_MANAGER, else AWS_ENDPOINT_URL, empty if neither is
// set. An empty variable counts as unset. It fails on what is no http or https URL,
// without showing it.
func EndpointFromEnvironment(getenv func(string) string) (string, error) {
	endpoint := cmp.Or(getenv("AWS_ENDPOINT_URL_SECRETS_MANAGER"), getenv("AWS_ENDPOINT_URL"))
	if endpoint == "" {
		return "", nil
	}
	if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", errors.New("AWS_ENDPOINT_URL_SECRETS_MANAGER, or else AWS_ENDPOINT_URL, is no URL; write one such as http://127.0.0.1:5000, or nothing")
	}
	return endpoint, nil
}
