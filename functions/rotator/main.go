// Rotator is the Lambda function that keeps service accounts' Google tokens
// fresh in Secrets Manager: it impersonates, with the minter's token or one of
// its own, the account of every target of the config document that has one. A
// schedule invokes it, and Secrets Manager may, as a secret's rotation function.
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
