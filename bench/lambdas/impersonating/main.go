// Impersonating is the rotator as people write it today: for every service
// account a token source of Google's external account library that has the
// account's service_account_impersonation_url, as gcloud writes it into the
// account's credential file, and a secret to keep the token in.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"golang.org/x/oauth2/google/externalaccount"
	"golang.org/x/sync/errgroup"
)

// event is the work: which accounts, how many of them at once, and where
// Google is.
type event struct {
	Accounts    []string `json:"accounts"`
	Concurrency int      `json:"concurrency"`
	// Own says that the tokens are for the function itself, and kept nowhere.
	Own      bool   `json:"own"`
	TokenURL string `json:"token_url"`
	IAMURL   string `json:"iam_url"`
}

func main() {
	awsConfig, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	client := secretsmanager.NewFromConfig(awsConfig)
	lambda.Start(func(ctx context.Context, e event) error {
		var group errgroup.Group
		group.SetLimit(e.Concurrency)
		for _, account := range e.Accounts {
			group.Go(func() error {
				if err := refresh(ctx, client, e, account); err != nil {
					log.Printf("%s: %v", account, err)
				}
				return nil // one that fails leaves the others alone
			})
		}
		return group.Wait()
	})
}

func refresh(ctx context.Context, client *secretsmanager.Client, e event, account string) error {
	tokens, err := externalaccount.NewTokenSource(ctx, externalaccount.Config{
		Audience:                       "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws",
		SubjectTokenType:               "urn:ietf:params:aws:token-type:aws4_request",
		TokenURL:                       e.TokenURL,
		ServiceAccountImpersonationURL: fmt.Sprintf("%s/v1/projects/-/serviceAccounts/%s:generateAccessToken", e.IAMURL, account),
		CredentialSource: &externalaccount.CredentialSource{
			EnvironmentID:               "aws1",
			RegionalCredVerificationURL: "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
		},
		Scopes: []string{"https://www.googleapis.com/auth/cloud-platform"},
	})
	if err != nil {
		return err
	}
	token, err := tokens.Token()
	if err != nil || e.Own {
		return err
	}
	text, err := json.Marshal(token)
	if err != nil {
		return err
	}
	_, err = client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String("wifmint/" + account), SecretString: aws.String(string(text))})
	return err
}
