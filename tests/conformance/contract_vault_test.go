package conformance_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
)

// vault is one Secrets Manager while a case runs on it.
type vault struct {
	*secretsmanager.Client
	ctx  context.Context
	arns map[string]string // of the secrets that were created, by name
}

// call is one call of a case. It tells what the answer says in as few words as
// the case is about; an error tells its code.
type call func(v *vault) (string, error)

// step is a call and what AWS's documentation has it answer.
type step struct {
	call call
	want string
}

// run carries the steps out and returns what each one answered.
func (v *vault) run(steps []step) (answers []string) {
	v.arns = map[string]string{}
	for _, s := range steps {
		answer, err := s.call(v)
		if refused := (smithy.APIError)(nil); errors.As(err, &refused) {
			answer = refused.ErrorCode()
		} else if failed := (*smithy.OperationError)(nil); errors.As(err, &failed) {
			answer = "an answer that is not Secrets Manager's"
		}
		answers = append(answers, answer)
	}
	return answers
}

// id is a secret's name, or, for "ARN of NAME" and "partial ARN of NAME", that.
func (v *vault) id(of string) *string {
	if name, ok := strings.CutPrefix(of, "ARN of "); ok {
		return aws.String(v.arns[name])
	}
	if name, ok := strings.CutPrefix(of, "partial ARN of "); ok {
		arn := v.arns[name]
		return aws.String(arn[:max(0, len(arn)-len("-AbCdEf"))])
	}
	return &of
}

// version is a ClientRequestToken, and so the id of a version. Answers name it "v1".
func version(n int) *string { return aws.String(fmt.Sprintf("version-%024d", n)) }

func versionName(id *string) string {
	switch n, ours := strings.CutPrefix(aws.ToString(id), "version-"); {
	case id == nil:
		return "no version"
	case ours:
		return "v" + strings.TrimLeft(n, "0")
	}
	return *id
}

func versionNames(stages map[string][]string) string {
	var names []string
	for _, id := range slices.Sorted(maps.Keys(stages)) {
		names = append(names, versionName(&id)+"="+labels(stages[id]))
	}
	return cmp.Or(strings.Join(names, " "), "no version")
}

func labels(l []string) string {
	if len(l) > 5 {
		return fmt.Sprint(len(l), " labels")
	}
	return strings.Join(slices.Sorted(slices.Values(l)), "+")
}

// create creates a secret with a text as version n; an empty one has no version.
func create(name, value string, n int, more ...func(*secretsmanager.CreateSecretInput)) call {
	in := secretsmanager.CreateSecretInput{Name: &name, SecretString: &value, ClientRequestToken: version(n)}
	if value == "" {
		in.SecretString = nil
	}
	for _, m := range more {
		m(&in)
	}
	return func(v *vault) (string, error) {
		out, err := v.CreateSecret(v.ctx, &in)
		if err != nil {
			return "", err
		}
		v.arns[name] = *out.ARN
		return versionName(out.VersionId), nil
	}
}

// put writes a text as version n, with these labels if there are any.
func put(id, value string, n int, labelled ...string) call {
	return putInput(id, secretsmanager.PutSecretValueInput{SecretString: &value, ClientRequestToken: version(n), VersionStages: labelled})
}

func putInput(id string, in secretsmanager.PutSecretValueInput) call {
	return func(v *vault) (string, error) {
		in.SecretId = v.id(id)
		out, err := v.PutSecretValue(v.ctx, &in)
		if err != nil {
			return "", err
		}
		return versionName(out.VersionId) + " " + labels(out.VersionStages), nil
	}
}

// get reads a version by its id, its label, both or neither.
func get(id string, versionID *string, label string) call {
	return func(v *vault) (string, error) {
		in := secretsmanager.GetSecretValueInput{SecretId: v.id(id), VersionId: versionID}
		if label != "" {
			in.VersionStage = &label
		}
		out, err := v.GetSecretValue(v.ctx, &in)
		if err != nil {
			return "", err
		}
		return versionName(out.VersionId) + " " + labels(out.VersionStages) + " " + valueOf(out.SecretString, out.SecretBinary), nil
	}
}

