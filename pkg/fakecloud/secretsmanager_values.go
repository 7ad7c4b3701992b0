package fakecloud

import (
	"errors"
	"time"
)

// valueInput is the part of a request that carries a value.
type valueInput struct {
	SecretString *string
	SecretBinary []byte
}

// value is nil when the request carries none.
func (in valueInput) value() (*secretValue, error) {
	switch {
	case in.SecretString != nil && in.SecretBinary != nil:
		return nil, refuse("InvalidParameterException", "You can't specify both a binary secret value and a string secret value in the same secret.")
	case in.SecretString != nil:
		return &secretValue{text: *in.SecretString}, checkLength("secretString", *in.SecretString, 1, maxSecretValue)
	case in.SecretBinary != nil:
		return &secretValue{binary: in.SecretBinary}, checkLength("secretBinary", string(in.SecretBinary), 1, maxSecretValue)
	}
	return nil, nil
}

// valueOutput is a version as GetSecretValue and BatchGetSecretValue show it.
type valueOutput struct {
	ARN, Name, VersionId string
	SecretString         *string `json:",omitempty"`
	SecretBinary         []byte  `json:",omitempty"`
	VersionStages        []string
	CreatedDate          *epoch
}

type getSecretValueInput struct{ SecretId, VersionId, VersionStage string }

func (call *secretsCall) getSecretValue(in getSecretValueInput) (any, error) {
	return call.read(in)
}

func (call *secretsCall) read(in getSecretValueInput) (*valueOutput, error) {
	secret, err := call.liveSecret("GetSecretValue", in.SecretId)
	if err != nil {
		return nil, err
	}
	v, err := secret.pick(in.VersionId, in.VersionStage)
	if err != nil {
		return nil, err
	}
	if err := call.store.access.useKMS(v.kmsKeyID); err != nil {
		return nil, err
	}
	day := call.now.UTC().Truncate(24 * time.Hour)
	v.accessed, secret.accessed = day, day
	out := &valueOutput{
		ARN: secret.arn, Name: secret.name, VersionId: v.id,
		SecretBinary: v.value.binary, VersionStages: secret.labelsOf(v), CreatedDate: epochOf(v.created),
	}
	if v.value.binary == nil {
		out.SecretString = &v.value.text
	}
	return out, nil
}

