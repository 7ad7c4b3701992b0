package externalaccount

import (
	"cmp"
	"context"

	"github.com/wifmint/wifmint/pkg/supplier"
)

// awsSupplier is the options' supplier or the file's own sources, and the
// file's role on top of it.
func awsSupplier(f *File, o Options) supplier.AwsSecurityCredentialsSupplier {
	base := o.Supplier
	if base == nil {
		base = AWSSources(f, o)
	}
	if f.AWSRoleARN != "" {
		return &supplier.AssumeRole{
			Base:         base,
			RoleARN:      f.AWSRoleARN,
			SessionName:  f.AWSSessionName,
			Region:       f.AWSRegion,
			BaseEndpoint: cmp.Or(o.Getenv("AWS_ENDPOINT_URL_STS"), o.Getenv("AWS_ENDPOINT_URL")),
			HTTPClient:   o.HTTPClient,
			Now:          o.Now,
		}
	}
	if f.AWSRegion != "" {
		return inRegion{base, f.AWSRegion}
	}
	return base
}

// AWSSources is where a credential file looks for AWS keys, in order: the
// environment, the container endpoint, and, but on Lambda, the instance
// metadata at the file's URLs. A caller with further sources inserts them and
// passes the chain as Options.Supplier.
func AWSSources(f *File, o Options) supplier.Chain {
	source := cmp.Or(f.AWS, &AWSSource{})
	return supplier.DefaultWith(supplier.IMDS{
		TokenURL:         source.IMDSv2SessionTokenURL,
		CredentialsURL:   source.URL,
		RegionURL:        source.RegionURL,
		AllowAnyEndpoint: o.AllowAnyEndpoint,
		Getenv:           o.Getenv,
		Now:              o.Now,
	})
}

// inRegion signs for the file's aws_region, wherever the keys come from.
type inRegion struct {
	supplier.AwsSecurityCredentialsSupplier
	region string
}

func (s inRegion) AwsRegion(context.Context, supplier.SupplierContext) (string, error) {
	return s.region, nil
}
