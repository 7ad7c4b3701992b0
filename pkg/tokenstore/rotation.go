package tokenstore

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// What a rotation function needs. Its caller, Secrets Manager, names the version
// to make (the ClientRequestToken) and has labelled it AWSPENDING.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html

const stagePending = "AWSPENDING"

// ErrMoved is wrapped by an [Error] of [Store.MakeCurrent] when AWSCURRENT is not,
// or no longer, where the caller thinks it is.
var ErrMoved = errors.New("the staging label is elsewhere")

// Description is what a secret's staging labels and its rotation are now.
type Description struct {
	// RotationEnabled is false also when no rotation was ever configured.
	RotationEnabled bool
	// Labels are those of each version that has any, by the version's id.
	Labels map[string][]string
}

// IsCurrent reports whether a version is AWSCURRENT.
func (d Description) IsCurrent(versionID string) bool {
	return slices.Contains(d.Labels[versionID], stageCurrent)
}

// IsPending reports whether a version is AWSPENDING.
func (d Description) IsPending(versionID string) bool {
	return slices.Contains(d.Labels[versionID], stagePending)
}

// Describe tells a secret's labels with DescribeSecret, without its value. It
// fails with an *[Error], also when there is no such secret.
func (s *Store) Describe(ctx context.Context, secretID string) (Description, error) {
	const op = "DescribeSecret"
	out, err := s.Client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &secretID})
	if err != nil {
		return Description{}, newError(op, secretID, err)
	}
	if deref(out.ARN) == "" {
		return Description{}, invalidResponse(op, secretID)
	}
	return Description{RotationEnabled: aws.ToBool(out.RotationEnabled), Labels: out.VersionIdsToStages}, nil
}

// ReadVersion reads one version of a secret with GetSecretValue, whether or not it
// is the current one. A version without a value, as a rotation begins with, is
// not an error: its VersionID is empty. It fails with an *[Error].
func (s *Store) ReadVersion(ctx context.Context, secretID, versionID string) (Current, error) {
	return s.get(ctx, secretsmanager.GetSecretValueInput{SecretId: &secretID, VersionId: &versionID})
}

// PutPending gives the version that a rotation is to make its value, next, once
// and for all: a value that it has already stays. It returns what the version
// holds afterwards, and fails with an *[Error].
func (s *Store) PutPending(ctx context.Context, secretID, versionID string, next Token) (Current, error) {
	const op = "PutSecretValue"
	value, err := next.Encode()
	if err != nil {
		return Current{}, encodeError(secretID, err)
	}
	out, err := s.Client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId:           &secretID,
		ClientRequestToken: &versionID,
		SecretString:       aws.String(string(value)),
		VersionStages:      []string{stagePending},
	})
	if _, ok := errors.AsType[*types.ResourceExistsException](err); ok {
		return s.ReadVersion(ctx, secretID, versionID)
	}
	if err != nil {
		return Current{}, newError(op, secretID, err, next.Value)
	}
	if deref(out.VersionId) == "" {
		return Current{}, invalidResponse(op, secretID)
	}
	return Current{SecretID: secretID, ARN: deref(out.ARN), VersionID: *out.VersionId, Token: next.canonical()}, nil
}

// MakeCurrent moves AWSCURRENT from one version to another, or, with from empty, to
// the first one to have it. It is a compare-and-swap: where somebody else has
// moved the label meanwhile nothing happens, and the error, an *[Error], wraps
// [ErrMoved].
//
// AWSPENDING is left on the version. Secrets Manager itself takes it away when the
// rotation is over, and might take a removal for a rotation that failed.
func (s *Store) MakeCurrent(ctx context.Context, secretID, from, to string) error {
	in := secretsmanager.UpdateSecretVersionStageInput{
		SecretId:        &secretID,
		VersionStage:    aws.String(stageCurrent),
		MoveToVersionId: &to,
	}
	if from != "" {
		in.RemoveFromVersionId = &from
	}
	return s.moveLabel(ctx, &in)
}

// RemovePending takes AWSPENDING away from a version, so that the next rotation may
// begin. If another version has the label it stays there, and nothing happens. It
// fails with an *[Error].
func (s *Store) RemovePending(ctx context.Context, secretID, versionID string) error {
	err := s.moveLabel(ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId:            &secretID,
		VersionStage:        aws.String(stagePending),
		RemoveFromVersionId: &versionID,
	})
	if !errors.Is(err, ErrMoved) {
		return err
	}
	d, describeErr := s.Describe(ctx, secretID)
	if describeErr != nil {
		return describeErr
	}
	if d.IsPending(versionID) {
		return err
	}
	return nil
}

func (s *Store) moveLabel(ctx context.Context, in *secretsmanager.UpdateSecretVersionStageInput) error {
	_, err := s.Client.UpdateSecretVersionStage(ctx, in)
	if err == nil {
		return nil
	}
	e := newError("UpdateSecretVersionStage", *in.SecretId, err)
	// Which of the two it is, when a label is not where the caller says, AWS does
	// not document; the first it is when the caller does not say where.
	if e.Code == "InvalidParameterException" || e.Code == "InvalidRequestException" {
		e.Err = ErrMoved
	}
	return e
}
