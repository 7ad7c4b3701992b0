package fakecloud

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// secretName is what most operations answer with.
type secretName struct {
	ARN, Name string
	VersionId string `json:",omitempty"`
}

// named is an answer about a version, or about none if its id is "".
func (s *storedSecret) named(versionID string) secretName {
	return secretName{s.arn, s.name, versionID}
}

// secret finds a secret for an operation that also works on one that is
// scheduled for deletion.
func (call *secretsCall) secret(action, id string) (*storedSecret, error) {
	if err := checkSecretID(id); err != nil {
		return nil, err
	}
	secret := call.store.find(id, call.now)
	resources := []string{id}
	if secret != nil {
		resources = append(resources, secret.arn, secret.name)
	}
	if err := call.authorize(action, resources...); err != nil {
		return nil, err
	}
	if secret == nil {
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	return secret, nil
}

// liveSecret finds a secret that is not scheduled for deletion.
func (call *secretsCall) liveSecret(action, id string) (*storedSecret, error) {
	secret, err := call.secret(action, id)
	if err == nil && !secret.deletion.IsZero() {
		return nil, refuse("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
	}
	return secret, err
}

func checkSecretID(id string) error {
	if err := checkLength("secretId", id, 1, 2048); err != nil || strings.HasPrefix(id, "arn:") {
		return err
	}
	return checkSecretName(id)
}

func checkSecretName(name string) error {
	if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/_+=.@!") != "" {
		return refuse("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	return nil
}

type createSecretInput struct {
	valueInput
	Name, Description, KmsKeyId, ClientRequestToken string
	Tags                                            []tag
	AddReplicaRegions                               []any
}

func (call *secretsCall) createSecret(in createSecretInput) (any, error) {
	value, err := in.check()
	if err != nil {
		return nil, err
	}
	if err := call.authorize("CreateSecret", in.Name); err != nil {
		return nil, err
	}
	if existing := call.store.find(in.Name, call.now); existing != nil {
		return in.answerExisting(existing, value)
	}
	secret, versionID := call.newSecret(in), ""
	if value != nil {
		versionID = in.ClientRequestToken
		if _, err := call.putVersion(secret, versionID, value, nil); err != nil {
			return nil, err
		}
	}
	call.store.add(secret)
	return secret.named(versionID), nil
}

func (in createSecretInput) check() (*secretValue, error) {
	if len(in.AddReplicaRegions) > 0 {
		return nil, notInFake("replication")
	}
	if err := checkLength("name", in.Name, 1, 512); err != nil {
		return nil, err
	}
	if err := checkSecretName(in.Name); err != nil {
		return nil, err
	}
	if err := checkLength("description", in.Description, 0, 2048); err != nil {
		return nil, err
	}
	if _, err := withTags(nil, in.Tags); err != nil {
		return nil, err
	}
	value, err := in.value()
	if err == nil && value != nil {
		err = checkToken(in.ClientRequestToken, "InvalidRequestException")
	}
	return value, err
}

// answerExisting answers the creation of a secret that exists: well when it is
// a repetition, else with the reason.
func (in createSecretInput) answerExisting(existing *storedSecret, value *secretValue) (any, error) {
	if !existing.deletion.IsZero() {
		return nil, refuse("InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if v := existing.version(in.ClientRequestToken); v != nil && v.value != nil && value != nil {
		if !v.value.equal(value) {
			return nil, tokenInUse(in.ClientRequestToken, existing)
		}
		return existing.named(v.id), nil
	}
	return nil, refuse("ResourceExistsException", "The operation failed because the secret %s already exists.", in.Name)
}

func (call *secretsCall) newSecret(in createSecretInput) *storedSecret {
	call.store.created++
	o := call.cloud.options
	arn := "arn:aws:secretsmanager:" + o.Region + ":" + o.AccountID + ":secret:" + in.Name +
		"-" + derive(o.Seed, "arn", in.Name, call.store.created).letters(6)
	return &storedSecret{
		arn: arn, name: in.Name, description: in.Description, kmsKeyID: in.KmsKeyId, tags: slices.Clone(in.Tags),
		created: call.now, changed: call.now, labels: map[string]*storedVersion{},
	}
}

func (s *secretStore) add(secret *storedSecret) {
	if s.byName == nil {
		s.byName = map[string]*storedSecret{}
	}
	s.byName[secret.name] = secret
	s.ordered = append(s.ordered, secret)
}

type updateSecretInput struct {
	valueInput
	SecretId, ClientRequestToken string
	Description, KmsKeyId        *string
}

func (call *secretsCall) updateSecret(in updateSecretInput) (any, error) {
	secret, err := call.liveSecret("UpdateSecret", in.SecretId)
	if err != nil {
		return nil, err
	}
	value, err := in.check(secret)
	if err != nil {
		return nil, err
	}
	if err := call.rekey(secret, in.KmsKeyId); err != nil {
		return nil, err
	}
	versionID := ""
	if value != nil {
		versionID = in.ClientRequestToken
		if _, err := call.putVersion(secret, versionID, value, []string{awsCurrent}); err != nil {
			return nil, err
		}
	}
	if in.Description != nil {
		secret.description = *in.Description
	}
	secret.changed = call.now
	return secret.named(versionID), nil
}

func (in updateSecretInput) check(secret *storedSecret) (*secretValue, error) {
	if in.Description != nil {
		if err := checkLength("description", *in.Description, 0, 2048); err != nil {
			return nil, err
		}
	}
	value, err := in.value()
	if err != nil || value == nil {
		return nil, err
	}
	if err := checkToken(in.ClientRequestToken, "InvalidRequestException"); err != nil {
		return nil, err
	}
	// Unlike PutSecretValue it is not idempotent: a token that is a version's
	// id is an error (API reference).
	if secret.version(in.ClientRequestToken) != nil {
		return nil, tokenInUse(in.ClientRequestToken, secret)
	}
	return value, nil
}

// rekey changes the KMS key, also of the versions that have one of Secrets
// Manager's own labels. "" stands for aws/secretsmanager.
func (call *secretsCall) rekey(secret *storedSecret, keyID *string) error {
	if keyID == nil {
		return nil
	}
	if err := call.store.access.useKMS(*keyID); err != nil {
		return err
	}
	secret.kmsKeyID = *keyID
	for _, label := range []string{awsCurrent, awsPrevious, awsPending} {
		if v := secret.labels[label]; v != nil {
			v.kmsKeyID = *keyID
		}
	}
	return nil
}

type deleteSecretInput struct {
	SecretId                   string
	ForceDeleteWithoutRecovery bool
	RecoveryWindowInDays       *int
}

type deletedSecret struct {
	secretName
	DeletionDate *epoch
}

func (call *secretsCall) deleteSecret(in deleteSecretInput) (any, error) {
	days := 30
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
		if in.ForceDeleteWithoutRecovery {
			return nil, refuse("InvalidParameterException", "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		}
	}
	if days < 7 || days > 30 {
		return nil, refuse("InvalidParameterException", "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	}
	if in.ForceDeleteWithoutRecovery {
		return call.forceDelete(in.SecretId)
	}
	secret, err := call.liveSecret("DeleteSecret", in.SecretId)
	if err != nil {
		return nil, err
	}
	secret.deletion = call.now.AddDate(0, 0, days)
	return deletedSecret{secret.named(""), epochOf(secret.deletion)}, nil
}

// forceDelete also succeeds on a secret that is scheduled for deletion and on
// one that does not exist.
func (call *secretsCall) forceDelete(id string) (any, error) {
	secret, err := call.secret("DeleteSecret", id)
	if refused := (*awsError)(nil); errors.As(err, &refused) && refused.code == "ResourceNotFoundException" {
		return deletedSecret{secretName{ARN: id, Name: id}, epochOf(call.now)}, nil
	}
	if err != nil {
		return nil, err
	}
	call.store.remove(secret)
	return deletedSecret{secret.named(""), epochOf(call.now)}, nil
}

type secretIDInput struct{ SecretId string }

func (call *secretsCall) restoreSecret(in secretIDInput) (any, error) {
	secret, err := call.secret("RestoreSecret", in.SecretId)
	if err != nil {
		return nil, err
	}
	secret.deletion = time.Time{}
	return secret.named(""), nil
}

type tagResourceInput struct {
	SecretId string
	Tags     []tag
}

func (call *secretsCall) tagResource(in tagResourceInput) (any, error) {
	secret, err := call.liveSecret("TagResource", in.SecretId)
	if err != nil {
		return nil, err
	}
	tags, err := withTags(secret.tags, in.Tags)
	if err != nil {
		return nil, err
	}
	secret.tags = tags
	return struct{}{}, nil
}

// withTags is tags with more set. It refuses what cannot be a tag.
func withTags(tags, more []tag) ([]tag, error) {
	tags = slices.Clone(tags)
	for _, t := range more {
		if err := checkLength("tags.member.key", t.Key, 1, 128); err != nil {
			return nil, err
		}
		if err := checkLength("tags.member.value", t.Value, 0, 256); err != nil {
			return nil, err
		}
		if strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return nil, refuse("InvalidParameterException", "The tag key %q starts with aws:, which is reserved.", t.Key)
		}
		if i := slices.IndexFunc(tags, func(old tag) bool { return old.Key == t.Key }); i >= 0 {
			tags[i] = t
		} else {
			tags = append(tags, t)
		}
	}
	if len(tags) > maxTags {
		return nil, refuse("LimitExceededException", "A secret can have up to %d tags.", maxTags)
	}
	return tags, nil
}

type untagResourceInput struct {
	SecretId string
	TagKeys  []string
}

func (call *secretsCall) untagResource(in untagResourceInput) (any, error) {
	secret, err := call.liveSecret("UntagResource", in.SecretId)
	if err != nil {
		return nil, err
	}
	secret.tags = slices.DeleteFunc(slices.Clone(secret.tags), func(t tag) bool { return slices.Contains(in.TagKeys, t.Key) })
	return struct{}{}, nil
}
