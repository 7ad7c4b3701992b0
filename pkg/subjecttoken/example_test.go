package subjecttoken_test

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

func ExampleAWS() {
	lambda := map[string]string{
		"AWS_REGION":            "eu-west-1",
		"AWS_ACCESS_KEY_ID":     "ASIAIOSFODNN7EXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	}
	source := subjecttoken.AWS{
		Supplier: supplier.Environment{Getenv: func(name string) string { return lambda[name] }},
		Audience: "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws",
		Now:      func() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC) },
	}
	token, err := source.SubjectToken(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token) // a secret prints as its fingerprint
	text, _ := url.PathUnescape(token.Reveal())
	fmt.Println(text[:89])
	// Output:
	// sha256:e09b26f76bc4
	// {"url":"https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
}

func ExampleRequestSigner() {
	signer := subjecttoken.RequestSigner{
		Region: "us-east-2",
		Now:    func() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC) },
	}
	signed, err := signer.RequestOptions(context.Background(), supplier.AwsSecurityCredentials{
		AccessKeyID:     "AKIAIOSFODNN7EXAMPLE",
		SecretAccessKey: secret.New("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
	}, subjecttoken.Request{
		Method:  "POST",
		URL:     "https://dynamodb.us-east-2.amazonaws.com/",
		Payload: `{"KeySchema":[]}`,
		Headers: map[string]string{"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.CreateTable"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range signed.Headers {
		fmt.Printf("%s: %.48s\n", h.Key, h.Value)
	}
	// Output:
	// Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE
	// content-type: application/x-amz-json-1.0
	// host: dynamodb.us-east-2.amazonaws.com
	// x-amz-date: 20240102T030405Z
	// x-amz-target: DynamoDB_20120810.CreateTable
}
