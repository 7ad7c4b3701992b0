package supplier

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// SDK makes a supplier's credentials those of an AWS SDK client. They are asked
// for at every request the client signs. Do not wrap it in an
// aws.CredentialsCache: the credentials carry no expiry, so it would keep them
// forever. Its errors are those of [Credentials].
func SDK(s AwsSecurityCredentialsSupplier) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		creds, err := Credentials(ctx, s, SupplierContext{})
		if err != nil {
			return aws.Credentials{}, err
		}
		return creds.forSDK(), nil
	})
}

func (c AwsSecurityCredentials) forSDK() aws.Credentials {
	return aws.Credentials{
		AccessKeyID:     c.AccessKeyID,
		SecretAccessKey: c.SecretAccessKey.Reveal(),
		SessionToken:    c.SessionToken.Reveal(),
		Source:          "wifmint supplier",
	}
}
