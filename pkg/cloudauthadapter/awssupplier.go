package cloudauthadapter

import (
	"context"

	google "cloud.google.com/go/auth/credentials/externalaccount"

	"github.com/wifmint/wifmint/pkg/supplier"
)

// AWSSupplier has Google's library sign with the credentials of s, such as
// supplier.Default(nil), as the AwsSecurityCredentialsProvider of its Options.
//
// Given no keys that library panics, and without a region it signs for
// sts..amazonaws.com. Through AWSSupplier either is a *supplier.Error or
// *supplier.ChainError from the library's Token. What the library does wrong
// afterwards stays: it refreshes in a goroutine that nobody waits for, and it
// knows no verification URL but the region's default.
func AWSSupplier(s supplier.AwsSecurityCredentialsSupplier) google.AwsSecurityCredentialsProvider {
	return awsSupplier{s}
}

type awsSupplier struct {
	supplier supplier.AwsSecurityCredentialsSupplier
}

func (a awsSupplier) AwsRegion(ctx context.Context, o *google.RequestOptions) (string, error) {
	return supplier.Region(ctx, a.supplier, supplierContext(o))
}

func (a awsSupplier) AwsSecurityCredentials(ctx context.Context, o *google.RequestOptions) (*google.AwsSecurityCredentials, error) {
	keys, err := supplier.Credentials(ctx, a.supplier, supplierContext(o))
	if err != nil {
		return nil, err
	}
	return &google.AwsSecurityCredentials{
		AccessKeyID:     keys.AccessKeyID,
		SecretAccessKey: keys.SecretAccessKey.Reveal(),
		SessionToken:    keys.SessionToken.Reveal(),
	}, nil
}

func supplierContext(o *google.RequestOptions) supplier.SupplierContext {
	return supplier.SupplierContext{Audience: o.Audience, SubjectTokenType: o.SubjectTokenType}
}
