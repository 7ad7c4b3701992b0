package tokenstore

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"golang.org/x/sync/errgroup"
)

const (
	// batchSize is how many secrets one BatchGetSecretValue takes.
	batchSize = 20
	// batchConcurrency keeps a run over thousands of secrets far below the
	// account's 100 BatchGetSecretValue calls a second, which others share.
	batchConcurrency = 4
	// singleConcurrency is for where batches are denied. GetSecretValue has room
	// for 10,000 calls a second.
	singleConcurrency = 16
)

// ErrNotTried is the cause of an *[Error] of [Store.ReadMany] for a secret that
// was not asked for, since ctx had ended.
var ErrNotTried = errors.New("there was no time left to read it")

// Read reads one secret with GetSecretValue. A secret without a current
// version is not an error. Fails with an *[Error].
func (s *Store) Read(ctx context.Context, secretID string) (Current, error) {
	return s.get(ctx, secretsmanager.GetSecretValueInput{SecretId: &secretID})
}

// ReadStage is [Store.Read] for the version with a staging label, such as
// "AWSPREVIOUS". That no version has it is not an error: VersionID is empty then.
func (s *Store) ReadStage(ctx context.Context, secretID, stage string) (Current, error) {
	return s.get(ctx, secretsmanager.GetSecretValueInput{SecretId: &secretID, VersionStage: &stage})
}

func (s *Store) get(ctx context.Context, in secretsmanager.GetSecretValueInput) (Current, error) {
	const op = "GetSecretValue"
	secretID := *in.SecretId
	out, err := s.Client.GetSecretValue(ctx, &in)
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		return Current{SecretID: secretID}, nil
	}
	if err != nil {
		return Current{SecretID: secretID}, newError(op, secretID, err)
	}
	if deref(out.VersionId) == "" {
		return Current{SecretID: secretID}, invalidResponse(op, secretID)
	}
	return newCurrent(secretID, out.ARN, out.VersionId, out.SecretString), nil
}

// ReadResult is one secret of a [Store.ReadMany].
type ReadResult struct {
	Current Current
	Err     error // an *Error; Current.SecretID is set all the same
}

// ReadMany reads any number of secrets, 20 a BatchGetSecretValue call (a
// single one with GetSecretValue), and returns one result for each id, in
// order. Where a batch as a whole is refused, and where it leaves a secret out,
// the secrets are read one by one, so that a role may do without
// secretsmanager:BatchGetSecretValue, and one bad secret spoils no other.
func (s *Store) ReadMany(ctx context.Context, secretIDs []string) []ReadResult {
	// Secrets Manager refuses a batch that names a secret twice.
	place := make(map[string]int, len(secretIDs))
	var unique []ReadResult
	for _, id := range secretIDs {
		if _, ok := place[id]; !ok {
			place[id] = len(unique)
			unique = append(unique, ReadResult{Current: Current{SecretID: id}})
		}
	}

	left := make([]*ReadResult, len(unique))
	for i := range unique {
		left[i] = &unique[i]
	}
	if len(left) > 1 {
		left = s.readBatches(ctx, left)
	}
	each(left, singleConcurrency, func(r *ReadResult) {
		if !r.skipped(ctx) {
			r.Current, r.Err = s.Read(ctx, r.Current.SecretID)
		}
	})

	results := make([]ReadResult, len(secretIDs))
	for i, id := range secretIDs {
		results[i] = unique[place[id]]
	}
	return results
}

// readBatches fills in the results it gets an answer for and returns the rest.
func (s *Store) readBatches(ctx context.Context, all []*ReadResult) []*ReadResult {
	batches := slices.Collect(slices.Chunk(all, batchSize))
	rests := make([][]*ReadResult, len(batches))
	numbers := make([]int, len(batches))
	for i := range numbers {
		numbers[i] = i
	}
	each(numbers, batchConcurrency, func(i int) { rests[i] = s.batchGet(ctx, batches[i]) })
	return slices.Concat(rests...)
}

// each calls f for every item, at most limit at a time.
func each[T any](items []T, limit int, f func(T)) {
	var group errgroup.Group
	group.SetLimit(limit)
	for _, item := range items {
		group.Go(func() error {
			f(item)
			return nil
		})
	}
	_ = group.Wait() // f reports for itself
}

// skipped marks a secret for which there is no time left.
func (r *ReadResult) skipped(ctx context.Context) bool {
	if ctx.Err() == nil {
		return false
	}
	r.Err = &Error{Op: "GetSecretValue", SecretID: r.Current.SecretID, Code: "Timeout", Message: ErrNotTried.Error(), Retryable: true, Err: ErrNotTried}
	return true
}

// batchGet fills in the results it gets an answer for and returns the rest.
func (s *Store) batchGet(ctx context.Context, left []*ReadResult) []*ReadResult {
	const op = "BatchGetSecretValue"
	if len(left) == 1 {
		return left
	}
	var in secretsmanager.BatchGetSecretValueInput
	for _, r := range left {
		in.SecretIdList = append(in.SecretIdList, r.Current.SecretID)
	}
	// A page may be empty and still have a successor; one a secret is plenty.
	for range len(left) {
		if ctx.Err() != nil {
			return left // for skipped
		}
		out, err := s.Client.BatchGetSecretValue(ctx, &in)
		if err != nil {
			return failBatch(ctx, op, left, err)
		}
		left = slices.DeleteFunc(left, func(r *ReadResult) bool { return r.fill(op, out) })
		if len(left) == 0 || deref(out.NextToken) == "" {
			break
		}
		in.NextToken = out.NextToken
	}
	return left
}

// failBatch deals with the failure of a whole call. What hit every secret alike
// and may pass is not tried again for each of them; anything else may be about
// the batch or about one secret in it, so the secrets are left to be read singly.
func failBatch(ctx context.Context, op string, left []*ReadResult, err error) []*ReadResult {
	if ctx.Err() == nil && !newError(op, "", err).Retryable {
		return left
	}
	for _, r := range left {
		r.Err = newError(op, r.Current.SecretID, err)
	}
	return nil
}

// fill takes r's secret from a batch's answer and reports whether it was there.
func (r *ReadResult) fill(op string, out *secretsmanager.BatchGetSecretValueOutput) bool {
	id := r.Current.SecretID
	for _, v := range out.SecretValues {
		if id != deref(v.Name) && !namesARN(id, deref(v.ARN)) || deref(v.VersionId) == "" {
			continue
		}
		r.Current = newCurrent(id, v.ARN, v.VersionId, v.SecretString)
		return true
	}
	for _, e := range out.Errors {
		if !namesARN(id, deref(e.SecretId)) {
			continue
		}
		if code := deref(e.ErrorCode); code != notFoundCode {
			r.Err = newAPIError(op, id, 0, code, deref(e.Message))
		}
		return true
	}
	return false
}

// namesARN reports whether id is arn, or arn without its suffix, which Secrets
// Manager accepts in an ARN's place.
func namesARN(id, arn string) bool {
	return id == arn || strings.HasPrefix(id, "arn:") && id == withoutSuffix(arn)
}
