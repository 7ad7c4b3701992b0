package fakecloud_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

const functionARN = "arn:aws:lambda:us-east-1:123456789012:function:rotator"

func rotate(ctx context.Context, s *secretsmanager.Client, tokenNumber int) error {
	_, err := s.RotateSecret(ctx, &secretsmanager.RotateSecretInput{
		SecretId: aws.String("a"), ClientRequestToken: token(tokenNumber), RotationLambdaARN: aws.String(functionARN),
		RotationRules: &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)},
	})
	return err
}

func TestARotationRunsItsFunctionThroughFourSteps(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	s := secretsClient(c)
	before := c.PutSecret("a", "old").Versions[0].ID
	var steps []string
	c.SetRotationFunction(functionARN, func(ctx context.Context, e fakecloud.RotationEvent) error {
		steps = append(steps, e.Step)
		switch e.Step {
		case "createSecret":
			_, err := s.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.SecretId, VersionId: &e.ClientRequestToken, VersionStage: aws.String("AWSPENDING")})
			if refusalCode(err) != "ResourceNotFoundException" {
				t.Errorf("reading the version that has no value yet: %v", err)
			}
			_, err = s.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
				SecretId: &e.SecretId, ClientRequestToken: &e.ClientRequestToken, SecretString: aws.String("new"), VersionStages: []string{"AWSPENDING"},
			})
			return err
		case "finishSecret":
			_, err := s.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
				SecretId: &e.SecretId, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: &e.ClientRequestToken, RemoveFromVersionId: &before,
			})
			return err
		}
		return nil
	})
	if err := rotate(t.Context(), s, 1); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(steps, " "); got != "createSecret setSecret testSecret finishSecret" {
		t.Errorf("steps: %s", got)
	}
	if diff := cmp.Diff(map[string]string{before: "AWSPREVIOUS", *token(1): "AWSCURRENT AWSPENDING"}, stages(t, c, "a")); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	described, err := s.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("a")})
	if err != nil {
		t.Fatal(err)
	}
	if !*described.RotationEnabled || *described.RotationLambdaARN != functionARN || *described.RotationRules.AutomaticallyAfterDays != 30 || described.LastRotatedDate == nil {
		t.Errorf("described: %+v", described)
	}
}

func TestAFailedRotationBlocksTheNextUntilAWSPENDINGIsRemoved(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	s := secretsClient(c)
	before := c.PutSecret("a", "old").Versions[0].ID
	calls := 0
	c.SetRotationFunction(functionARN, func(context.Context, fakecloud.RotationEvent) error {
		calls++
		return errors.New("out of order")
	})
	if err := rotate(t.Context(), s, 1); err != nil {
		t.Fatalf("a rotation whose function fails: %v; the failure comes later, in the background", err)
	}
	if diff := cmp.Diff(map[string]string{before: "AWSCURRENT", *token(1): "AWSPENDING"}, stages(t, c, "a")); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if err := rotate(t.Context(), s, 2); refusalCode(err) != "InvalidRequestException" || !strings.Contains(err.Error(), "A previous rotation isn't complete.") {
		t.Errorf("the next rotation: %v", err)
	}
	if err := rotate(t.Context(), s, 1); err != nil {
		t.Errorf("the same rotation again: %v", err)
	}
	canceled, err := s.CancelRotateSecret(t.Context(), &secretsmanager.CancelRotateSecretInput{SecretId: aws.String("a")})
	if err != nil || *canceled.VersionId != *token(1) {
		t.Errorf("canceling: %v, %v", canceled, err)
	}
	_, err = s.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: aws.String("a"), VersionStage: aws.String("AWSPENDING"), RemoveFromVersionId: token(1),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := rotate(t.Context(), s, 2); err != nil {
		t.Errorf("with AWSPENDING removed: %v", err)
	}
	if calls != 2 {
		t.Errorf("the function was invoked %d times, want once for each rotation", calls)
	}
}

func TestARotationIsRefusedWithoutAFunction(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	s := secretsClient(c)
	before := c.PutSecret("a", "old").Versions[0].ID
	_, err := s.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: aws.String("a"), ClientRequestToken: token(1)})
	if refusalCode(err) != "InvalidRequestException" || !strings.Contains(err.Error(), "No Lambda rotation function ARN") {
		t.Errorf("without an ARN: %v", err)
	}
	if err := rotate(t.Context(), s, 1); refusalCode(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "cannot invoke the specified Lambda function") {
		t.Errorf("with the ARN of no function: %v", err)
	}
	if secret, _ := c.Secret("a"); secret.RotationEnabled || len(secret.Versions) != 1 || secret.Versions[0].ID != before {
		t.Errorf("a refused rotation changed the secret: %+v", secret)
	}
}

func TestAPostponedRotationOnlyTestsTheFunction(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	s := secretsClient(c)
	before := c.PutSecret("a", "old").Versions[0].ID
	var during map[string]string
	var steps []string
	c.SetRotationFunction(functionARN, func(_ context.Context, e fakecloud.RotationEvent) error {
		steps, during = append(steps, e.Step), stages(t, c, "a")
		return nil
	})
	_, err := s.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String("a"), ClientRequestToken: token(1), RotationLambdaARN: aws.String(functionARN), RotateImmediately: aws.Bool(false),
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"testSecret"}, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{before: "AWSCURRENT", *token(1): "AWSPENDING"}, during); diff != "" {
		t.Errorf("during the test (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{before: "AWSCURRENT"}, stages(t, c, "a")); diff != "" {
		t.Errorf("after it (-want +got):\n%s", diff)
	}
}
