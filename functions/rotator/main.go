// Rotator is the Lambda function that keeps service accounts' Google tokens
// fresh in Secrets Manager: it impersonates, with the minter's token or one of
// its own, the account of every target of the config document that has one. A
// schedule invokes it, and Secrets Manager may, as a secret's rotation function.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/wifmint/wifmint/internal/keeper"
)

func main() {
	env, log := keeper.StartFunction()
	lambda.Start(newHandler(env, log))
}
