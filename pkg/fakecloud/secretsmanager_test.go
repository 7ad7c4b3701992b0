package fakecloud_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// secretsClient is AWS's own client of the cloud, without retries.
func secretsClient(c http.RoundTripper, more ...func(*secretsmanager.Options)) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "example-secret", ""),
		HTTPClient:  &http.Client{Transport: c},
		Retryer:     aws.NopRetryer{},
	}, more...)
}

// refusalCode is the code of AWS's error, or "" when there is none.
func refusalCode(err error) string {
	if apiError := (smithy.APIError)(nil); errors.As(err, &apiError) {
		return apiError.ErrorCode()
	}
	if err != nil {
		return "not an API error: " + err.Error()
	}
	return ""
}

// token is a ClientRequestToken that is easy to tell apart from others.
func token(n int) *string { return aws.String(fmt.Sprintf("token-%026d", n)) }

// morning is when a test that sets the clock starts.
var morning = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// stages maps a secret's version ids to their labels.
func stages(t *testing.T, c *fakecloud.Cloud, name string) map[string]string {
	t.Helper()
	secret, found := c.Secret(name)
	if !found {
		t.Fatalf("there is no secret %q", name)
	}
	got := map[string]string{}
	for _, v := range secret.Versions {
		got[v.ID] = strings.Join(v.Labels, " ")
	}
	return got
}

func TestSecretsManagerKeepsWhatIsPut(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	clock := newClock(morning)
	c := fakecloud.New(fakecloud.Options{Now: clock.now})
	client := secretsClient(c)

	created, err := client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: aws.String("wifmint/a"), SecretString: aws.String("one"), ClientRequestToken: token(1), KmsKeyId: aws.String("alias/k"),
		Description: aws.String("about it"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("data")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:secretsmanager:us-east-1:123456789012:secret:wifmint/a-"; !strings.HasPrefix(*created.ARN, want) || len(*created.ARN) != len(want)+6 {
		t.Errorf("ARN %s, want %s and six characters", *created.ARN, want)
	}
	clock.advance(time.Minute)
	put, err := client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: created.ARN, SecretBinary: []byte{0, 255}, ClientRequestToken: token(2),
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"AWSCURRENT"}, put.VersionStages); diff != "" {
		t.Errorf("labels after a put without VersionStages (-want +got):\n%s", diff)
	}

	got, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("wifmint/a")})
	if err != nil {
		t.Fatal(err)
	}
	if string(got.SecretBinary) != "\x00\xff" || got.SecretString != nil || *got.VersionId != *token(2) || !got.CreatedDate.Equal(clock.now()) {
		t.Errorf("current value: binary %q, string %v, version %s, created %s", got.SecretBinary, got.SecretString, *got.VersionId, got.CreatedDate)
	}
	previous, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: created.ARN, VersionStage: aws.String("AWSPREVIOUS")})
	if err != nil || *previous.SecretString != "one" {
		t.Errorf("previous value: %v, %v", previous, err)
	}

	described, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: created.ARN})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{*token(1): {"AWSPREVIOUS"}, *token(2): {"AWSCURRENT"}}
	if diff := cmp.Diff(want, described.VersionIdsToStages); diff != "" {
		t.Errorf("VersionIdsToStages (-want +got):\n%s", diff)
	}
	if *described.KmsKeyId != "alias/k" || *described.Description != "about it" || *described.Tags[0].Value != "data" {
		t.Errorf("described: key %s, description %s, tags %v", *described.KmsKeyId, *described.Description, described.Tags)
	}
	if !described.LastAccessedDate.Equal(clock.now().Truncate(24 * time.Hour)) {
		t.Errorf("LastAccessedDate is %s, want the day", described.LastAccessedDate)
	}
}

