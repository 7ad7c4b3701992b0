package fakecloud

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// description is what DescribeSecret and ListSecrets both tell of a secret.
// Fields without a value are left out, as the API reference says.
type description struct {
	ARN, Name         string
	Description       string         `json:",omitempty"`
	KmsKeyId          string         `json:",omitempty"`
	RotationEnabled   *bool          `json:",omitempty"`
	RotationLambdaARN string         `json:",omitempty"`
	RotationRules     *rotationRules `json:",omitempty"`
	CreatedDate       *epoch         `json:",omitempty"`
	LastChangedDate   *epoch         `json:",omitempty"`
	LastAccessedDate  *epoch         `json:",omitempty"`
	LastRotatedDate   *epoch         `json:",omitempty"`
	DeletedDate       *epoch         `json:",omitempty"`
	Tags              []tag          `json:",omitzero"` // an empty list is told
}

func (s *storedSecret) describe() description {
	return description{
		ARN: s.arn, Name: s.name, Description: s.description, KmsKeyId: s.kmsKeyID, Tags: s.tags,
		RotationEnabled: s.rotation.enabled, RotationLambdaARN: s.rotation.functionARN, RotationRules: s.rotation.rules,
		CreatedDate: epochOf(s.created), LastChangedDate: epochOf(s.changed), LastAccessedDate: epochOf(s.accessed),
		LastRotatedDate: epochOf(s.rotation.last), DeletedDate: epochOf(s.deletion),
	}
}

func (call *secretsCall) describeSecret(in secretIDInput) (any, error) {
	secret, err := call.secret("DescribeSecret", in.SecretId)
	if err != nil {
		return nil, err
	}
	return struct {
		description
		VersionIdsToStages map[string][]string `json:",omitempty"`
	}{secret.describe(), secret.labelled()}, nil
}

type listSecretsInput struct {
	Filters                []secretFilter
	IncludePlannedDeletion bool
	MaxResults             *int
	NextToken              string
	SortOrder              string
}

func (call *secretsCall) listSecrets(in listSecretsInput) (any, error) {
	if in.SortOrder != "" {
		return nil, notInFake("SortOrder")
	}
	if err := call.authorize("ListSecrets", "*"); err != nil {
		return nil, err
	}
	secrets, next, err := call.list(in.Filters, in.IncludePlannedDeletion, in.MaxResults, 100, in.NextToken)
	if err != nil {
		return nil, err
	}
	type entry struct {
		description
		SecretVersionsToStages map[string][]string `json:",omitempty"`
	}
	out := struct {
		SecretList []entry
		NextToken  string `json:",omitempty"`
	}{[]entry{}, next}
	for _, secret := range secrets {
		out.SecretList = append(out.SecretList, entry{secret.describe(), secret.labelled()})
	}
	return out, nil
}

// list is one page of the secrets that every filter lets through, in the order
// of their creation.
func (call *secretsCall) list(filters []secretFilter, deleted bool, asked *int, limit int, token string) ([]*storedSecret, string, error) {
	for _, f := range filters {
		if !slices.Contains([]string{"name", "description", "tag-key", "tag-value"}, f.Key) {
			return nil, "", notInFake("the filter " + f.Key)
		}
	}
	call.store.purge(call.now)
	var found []*storedSecret
	for _, secret := range call.store.ordered {
		if (deleted || secret.deletion.IsZero()) && !slices.ContainsFunc(filters, func(f secretFilter) bool { return !f.matches(secret) }) {
			found = append(found, secret)
		}
	}
	return page(found, asked, limit, token)
}

// secretFilter lets secrets through whose field named by Key starts with one of
// the values, or, where the value starts with "!", does not.
type secretFilter struct {
	Key    string
	Values []string
}

func (f secretFilter) matches(s *storedSecret) bool {
	var fields []string
	switch f.Key {
	case "name":
		fields = []string{s.name}
	case "description":
		fields = []string{s.description}
	case "tag-key":
		for _, t := range s.tags {
			fields = append(fields, t.Key)
		}
	case "tag-value":
		for _, t := range s.tags {
			fields = append(fields, t.Value)
		}
	}
	return slices.ContainsFunc(f.Values, func(value string) bool {
		prefix, negated := strings.CutPrefix(value, "!")
		return negated != slices.ContainsFunc(fields, func(field string) bool { return strings.HasPrefix(field, prefix) })
	})
}

type listSecretVersionIDsInput struct {
	SecretId, NextToken string
	MaxResults          *int
	IncludeDeprecated   bool
}

func (call *secretsCall) listSecretVersionIDs(in listSecretVersionIDsInput) (any, error) {
	secret, err := call.secret("ListSecretVersionIds", in.SecretId)
	if err != nil {
		return nil, err
	}
	versions := slices.DeleteFunc(slices.Clone(secret.versions), func(v *storedVersion) bool {
		return !in.IncludeDeprecated && len(secret.labelsOf(v)) == 0
	})
	versions, next, err := page(versions, in.MaxResults, 100, in.NextToken)
	if err != nil {
		return nil, err
	}
	type entry struct {
		VersionId                     string
		VersionStages                 []string `json:",omitempty"`
		KmsKeyIds                     []string
		CreatedDate, LastAccessedDate *epoch `json:",omitempty"`
	}
	out := struct {
		secretName
		Versions  []entry
		NextToken string `json:",omitempty"`
	}{secret.named(""), []entry{}, next}
	for _, v := range versions {
		key := v.kmsKeyID
		if key == "" {
			key = "DefaultEncryptionKey"
		}
		out.Versions = append(out.Versions, entry{v.id, secret.labelsOf(v), []string{key}, epochOf(v.created), epochOf(v.accessed)})
	}
	return out, nil
}

// page cuts the part of items out that starts at a token. asked nil means
// limit, which is also the most that a caller may ask for.
func page[T any](items []T, asked *int, limit int, token string) (part []T, next string, err error) {
	n := limit
	if asked != nil {
		n = *asked
	}
	if n < 1 || n > limit {
		return nil, "", refuse("ValidationException", "1 validation error detected: Value at 'maxResults' failed to satisfy constraint: "+
			"Member must have value between 1 and %d", limit)
	}
	start := 0
	if token != "" {
		text, _ := base64.RawURLEncoding.DecodeString(token)
		if start, err = strconv.Atoi(string(text)); err != nil || start < 0 || start > len(items) {
			return nil, "", refuse("InvalidNextTokenException", "The NextToken value is invalid.")
		}
	}
	end := min(start+n, len(items))
	if end < len(items) {
		next = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(end)))
	}
	return items[start:end], next, nil
}
