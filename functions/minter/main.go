// Minter is the Lambda function that keeps federated Google tokens fresh in
// Secrets Manager: it proves its role to Google, and stores what it gets, for
// every target of the config document that has no service account.
package main

import (
	stdlog "log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/wifmint/wifmint/internal/keeper"
)

func main() {
	log := lambdacontext.NewLogger()
	stdlog.SetFlags(0) // aws-lambda-go prints a failed invocation's JSON through it
	env, err := keeper.ReadEnvironment(os.Getenv, log)
	if err != nil {
		keeper.InitError(os.Getenv, log, err)
		os.Exit(1)
	}
	lambda.Start(newHandler(env, log, &keeper.Metrics{Out: os.Stdout}))
}
