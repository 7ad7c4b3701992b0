// Federating is the minter as people write it today: the AWS SDK's default
// configuration, Google's external account library over it, and a secret to
// keep the token in, or, where everybody federates for themselves, none.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"golang.org/x/oauth2/google/externalaccount"
)

// supplier hands the SDK's credentials to Google's library.
type supplier struct{ config aws.Config }

func (s supplier) AwsRegion(context.Context, externalaccount.SupplierOptions) (string, error) {
	return s.config.Region, nil
}

func (s supplier) AwsSecurityCredentials(ctx context.Context, _ externalaccount.SupplierOptions) (*externalaccount.AwsSecurityCredentials, error) {
	c, err := s.config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	return &externalaccount.AwsSecurityCredentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, nil
}

type event struct {
	// Own says that the token is for the function itself, and kept nowhere.
	Own bool `json:"own"`
}

func main() {
	ctx := context.Background()
	awsConfig, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		log.Fatal(err)
	}
	client := secretsmanager.NewFromConfig(awsConfig)
	tokens, err := externalaccount.NewTokenSource(ctx, externalaccount.Config{
		Audience:                       "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws",
		SubjectTokenType:               "urn:ietf:params:aws:token-type:aws4_request",
		TokenURL:                       os.Getenv("TOKEN_URL"), // empty means Google's
		Scopes:                         []string{"https://www.googleapis.com/auth/cloud-platform"},
		AwsSecurityCredentialsSupplier: supplier{awsConfig},
	})
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(func(ctx context.Context, e event) error {
		token, err := tokens.Token()
		if err != nil || e.Own {
			return err
		}
		text, err := json.Marshal(token)
		if err != nil {
			return err
		}
		_, err = client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String("wifmint/federated"), SecretString: aws.String(string(text))})
		return err
	})
}