// What AWS answered to these was taken from recorded answers of the service,
// its API reference, or reports that quote it.
func TestSecretsManagerRefuses(t *testing.T) {
	t.Parallel()
	type client = *secretsmanager.Client
	get := func(id string) func(context.Context, client) error {
		return func(ctx context.Context, s client) error {
			_, err := s.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
			return err
		}
	}
	put := func(in secretsmanager.PutSecretValueInput) func(context.Context, client) error {
		return func(ctx context.Context, s client) error {
			in := in
			in.SecretId = aws.String("a")
			_, err := s.PutSecretValue(ctx, &in)
			return err
		}
	}
	move := func(label string, from, to *string) func(context.Context, client) error {
		return func(ctx context.Context, s client) error {
			_, err := s.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
				SecretId: aws.String("a"), VersionStage: &label, RemoveFromVersionId: from, MoveToVersionId: to,
			})
			return err
		}
	}
	create := func(in secretsmanager.CreateSecretInput) func(context.Context, client) error {
		return func(ctx context.Context, s client) error {
			in := in
			_, err := s.CreateSecret(ctx, &in)
			return err
		}
	}
	remove := func(in secretsmanager.DeleteSecretInput) func(context.Context, client) error {
		return func(ctx context.Context, s client) error {
			in := in
			in.SecretId = aws.String("a")
			_, err := s.DeleteSecret(ctx, &in)
			return err
		}
	}

	// Each starts with a secret "a" of the versions token(1), which is
	// AWSPREVIOUS, and token(2), AWSCURRENT; an empty secret "empty"; and one
	// that is scheduled for deletion, "deleted".
	for _, test := range []struct {
		name    string
		call    func(context.Context, client) error
		code    string
		message string
	}{
		{"a secret that does not exist", get("b"), "ResourceNotFoundException", "Secrets Manager can't find the specified secret."},
		{"a secret without a value", get("empty"), "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"},
		{"a deleted secret", get("deleted"), "InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion."},
		{"a name with a blank", get("a b"), "ValidationException", "Invalid name. Must be a valid name"},
		{"a label that sits nowhere", func(ctx context.Context, s client) error {
			_, err := s.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("a"), VersionStage: aws.String("AWSPENDING")})
			return err
		}, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSPENDING"},
		{"a version that does not exist", func(ctx context.Context, s client) error {
			_, err := s.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("a"), VersionId: token(9)})
			return err
		}, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: " + *token(9)},
		{"a version that does not have the label", func(ctx context.Context, s client) error {
			_, err := s.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("a"), VersionId: token(1), VersionStage: aws.String("AWSCURRENT")})
			return err
		}, "InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId."},

		{"a token that another value has", put(secretsmanager.PutSecretValueInput{ClientRequestToken: token(1), SecretString: aws.String("other")}),
			"ResourceExistsException", "You can't use ClientRequestToken " + *token(1) + " because that value is already in use for a version of secret"},
		{"a token of 31 characters", put(secretsmanager.PutSecretValueInput{ClientRequestToken: aws.String(strings.Repeat("t", 31)), SecretString: aws.String("v")}),
			"ValidationException", "'clientRequestToken' failed to satisfy constraint: Member must have length greater than or equal to 32"},
		{"a token of 65 characters", put(secretsmanager.PutSecretValueInput{ClientRequestToken: aws.String(strings.Repeat("t", 65)), SecretString: aws.String("v")}),
			"ValidationException", "less than or equal to 64"},
		{"a value of 65,537 bytes", put(secretsmanager.PutSecretValueInput{ClientRequestToken: token(3), SecretString: aws.String(strings.Repeat("v", 65537))}),
			"ValidationException", "'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536"},
		{"an empty value", put(secretsmanager.PutSecretValueInput{ClientRequestToken: token(3), SecretString: aws.String("")}),
			"ValidationException", "greater than or equal to 1"},
		{"no value", put(secretsmanager.PutSecretValueInput{ClientRequestToken: token(3)}),
			"InvalidRequestException", "You must provide either SecretString or SecretBinary."},
		{"two values", put(secretsmanager.PutSecretValueInput{ClientRequestToken: token(3), SecretString: aws.String("v"), SecretBinary: []byte("v")}),
			"InvalidParameterException", "You can't specify both"},
		{"21 labels", put(secretsmanager.PutSecretValueInput{ClientRequestToken: token(3), SecretString: aws.String("v"), VersionStages: labels(21)}),
			"ValidationException", "versionStages"},
		{"20 labels beside those that are there", put(secretsmanager.PutSecretValueInput{ClientRequestToken: token(3), SecretString: aws.String("v"), VersionStages: labels(20)}),
			"LimitExceededException", "up to 20 staging labels"},

		{"removing AWSCURRENT", move("AWSCURRENT", token(2), nil), "InvalidParameterException", "You can only move staging label AWSCURRENT to a different secret version."},
		{"moving a label without saying from where", move("AWSCURRENT", nil, token(1)), "InvalidParameterException",
			"The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version " + *token(2)},
		{"moving a label from where it is not", move("AWSCURRENT", token(1), token(1)), "InvalidParameterException", "is not attached to version"},
		{"moving a label to no version", move("AWSCURRENT", token(2), token(9)), "ResourceNotFoundException", "VersionId: " + *token(9)},
		{"moving a label from nowhere to nowhere", move("X", nil, nil), "InvalidParameterException", "MoveToVersionId"},

		{"a name that exists", create(secretsmanager.CreateSecretInput{Name: aws.String("a")}), "ResourceExistsException", "The operation failed because the secret a already exists."},
		{"a name that is scheduled for deletion", create(secretsmanager.CreateSecretInput{Name: aws.String("deleted")}),
			"InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled for deletion."},
		{"a name of 513 characters", create(secretsmanager.CreateSecretInput{Name: aws.String(strings.Repeat("n", 513))}), "ValidationException", "512"},
		{"a reserved tag", create(secretsmanager.CreateSecretInput{Name: aws.String("b"), Tags: []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("")}}}),
			"InvalidParameterException", "reserved"},

		{"a recovery window of six days", remove(secretsmanager.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(6)}), "InvalidParameterException", "between 7 and 30"},
		{"a recovery window without recovery", remove(secretsmanager.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(7), ForceDeleteWithoutRecovery: aws.Bool(true)}),
			"InvalidParameterException", "in conjunction with"},
		{"21 secrets in a batch", func(ctx context.Context, s client) error {
			_, err := s.BatchGetSecretValue(ctx, &secretsmanager.BatchGetSecretValueInput{SecretIdList: labels(21)})
			return err
		}, "ValidationException", "'secretIdList'"},
		{"a batch of nothing", func(ctx context.Context, s client) error {
			_, err := s.BatchGetSecretValue(ctx, &secretsmanager.BatchGetSecretValueInput{})
			return err
		}, "InvalidParameterException", "Filters or SecretIdList"},
		{"an update with a token that is a version's", func(ctx context.Context, s client) error {
			_, err := s.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: aws.String("a"), ClientRequestToken: token(2), SecretString: aws.String("two")})
			return err
		}, "ResourceExistsException", "already in use"},
		{"an operation the fake does not have", func(ctx context.Context, s client) error {
			_, err := s.GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{})
			return err
		}, "NotInFakeCloud", "GetRandomPassword"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := fakecloud.New(fakecloud.Options{})
			s := secretsClient(c)
			prepare(t, s)
			err := test.call(t.Context(), s)
			if refusalCode(err) != test.code || !strings.Contains(err.Error(), test.message) {
				t.Errorf("got %v, want %s: %s", err, test.code, test.message)
			}
			if diff := cmp.Diff(map[string]string{*token(1): "AWSPREVIOUS", *token(2): "AWSCURRENT"}, stages(t, c, "a")); diff != "" {
				t.Errorf("a refused call changed the secret (-want +got):\n%s", diff)
			}
			calls := c.Calls()
			if last := calls[len(calls)-1]; last.Err != test.code {
				t.Errorf("the call is on record with error %q, want %q", last.Err, test.code)
			}
		})
	}
}