func valueOf(text *string, binary []byte) string {
	if binary != nil {
		return fmt.Sprintf("binary %q", binary)
	}
	if s := aws.ToString(text); len(s) > 100 {
		return fmt.Sprint(len(s), " bytes")
	}
	return aws.ToString(text)
}

// read reads the current version.
func read(id string) call { return get(id, nil, "") }

// batch reads several secrets at once.
func batch(in secretsmanager.BatchGetSecretValueInput) call {
	return func(v *vault) (string, error) {
		out, err := v.BatchGetSecretValue(v.ctx, &in)
		if err != nil {
			return "", err
		}
		var found []string
		for _, value := range out.SecretValues {
			found = append(found, *value.Name+"="+valueOf(value.SecretString, value.SecretBinary))
		}
		for _, failed := range out.Errors {
			found = append(found, aws.ToString(failed.SecretId)+" "+aws.ToString(failed.ErrorCode))
		}
		if len(found) > 5 {
			return fmt.Sprint(len(found), " results"), nil
		}
		return strings.Join(found, ", "), nil
	}
}

func batchOf(ids ...string) call {
	return batch(secretsmanager.BatchGetSecretValueInput{SecretIdList: ids})
}

// stages tells which versions have which labels.
func stages(id string) call {
	return func(v *vault) (string, error) {
		out, err := v.DescribeSecret(v.ctx, &secretsmanager.DescribeSecretInput{SecretId: v.id(id)})
		if err != nil {
			return "", err
		}
		return versionNames(out.VersionIdsToStages), nil
	}
}

// describe tells the rest of what DescribeSecret does.
func describe(id string) call {
	return func(v *vault) (string, error) {
		out, err := v.DescribeSecret(v.ctx, &secretsmanager.DescribeSecretInput{SecretId: v.id(id)})
		if err != nil {
			return "", err
		}
		told := []string{*out.Name, fmt.Sprintf("%q", aws.ToString(out.Description)), tagNames(out.Tags)}
		if *out.ARN != v.arns[*out.Name] {
			told = append(told, "another ARN than at its creation")
		}
		if out.DeletedDate != nil {
			told = append(told, "deleted")
		}
		if out.RotationEnabled != nil {
			told = append(told, fmt.Sprint("rotation ", *out.RotationEnabled))
		}
		return strings.Join(told, " "), nil
	}
}

func tagNames(tags []types.Tag) string {
	var names []string
	for _, tag := range tags {
		names = append(names, *tag.Key+"="+*tag.Value)
	}
	slices.Sort(names)
	return "[" + strings.Join(names, " ") + "]"
}

// listVersions tells ListSecretVersionIds' versions.
func listVersions(id string, deprecated bool) call {
	return func(v *vault) (string, error) {
		out, err := v.ListSecretVersionIds(v.ctx, &secretsmanager.ListSecretVersionIdsInput{SecretId: v.id(id), IncludeDeprecated: &deprecated})
		if err != nil {
			return "", err
		}
		found := map[string][]string{}
		for _, entry := range out.Versions {
			found[*entry.VersionId] = entry.VersionStages
		}
		return versionNames(found), nil
	}
}

// list tells the names of the secrets that ListSecrets finds, by the alphabet.
func list(in secretsmanager.ListSecretsInput) call {
	return func(v *vault) (string, error) {
		out, err := v.ListSecrets(v.ctx, &in)
		if err != nil {
			return "", err
		}
		var names []string
		for _, entry := range out.SecretList {
			names = append(names, *entry.Name)
		}
		slices.Sort(names)
		if out.NextToken != nil {
			names = append(names, "and more")
		}
		return strings.Join(names, " "), nil
	}
}

