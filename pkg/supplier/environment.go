package supplier

import (
	"context"
	"os"

	"github.com/wifmint/wifmint/pkg/secret"
)

// Environment reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
// AWS_SESSION_TOKEN, which is where Lambda puts a function's credentials. The
// region is AWS_REGION, else AWS_DEFAULT_REGION. An empty variable counts as
// unset. All of them are read at every call.
type Environment struct {
	// Getenv looks up a variable; nil means os.Getenv.
	Getenv func(string) string
}

var _ AwsSecurityCredentialsSupplier = Environment{}

const sourceEnvironment = "environment"

// AwsSecurityCredentials fails with an *Error when there are no keys, half a
// pair, or keys that cannot be any.
func (e Environment) AwsSecurityCredentials(context.Context, SupplierContext) (AwsSecurityCredentials, error) {
	id, key := getenv(e.Getenv, "AWS_ACCESS_KEY_ID"), getenv(e.Getenv, "AWS_SECRET_ACCESS_KEY")
	var reason string
	switch {
	case id == "" && key == "":
		reason = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"
	case id == "":
		reason = "AWS_SECRET_ACCESS_KEY is set but AWS_ACCESS_KEY_ID is not; set both or none"
	case key == "":
		reason = "AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not; set both or none"
	}
	if reason != "" {
		return AwsSecurityCredentials{}, &Error{Source: sourceEnvironment, Reason: reason}
	}
	creds := AwsSecurityCredentials{
		AccessKeyID:     id,
		SecretAccessKey: secret.New(key),
		SessionToken:    secret.New(getenv(e.Getenv, "AWS_SESSION_TOKEN")),
	}
	if flaw := creds.flaw(); flaw != "" {
		return AwsSecurityCredentials{}, &Error{Source: sourceEnvironment, Reason: "the AWS_ variables do not hold credentials: " + flaw}
	}
	return creds, nil
}

// AwsRegion fails with an *Error when no region is set, or one that is none.
func (e Environment) AwsRegion(context.Context, SupplierContext) (string, error) {
	return regionFromEnvironment(e.Getenv, sourceEnvironment)
}

func regionFromEnvironment(lookup func(string) string, source string) (string, error) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		region := getenv(lookup, name)
		if region == "" {
			continue
		}
		if !ValidRegion(region) {
			return "", &Error{Source: source, Reason: name + " holds " + notARegion(region)}
		}
		return region, nil
	}
	return "", &Error{Source: source, Reason: "no region: neither AWS_REGION nor AWS_DEFAULT_REGION is set"}
}

// onLambda reports whether this process is a Lambda function or an extension
// of one, which have no instance metadata and must not wait for it.
func onLambda(lookup func(string) string) bool {
	return getenv(lookup, "AWS_LAMBDA_FUNCTION_NAME") != "" || getenv(lookup, "AWS_LAMBDA_RUNTIME_API") != ""
}

func getenv(lookup func(string) string, name string) string {
	if lookup == nil {
		return os.Getenv(name)
	}
	return lookup(name)
}
