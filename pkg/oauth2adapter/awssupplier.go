package oauth2adapter

import (
	"context"

	google "golang.org/x/oauth2/google/externalaccount"

	"github.com/wifmint/wifmint/pkg/supplier"
)

// AWSSupplier has Google's library sign with the credentials of s, such as
// supplier.Default(nil), as the AwsSecurityCredentialsSupplier of its Config.
//
// Given no keys that library panics, and without a region it signs for
// sts..amazonaws.com. Through AWSSupplier either is a *supplier.Error or
// *supplier.ChainError from the library's Token, or its text if the Config
// impersonates. What the library does wrong afterwards stays: it does not try
// again, its other errors have no type, and it knows no verification URL but the
// region's default.
func AWSSupplier(s supplier.AwsSecurityCredentialsSupplier) google.AwsSecurityCredentialsSupplier {
	return awsSupplier{s}
}

type awsSupplier struct {
	supplier supplier.AwsSecurityCredentialsSupplier
}

func (a awsSupplier) AwsRegion(ctx context.Context, o google.SupplierOptions) (string, error) {
	return supplier.Region(ctx, a.supplier, supplierContext(o))
}

func (a awsSupplier) AwsSecurityCredentials(ctx context.Context, o google.SupplierOptions) (*google.AwsSecurityCredentials, error) {
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

func supplierContext(o google.SupplierOptions) supplier.SupplierContext {
	return supplier.SupplierContext{Audience: o.Audience, SubjectTokenType: o.SubjectTokenType}
}