// listPages counts the names on each page of n, to the last one.
func listPages(n int32) call {
	return func(v *vault) (string, error) {
		var pages []string
		in := &secretsmanager.ListSecretsInput{MaxResults: &n}
		for len(pages) < 10 {
			out, err := v.ListSecrets(v.ctx, in)
			if err != nil {
				return "", err
			}
			pages = append(pages, fmt.Sprint(len(out.SecretList)))
			if in.NextToken = out.NextToken; in.NextToken == nil {
				break
			}
		}
		return strings.Join(pages, " "), nil
	}
}

func filter(key types.FilterNameStringType, values ...string) []types.Filter {
	return []types.Filter{{Key: key, Values: values}}
}

// moveLabel attaches a label to a version, takes it from one, or both; 0 means
// that the version is not named.
func moveLabel(id, label string, from, to int) call {
	return func(v *vault) (string, error) {
		in := secretsmanager.UpdateSecretVersionStageInput{SecretId: v.id(id), VersionStage: &label}
		if from != 0 {
			in.RemoveFromVersionId = version(from)
		}
		if to != 0 {
			in.MoveToVersionId = version(to)
		}
		return done(v.UpdateSecretVersionStage(v.ctx, &in))
	}
}

func update(id string, in secretsmanager.UpdateSecretInput) call {
	return func(v *vault) (string, error) {
		in.SecretId = v.id(id)
		out, err := v.UpdateSecret(v.ctx, &in)
		if err != nil {
			return "", err
		}
		return versionName(out.VersionId), nil
	}
}

// remove deletes a secret and tells in how many days it will be gone.
func remove(id string, in secretsmanager.DeleteSecretInput) call {
	return func(v *vault) (string, error) {
		in.SecretId = v.id(id)
		out, err := v.DeleteSecret(v.ctx, &in)
		if err != nil {
			return "", err
		}
		days := math.Round(time.Until(*out.DeletionDate).Hours() / 24)
		return fmt.Sprintf("gone in %.0f days", math.Abs(days)), nil
	}
}

func restore(id string) call {
	return func(v *vault) (string, error) {
		return done(v.RestoreSecret(v.ctx, &secretsmanager.RestoreSecretInput{SecretId: v.id(id)}))
	}
}

func tag(id string, pairs ...string) call {
	return func(v *vault) (string, error) {
		return done(v.TagResource(v.ctx, &secretsmanager.TagResourceInput{SecretId: v.id(id), Tags: tagsOf(pairs...)}))
	}
}

// tagsOf makes tags of keys and values in turn.
func tagsOf(pairs ...string) (tags []types.Tag) {
	for pair := range slices.Chunk(pairs, 2) {
		tags = append(tags, types.Tag{Key: &pair[0], Value: &pair[1]})
	}
	return tags
}

func untag(id string, keys ...string) call {
	return func(v *vault) (string, error) {
		return done(v.UntagResource(v.ctx, &secretsmanager.UntagResourceInput{SecretId: v.id(id), TagKeys: keys}))
	}
}

// rotate starts a rotation towards version n with the function that every
// vault of the rotation cases has.
func rotate(id string, n int, more ...func(*secretsmanager.RotateSecretInput)) call {
	return func(v *vault) (string, error) {
		in := secretsmanager.RotateSecretInput{SecretId: v.id(id), ClientRequestToken: version(n), RotationLambdaARN: aws.String(rotationFunction)}
		for _, m := range more {
			m(&in)
		}
		out, err := v.RotateSecret(v.ctx, &in)
		if err != nil {
			return "", err
		}
		return versionName(out.VersionId), nil
	}
}

// rotationFunction does nothing and succeeds.
const rotationFunction = "arn:aws:lambda:us-east-1:123456789012:function:idle"

func cancelRotation(id string) call {
	return func(v *vault) (string, error) {
		out, err := v.CancelRotateSecret(v.ctx, &secretsmanager.CancelRotateSecretInput{SecretId: v.id(id)})
		if err != nil {
			return "", err
		}
		return versionName(out.VersionId), nil
	}
}

func done[Out any](_ *Out, err error) (string, error) { return "done", err }