// pick finds the version with an id, a label, or both; neither means AWSCURRENT.
func (s *storedSecret) pick(id, label string) (*storedVersion, error) {
	if id == "" {
		if label == "" {
			label = awsCurrent
		}
		if v := s.labels[label]; v != nil && v.value != nil {
			return v, nil
		}
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", label)
	}
	v := s.version(id)
	if v == nil || v.value == nil {
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s", id)
	}
	if label != "" && s.labels[label] != v {
		return nil, refuse("InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
	}
	return v, nil
}

// maxBatch is how many secrets one BatchGetSecretValue reads.
const maxBatch = 20

type batchGetSecretValueInput struct {
	SecretIdList []string
	Filters      []secretFilter
	MaxResults   *int
	NextToken    string
}

func (call *secretsCall) batchGetSecretValue(in batchGetSecretValueInput) (any, error) {
	if err := call.authorize("BatchGetSecretValue", "*"); err != nil {
		return nil, err
	}
	ids, next, err := call.batchIDs(in)
	if err != nil {
		return nil, err
	}
	type failure struct{ SecretId, ErrorCode, Message string }
	out := struct {
		SecretValues []*valueOutput
		Errors       []failure
		NextToken    string `json:",omitempty"`
	}{[]*valueOutput{}, []failure{}, next}
	for _, id := range ids {
		value, err := call.read(getSecretValueInput{SecretId: id})
		if refused := (*awsError)(nil); errors.As(err, &refused) {
			out.Errors = append(out.Errors, failure{id, refused.code, refused.message})
			continue
		}
		out.SecretValues = append(out.SecretValues, value)
	}
	return out, nil
}

// batchIDs are the secrets that a batch is to read: the list, or one page of
// what the filters let through.
func (call *secretsCall) batchIDs(in batchGetSecretValueInput) (ids []string, next string, err error) {
	if (len(in.SecretIdList) > 0) == (len(in.Filters) > 0) {
		return nil, "", refuse("InvalidParameterException", "You must include Filters or SecretIdList, but not both.")
	}
	if len(in.SecretIdList) > maxBatch {
		return nil, "", refuse("ValidationException", "1 validation error detected: Value at 'secretIdList' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", maxBatch)
	}
	if len(in.Filters) == 0 {
		if in.MaxResults != nil {
			return nil, "", refuse("InvalidParameterException", "To use MaxResults, you must also use Filters.")
		}
		return in.SecretIdList, "", nil
	}
	if err := call.authorize("ListSecrets", "*"); err != nil {
		return nil, "", err
	}
	secrets, next, err := call.list(in.Filters, false, in.MaxResults, maxBatch, in.NextToken)
	for _, secret := range secrets {
		ids = append(ids, secret.arn)
	}
	return ids, next, err
}

type putSecretValueInput struct {
	valueInput
	SecretId           string
	ClientRequestToken string
	VersionStages      *[]string
}

func (call *secretsCall) putSecretValue(in putSecretValueInput) (any, error) {
	secret, err := call.liveSecret("PutSecretValue", in.SecretId)
	if err != nil {
		return nil, err
	}
	value, err := in.value()
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, refuse("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
	}
	labels, err := in.labels()
	if err != nil {
		return nil, err
	}
	if err := checkToken(in.ClientRequestToken, "InvalidRequestException"); err != nil {
		return nil, err
	}
	v := secret.version(in.ClientRequestToken)
	if v == nil || v.value == nil {
		v, err = call.putVersion(secret, in.ClientRequestToken, value, labels)
	} else if !v.value.equal(value) {
		err = tokenInUse(in.ClientRequestToken, secret)
	}
	if err != nil {
		return nil, err
	}
	return struct {
		secretName
		VersionStages []string
	}{secret.named(v.id), secret.labelsOf(v)}, nil
}

func (in putSecretValueInput) labels() ([]string, error) {
	if in.VersionStages == nil {
		return []string{awsCurrent}, nil
	}
	if n := len(*in.VersionStages); n < 1 || n > maxLabels {
		return nil, refuse("ValidationException", "1 validation error detected: Value at 'versionStages' failed to satisfy constraint: "+
			"Member must have length between 1 and %d", maxLabels)
	}
	for _, label := range *in.VersionStages {
		if err := checkLength("versionStages", label, 1, 256); err != nil {
			return nil, err
		}
	}
	return *in.VersionStages, nil
}

// putVersion is a put whose token is new, or is that of a version without a value.
func (call *secretsCall) putVersion(secret *storedSecret, token string, value *secretValue, labels []string) (*storedVersion, error) {
	if err := call.store.access.useKMS(secret.kmsKeyID); err != nil {
		return nil, err
	}
	return secret.put(token, value, labels, call.now)
}

// checkToken refuses a ClientRequestToken that cannot be one. What AWS answers
// when there is none differs between operations.
func checkToken(token, codeIfMissing string) error {
	if token == "" {
		return refuse(codeIfMissing, "You must provide a ClientRequestToken value. We recommend a UUID-type value.")
	}
	return checkLength("clientRequestToken", token, 32, 64)
}

func tokenInUse(token string, secret *storedSecret) error {
	return refuse("ResourceExistsException", "You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.",
		token, secret.arn)
}

type updateSecretVersionStageInput struct {
	SecretId, VersionStage, MoveToVersionId, RemoveFromVersionId string
}

func (call *secretsCall) updateSecretVersionStage(in updateSecretVersionStageInput) (any, error) {
	secret, err := call.liveSecret("UpdateSecretVersionStage", in.SecretId)
	if err != nil {
		return nil, err
	}
	if err := checkLength("versionStage", in.VersionStage, 1, 256); err != nil {
		return nil, err
	}
	if err := secret.moveLabel(in.VersionStage, in.RemoveFromVersionId, in.MoveToVersionId); err != nil {
		return nil, err
	}
	secret.changed = call.now
	return secret.named(""), nil
}

// moveLabel takes a label from one version, attaches it to another, or both:
// a compare-and-swap, as from has to be where the label is now.
func (s *storedSecret) moveLabel(label, from, to string) error {
	if to == "" && label == awsCurrent {
		return refuse("InvalidParameterException", "You can only move staging label AWSCURRENT to a different secret version. It can’t be completely removed.")
	}
	if to == "" && from == "" {
		return refuse("InvalidParameterException", "You must provide MoveToVersionId, RemoveFromVersionId or both.")
	}
	at := ""
	if holder := s.labels[label]; holder != nil {
		at = holder.id
	}
	switch {
	case from == "" && at != "" && at != to:
		return refuse("InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, "+
			"so you must explicitly reference that version in RemoveFromVersionId.", label, at)
	case from != "" && from != at:
		return refuse("InvalidParameterException", "Staging label %s is not attached to version %s, which RemoveFromVersionId references.", label, from)
	case to == "":
		delete(s.labels, label)
		return nil
	}
	v := s.version(to)
	if v == nil || label == awsCurrent && v.value == nil {
		return refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s", to)
	}
	return s.attach(v, label)
}
