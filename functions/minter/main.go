// Minter is the Lambda function that keeps federated Google tokens fresh in
// Secrets Manager: it proves its role to Google, and stores what it gets, for
// every target of the config document that has no service account.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/wifmint/wifmint/internal/keeper"
)

func main() {
	env, log := keeper.StartFunction()
	lambda.Start(newHandler(env, log))
}