func prepare(t *testing.T, s *secretsmanager.Client) {
	t.Helper()
	ctx := t.Context()
	_, err1 := s.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("a"), SecretString: aws.String("one"), ClientRequestToken: token(1)})
	_, err2 := s.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String("a"), SecretString: aws.String("two"), ClientRequestToken: token(2)})
	_, err3 := s.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("empty")})
	_, err4 := s.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("deleted"), SecretString: aws.String("gone"), ClientRequestToken: token(1)})
	_, err5 := s.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: aws.String("deleted")})
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
}

// labels makes up names that serve as labels and as secret ids.
func labels(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("name-%d", i)
	}
	return names
}

func TestAPartialARNIsEnoughUnlessItLooksComplete(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	s := secretsClient(c)
	for name, found := range map[string]bool{"plain": true, "with-dash": true, "dash-a1b2": true, "dash-a1b2c3-": true, "dash-a1b2c3": false} {
		arn := c.PutSecret(name, "v").ARN
		for _, id := range []string{name, arn} {
			if _, err := s.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id}); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		partial := strings.TrimSuffix(arn, arn[len(arn)-7:])
		_, err := s.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &partial})
		if (err == nil) != found {
			t.Errorf("%s: %v, want it found: %v", partial, err, found)
		}
	}
}

func TestASecretCreatedAgainHasAnotherARN(t *testing.T) {
	t.Parallel()
	clock := newClock(morning)
	c := fakecloud.New(fakecloud.Options{Now: clock.now})
	s := secretsClient(c)
	ctx := t.Context()
	first := c.PutSecret("a", "v").ARN
	if same := fakecloud.New(fakecloud.Options{}).PutSecret("a", "v").ARN; same != first {
		t.Errorf("two clouds of one seed made %s and %s", first, same)
	}
	if other := fakecloud.New(fakecloud.Options{Seed: 1}).PutSecret("a", "v").ARN; other == first {
		t.Errorf("clouds of different seeds both made %s", first)
	}

	if _, err := s.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &first}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &first}); err != nil {
		t.Errorf("describing a secret that is scheduled for deletion: %v", err)
	}
	if _, err := s.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: &first}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &first}); err != nil {
		t.Errorf("reading a restored secret: %v", err)
	}
	if _, err := s.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &first, RecoveryWindowInDays: aws.Int64(7)}); err != nil {
		t.Fatal(err)
	}
	clock.advance(7 * 24 * time.Hour)
	if _, err := s.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: &first}); refusalCode(err) != "ResourceNotFoundException" {
		t.Errorf("restoring after the recovery window: %v", err)
	}
	if again := c.PutSecret("a", "v").ARN; again == first {
		t.Errorf("created again with the same ARN %s", again)
	}
	for range 2 { // the second time there is nothing to delete
		_, err := s.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: aws.String("a"), ForceDeleteWithoutRecovery: aws.Bool(true)})
		if err != nil {
			t.Errorf("deleting without recovery: %v", err)
		}
	}
	if _, found := c.Secret("a"); found {
		t.Error("a secret deleted without recovery is still there")
	}
}
