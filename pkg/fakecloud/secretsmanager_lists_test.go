package fakecloud_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func TestABatchReadsWhatItCanAndReportsTheRest(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	s := secretsClient(c)
	prepare(t, s)
	c.PutSecret("denied", "v")
	c.Deny("GetSecretValue", "denied")
	got, err := s.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"a", "b", "empty", "deleted", "denied"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.SecretValues) != 1 || *got.SecretValues[0].SecretString != "two" || *got.SecretValues[0].VersionId != *token(2) {
		t.Errorf("values: %v", got.SecretValues)
	}
	codes := map[string]string{}
	for _, e := range got.Errors {
		codes[*e.SecretId] = *e.ErrorCode
	}
	want := map[string]string{
		"b": "ResourceNotFoundException", "empty": "ResourceNotFoundException",
		"deleted": "InvalidRequestException", "denied": "AccessDeniedException",
	}
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	if n := c.Count("secretsmanager", "BatchGetSecretValue"); n != 1 {
		t.Errorf("%d calls counted, want 1", n)
	}
	c.Deny("BatchGetSecretValue", "")
	if _, err := s.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"a"}}); refusalCode(err) != "AccessDeniedException" {
		t.Errorf("with BatchGetSecretValue denied: %v", err)
	}
}

func TestListsComeInPages(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	s := secretsClient(c)
	var want []string
	for i := range 25 {
		name := fmt.Sprintf("team/%02d", i)
		want = append(want, name)
		c.PutSecret(name, "v")
		c.PutSecret(fmt.Sprintf("other/%02d", i), "v")
	}
	filters := []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{"team/"}}}

	var listed []string
	list := secretsmanager.NewListSecretsPaginator(s, &secretsmanager.ListSecretsInput{Filters: filters, MaxResults: aws.Int32(10)})
	for list.HasMorePages() {
		page, err := list.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range page.SecretList {
			listed = append(listed, *secret.Name)
		}
	}
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("ListSecrets (-want +got):\n%s", diff)
	}

	var read []string
	batch := secretsmanager.NewBatchGetSecretValuePaginator(s, &secretsmanager.BatchGetSecretValueInput{Filters: filters})
	for batch.HasMorePages() {
		page, err := batch.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range page.SecretValues {
			read = append(read, *value.Name)
		}
	}
	if diff := cmp.Diff(want, read); diff != "" {
		t.Errorf("BatchGetSecretValue by filter (-want +got):\n%s", diff)
	}
	if n := c.Count("secretsmanager", "BatchGetSecretValue"); n != 2 {
		t.Errorf("25 values took %d batches, want 2", n)
	}
	if _, err := s.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{NextToken: aws.String("?")}); refusalCode(err) != "InvalidNextTokenException" {
		t.Errorf("a token that never was one: %v", err)
	}
}

func TestTagsAreSetAndRemoved(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	s := secretsClient(c)
	c.PutSecret("a", "v")
	tag := func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
	_, err1 := s.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: aws.String("a"), Tags: []types.Tag{tag("x", "1"), tag("y", "2")}})
	_, err2 := s.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: aws.String("a"), Tags: []types.Tag{tag("x", "3")}})
	_, err3 := s.UntagResource(t.Context(), &secretsmanager.UntagResourceInput{SecretId: aws.String("a"), TagKeys: []string{"y"}})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	secret, _ := c.Secret("a")
	if diff := cmp.Diff(map[string]string{"x": "3"}, secret.Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}
