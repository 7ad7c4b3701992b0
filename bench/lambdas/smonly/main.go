// Smonly is a Lambda function that only has a Secrets Manager client, made from
// the credentials in its environment: the least that anything can cost that
// keeps something in a secret.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func main() {
	options := secretsmanager.Options{
		Region: os.Getenv("AWS_REGION"),
		Credentials: credentials.NewStaticCredentialsProvider(
			os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")),
	}
	if url := os.Getenv("AWS_ENDPOINT_URL_SECRETS_MANAGER"); url != "" {
		options.BaseEndpoint = &url
	}
	client := secretsmanager.New(options)
	lambda.Start(func(ctx context.Context) (string, error) {
		value, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("wifmint/federated")})
		if err != nil {
			return "", err
		}
		return aws.ToString(value.VersionId), nil
	})
}
