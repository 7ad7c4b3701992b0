package tokenstore

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// MaxWritesPerDay is what Secrets Manager calls sustainable for one secret, a write
// in 10 minutes: it keeps a hundred versions, and every one for a day.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
const MaxWritesPerDay = 144

// maxVersionPages bounds a listing. A secret has fewer than 200 versions.
const maxVersionPages = 10

// Version is one version of a secret, without its value.
type Version struct {
	// ID is the ClientRequestToken that it was put with.
	ID string
	// Labels are its staging labels; none once it is out of use.
	Labels []string
	// Created is AWS's time; zero if it does not tell.
	Created time.Time
}

// Versions lists the versions of a secret that there still are with
// ListSecretVersionIds, the newest first. It fails with an *[Error], also when there
// is no such secret.
func (s *Store) Versions(ctx context.Context, secretID string) ([]Version, error) {
	in := &secretsmanager.ListSecretVersionIdsInput{SecretId: &secretID, IncludeDeprecated: aws.Bool(true), MaxResults: aws.Int32(100)}
	var versions []Version
	for range maxVersionPages {
		out, err := s.Client.ListSecretVersionIds(ctx, in)
		if err != nil {
			return nil, newError("ListSecretVersionIds", secretID, err)
		}
		for _, v := range out.Versions {
			versions = append(versions, Version{ID: deref(v.VersionId), Labels: v.VersionStages, Created: aws.ToTime(v.CreatedDate)})
		}
		if deref(out.NextToken) == "" {
			break
		}
		in.NextToken = out.NextToken
	}
	slices.SortStableFunc(versions, func(a, b Version) int { return b.Created.Compare(a.Created) })
	return versions, nil
}
