package tokenstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/wifmint/wifmint/pkg/secret"
)

// maxRounds bounds the puts of one Write. Every round beyond the first takes
// somebody who moved AWSCURRENT back to a version that had been replaced, or who
// put a token that was due at once: neither happens often, let alone eight times.
const maxRounds = 8

const stageCurrent = "AWSCURRENT"

// Outcome is what became of a [Store.Write]. The zero value is none.
type Outcome int

const (
	// Written: the token is AWSCURRENT, by this call or an earlier try of it.
	Written Outcome = iota + 1
	// Superseded: the secret holds a token that is not due, or one at least as
	// good as the one offered; nothing was written.
	Superseded
	// Paused: a person has stopped the target, see [Store.Pause]; nothing was written.
	Paused
)

// WriteResult is what the secret holds after a [Store.Write].
type WriteResult struct {
	Outcome Outcome
	// Current is what was written, or what was found in its stead.
	Current Current
}

// Write replaces what current holds by next. The ClientRequestToken is derived
// from the secret's ARN and current version, so of any number of concurrent
// writers that read the same version exactly one succeeds; the others re-read
// and, if what they find is not due (or no worse than next for the same
// identity), end [Superseded]. due decides about a re-read secret; it is required.
// A secret that is paused, or was since current was read, stays so: [Paused].
//
// Nothing is read before the first put, and nothing at all is called when current
// itself is paused or holds a token for next's identity that expires no earlier.
//
// Fails with an *[Error]. One that is Retryable may come after the put took
// effect; the same Write is then harmless, and a fresh Read tells.
func (s *Store) Write(ctx context.Context, current Current, next Token, due func(Current) bool) (WriteResult, error) {
	value, err := next.Encode()
	if err != nil {
		return WriteResult{}, encodeError(current.SecretID, err)
	}
	next = next.canonical()
	switch {
	case current.Pause() != nil:
		return WriteResult{Paused, current}, nil
	case current.noWorseThan(next):
		return WriteResult{Superseded, current}, nil
	}

	counter := 0
	for range maxRounds {
		written, err := s.put(ctx, current, requestToken(current, counter), next, string(value))
		if err == nil {
			return WriteResult{Written, written}, nil
		}
		if !errors.Is(err, errConflict) {
			return WriteResult{}, err
		}

		found, err := s.Read(ctx, current.SecretID)
		switch {
		case err != nil:
			return WriteResult{}, err
		case found.Pause() != nil:
			return WriteResult{Paused, found}, nil
		case found.Usable() && found.Token.Value.Equal(next.Value):
			// A try of ours took effect though its answer was lost.
			return WriteResult{Written, found}, nil
		case found.noWorseThan(next):
			return WriteResult{Superseded, found}, nil
		case found.VersionID == current.VersionID:
			// The version derived from this one exists, yet this one is current:
			// somebody moved the label back.
			counter++
		case found.Usable() && !due(found):
			return WriteResult{Superseded, found}, nil
		default:
			counter = 0
		}
		current = found
	}
	return WriteResult{}, contentionError(current)
}

// noWorseThan reports whether c holds a token for next's identity that expires
// no earlier than next. One that claims to, at times that cannot be true, does not
// count. The clock is next's: it has just been minted.
func (c Current) noWorseThan(next Token) bool {
	return c.Usable() && c.Token.SameIdentity(next) && c.Token.Credible(next.MintedAt) && !c.Token.Expiry.Before(next.Expiry)
}

// errConflict means that the request token is taken by another value, or that
// the secret to create exists: somebody else was faster.
var errConflict = errors.New("conflicting write")

// put makes next, whose encoding is value, the secret's current version, creating
// the secret if it does not exist. It fails with errConflict or an *Error.
func (s *Store) put(ctx context.Context, current Current, requestToken string, next Token, value string) (Current, error) {
	version, err := s.putCurrent(ctx, current.SecretID, requestToken, value, next.Value)
	if e, ok := errors.AsType[*Error](err); ok && e.Code == notFoundCode {
		// Not asked earlier: the common write then costs one call, and a secret
		// that exists without a value, as CloudFormation makes them, is used.
		return s.create(ctx, current.SecretID, requestToken, next, value)
	}
	version.Token = next
	return version, err
}

// putCurrent makes value, which has the token sent in it, the secret's current
// version. It fails with errConflict or an *Error.
func (s *Store) putCurrent(ctx context.Context, secretID, requestToken, value string, sent ...secret.Text) (Current, error) {
	const op = "PutSecretValue"
	out, err := s.Client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId:           &secretID,
		ClientRequestToken: &requestToken,
		SecretString:       &value,
	})
	if err != nil {
		return Current{}, conflictOr(op, secretID, err, sent...)
	}
	if !slices.Contains(out.VersionStages, stageCurrent) && len(out.VersionStages) > 0 {
		// The same value under the same token, put earlier and replaced since:
		// Secrets Manager did nothing.
		return Current{}, errConflict
	}
	if out.VersionId == nil {
		return Current{}, invalidResponse(op, secretID)
	}
	return Current{SecretID: secretID, ARN: deref(out.ARN), VersionID: *out.VersionId}, nil
}

func (s *Store) create(ctx context.Context, name, requestToken string, next Token, value string) (Current, error) {
	const op = "CreateSecret"
	if !s.Create || strings.HasPrefix(name, "arn:") {
		return Current{}, missingError(name)
	}
	in := secretsmanager.CreateSecretInput{
		Name:               &name,
		ClientRequestToken: &requestToken,
		SecretString:       &value,
	}
	if s.KMSKeyID != "" {
		in.KmsKeyId = &s.KMSKeyID
	}
	if s.Description != "" {
		in.Description = &s.Description
	}
	for key, value := range s.Tags {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	out, err := s.Client.CreateSecret(ctx, &in)
	if err != nil {
		return Current{}, conflictOr(op, name, err, next.Value)
	}
	if out.VersionId == nil {
		return Current{}, invalidResponse(op, name)
	}
	return Current{SecretID: name, ARN: deref(out.ARN), VersionID: *out.VersionId, Token: next}, nil
}

func conflictOr(op, secretID string, err error, sent ...secret.Text) error {
	if _, ok := errors.AsType[*types.ResourceExistsException](err); ok {
		return errConflict
	}
	return newError(op, secretID, err, sent...)
}

// requestToken derives the ClientRequestToken, which becomes the new version's
// id, from the version that is to be replaced. Every writer that saw this version
// derives the same one, whatever release it runs, so the derivation must never
// change. It is a name-based UUIDv8 (RFC 9562, appendix B.2).
func requestToken(current Current, counter int) string {
	secret := current.ARN
	if secret == "" {
		secret = nameOf(current.SecretID)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "wifmint\x00%s\x00%s\x00%d", secret, current.VersionID, counter))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// nameOf is the name in a secret's ARN, whole or without its suffix, and any other id
// as it is. A secret that holds nothing does not tell its ARN, so the name is all that
// is known to everyone who sees it so. One that ends like a suffix, which AWS advises
// against, is not told from an ARN's without.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
func nameOf(secretID string) string {
	parts := strings.SplitN(secretID, ":", 7)
	if len(parts) != 7 || parts[0] != "arn" {
		return secretID
	}
	return withoutSuffix(parts[6])
}

// withoutSuffix takes off the hyphen and the six random characters that Secrets
// Manager puts behind a secret's name in its ARN.
func withoutSuffix(arn string) string {
	if end := len(arn) - len("-AbCdEf"); end > 0 && arn[end] == '-' {
		return arn[:end]
	}
	return arn
}
