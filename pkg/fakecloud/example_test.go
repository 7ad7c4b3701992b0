package fakecloud_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// A put whose answer is lost is repeated by AWS's SDK with the same
// ClientRequestToken, which makes it one put.
func Example() {
	ctx := context.Background()
	cloud := fakecloud.New(fakecloud.Options{})
	cloud.PutSecret("wifmint/reports", "old")
	cloud.Fault(fakecloud.Fault{Operation: "PutSecretValue", Times: 1, Reset: true, AfterEffect: true})

	client := secretsmanager.New(secretsmanager.Options{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "secret", ""),
		HTTPClient:  &http.Client{Transport: cloud},
		Retryer:     retry.AddWithMaxBackoffDelay(retry.NewStandard(), time.Millisecond),
	})
	_, err := client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId:     aws.String("wifmint/reports"),
		SecretString: aws.String("new"),
	})
	fmt.Println("error:", err)

	for _, call := range cloud.Calls() {
		fmt.Printf("%s %d %q\n", call.Operation, call.Status, call.Err)
	}
	secret, _ := cloud.Secret("wifmint/reports")
	current, _ := secret.Labelled("AWSCURRENT")
	fmt.Printf("%q in %d versions\n", current.Value, len(secret.Versions))
	// Output:
	// error: <nil>
	// PutSecretValue 0 "fault: reset"
	// PutSecretValue 200 ""
	// "new" in 2 versions
}

// A process that can only be given URLs is served over loopback.
func ExampleCloud_Serve() {
	cloud := fakecloud.New(fakecloud.Options{})
	cloud.PutSecret("wifmint/reports", "a token")
	server, err := cloud.Serve()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	client := secretsmanager.New(secretsmanager.Options{
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "secret", ""),
		BaseEndpoint: aws.String(server.Endpoints().SecretsManager),
	})
	got, err := client.GetSecretValue(context.Background(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("wifmint/reports")})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(*got.SecretString)
	// Output: a token
}
