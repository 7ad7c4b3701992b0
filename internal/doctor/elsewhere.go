package doctor

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"golang.org/x/sync/errgroup"
)

// regions are those that every AWS account has.
// https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
var regions = [...]string{
	"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1",
	"eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3",
	"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
}

// elsewhereTimeout bounds the looking through all of them.
const elsewhereTimeout = 5 * time.Second

// elsewhere remembers where the first missing secret was found. The others are likely
// there as well, or nowhere.
type elsewhere struct {
	once   sync.Once
	region string
}

// lookElsewhere returns a region in which there is a secret of the target's name;
// empty if none is found, which it is not where the role may not look.
func (b *branch) lookElsewhere(ctx context.Context) string {
	if b.on.Describe == nil || strings.HasPrefix(b.target.Secret, "arn:") || b.on.Environment.Store.Client.Options().BaseEndpoint != nil {
		return ""
	}
	first := false
	b.on.elsewhere.once.Do(func() {
		first = true
		b.on.elsewhere.region = b.searchRegions(ctx)
	})
	region := b.on.elsewhere.region
	if region == "" || first || b.isIn(ctx, region) {
		return region
	}
	return ""
}

func (b *branch) searchRegions(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, elsewhereTimeout)
	defer cancel()
	var found [len(regions)]bool
	var group errgroup.Group
	for i, region := range regions {
		if region == b.names["REGION"] {
			continue
		}
		group.Go(func() error {
			found[i] = b.isIn(ctx, region)
			return nil
		})
	}
	_ = group.Wait() // no look returns an error
	for i, region := range regions {
		if found[i] {
			return region
		}
	}
	return ""
}

func (b *branch) isIn(ctx context.Context, region string) bool {
	_, err := b.on.Describe(ctx, region, b.target.Secret)
	return err == nil
}

// nameKey learns the key that a secret is encrypted with, which Secrets Manager tells as
// it was given: an ARN, a bare id, which is of the same account and region, or an alias.
// Only an ARN of a key is of use in a policy.
func (b *branch) nameKey(ctx context.Context) {
	if b.on.Describe == nil {
		return
	}
	key, err := b.on.Describe(ctx, b.names["REGION"], b.target.Secret)
	if err != nil || key == "" {
		return
	}
	b.names["KMS_ID"] = key
	switch {
	case strings.HasPrefix(key, "arn:") && strings.Contains(key, ":key/"):
		b.names["KMS_KEY"] = key
	case !strings.ContainsAny(key, ":/"):
		b.names["KMS_KEY"] = b.names.arn("kms", "key/"+key)
	}
}

// DescribeFunc returns the KMS key of a secret in a region, empty if that is AWS's
// own. It fails where there is no such secret, or it may not be described.
type DescribeFunc func(ctx context.Context, region, secretID string) (kmsKey string, err error)

// Describe asks Secrets Manager, once.
func Describe(client *secretsmanager.Client) DescribeFunc {
	return func(ctx context.Context, region, secretID string) (string, error) {
		described, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &secretID}, func(o *secretsmanager.Options) {
			o.Region = region
			o.RetryMaxAttempts = 1
		})
		if err != nil {
			return "", err
		}
		return aws.ToString(described.KmsKeyId), nil
	}
}
