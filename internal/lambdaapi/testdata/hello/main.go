// A function for the test of Build.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() {
	lambda.Start(func(name string) (string, error) { return "hello " + name, nil })
}
