package supplier_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// A program that was told nothing finds its credentials where it runs. Printing
// them shows fingerprints.
func ExampleDefault() {
	lambda := map[string]string{
		"AWS_LAMBDA_FUNCTION_NAME": "minter",
		"AWS_REGION":               "eu-west-1",
		"AWS_ACCESS_KEY_ID":        "ASIAIOSFODNN7EXAMPLE",
		"AWS_SECRET_ACCESS_KEY":    "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	}
	s := supplier.Default(func(name string) string { return lambda[name] }) // nil: os.Getenv
	ctx := context.Background()

	keys, err := supplier.Credentials(ctx, s, supplier.SupplierContext{})
	fmt.Println(keys.AccessKeyID, keys.SecretAccessKey, err)
	region, err := supplier.Region(ctx, s, supplier.SupplierContext{})
	fmt.Println(region, err)
	// Output:
	// ASIAIOSFODNN7EXAMPLE sha256:e8a0614b6747 <nil>
	// eu-west-1 <nil>
}

// When every link fails the error has each one's reason, and whether to come back.
func ExampleChainError() {
	nothing := func(string) string { return "" }
	s := supplier.Chain{supplier.Environment{Getenv: nothing}, supplier.Provider{}}
	_, err := supplier.Credentials(context.Background(), s, supplier.SupplierContext{})

	var chain *supplier.ChainError
	if errors.As(err, &chain) {
		for _, link := range chain.Errs {
			fmt.Println(link)
		}
		fmt.Println("worth a retry:", chain.Retryable())
	}
	// Output:
	// getting AWS credentials from environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set
	// getting AWS credentials from provider: Provider.Credentials is nil
	// worth a retry: false
}

// vault is a supplier of the caller's own.
type vault struct{}

func (vault) AwsSecurityCredentials(_ context.Context, sc supplier.SupplierContext) (supplier.AwsSecurityCredentials, error) {
	return supplier.AwsSecurityCredentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: secret.New("for " + sc.Audience)}, nil
}

func (vault) AwsRegion(context.Context, supplier.SupplierContext) (string, error) {
	return "us-west-2-lax-1a", nil
}

// Whatever a supplier does wrong arrives as an error of this package.
func ExampleRegion() {
	_, err := supplier.Region(context.Background(), vault{}, supplier.SupplierContext{})
	fmt.Println(err)
	_, err = supplier.Credentials(context.Background(), vault{}, supplier.SupplierContext{Audience: "pool"})
	fmt.Println(err)
	// Output:
	// getting AWS credentials from supplier: supplier_test.vault returned "us-west-2-lax-1a", which is no region; a region looks like eu-west-1
	// getting AWS credentials from supplier: supplier_test.vault returned no usable credentials: the secret access key holds white space or control characters
}

// A role on top of whatever the program has.
func ExampleAssumeRole() {
	s := &supplier.AssumeRole{
		Base:        supplier.Default(nil),
		RoleARN:     "arn:aws:iam::123456789012:role/federation",
		SessionName: "nightly",
		Region:      "eu-west-1",
	}
	region, err := s.AwsRegion(context.Background(), supplier.SupplierContext{})
	fmt.Println(region, err)
	// Output: eu-west-1 <nil>
}
