package fakecloud_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func TestOnceAKeyIsKnownEveryCallHasToBeSigned(t *testing.T) {
	t.Parallel()
	key := fakecloud.AWSKey{
		AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret/+=", SessionToken: "session/+=",
		ARN: "arn:aws:sts::123456789012:assumed-role/reader/session", Expires: morning.Add(time.Hour),
	}
	signer := func(id, secret, session string) func(*secretsmanager.Options) {
		return func(o *secretsmanager.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider(id, secret, session)
		}
	}
	for _, test := range []struct {
		name   string
		signer func(*secretsmanager.Options)
		at     time.Duration // the cloud's clock; the client's is right
		code   string
	}{
		{"by the key", signer(key.AccessKeyID, key.SecretAccessKey, key.SessionToken), 0, ""},
		{"by a key that nobody knows", signer("ASIAOTHER", key.SecretAccessKey, key.SessionToken), 0, "UnrecognizedClientException"},
		{"with another secret", signer(key.AccessKeyID, "guess", key.SessionToken), 0, "InvalidSignatureException"},
		{"with another session token", signer(key.AccessKeyID, key.SecretAccessKey, "guess"), 0, "UnrecognizedClientException"},
		{"sixteen minutes ago", signer(key.AccessKeyID, key.SecretAccessKey, key.SessionToken), 16 * time.Minute, "InvalidSignatureException"},
		{"not at all", func(o *secretsmanager.Options) { o.Credentials = aws.AnonymousCredentials{} }, 0, "MissingAuthenticationTokenException"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := fakecloud.New(fakecloud.Options{Now: func() time.Time { return time.Now().Add(test.at) }})
			key := key
			key.Expires = time.Time{}
			c.AddAWSKey(key)
			c.PutSecret("a", "v")
			_, err := secretsClient(c, test.signer).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("a")})
			if refusalCode(err) != test.code {
				t.Errorf("got %v, want %q", err, test.code)
			}
		})
	}
	t.Run("by a key that has expired", func(t *testing.T) {
		t.Parallel()
		c := fakecloud.New(fakecloud.Options{})
		c.AddAWSKey(key) // long ago
		_, err := secretsClient(c, signer(key.AccessKeyID, key.SecretAccessKey, key.SessionToken)).
			ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
		if refusalCode(err) != "ExpiredTokenException" {
			t.Errorf("got %v, want ExpiredTokenException", err)
		}
		c.RevokeAWSKey(key.AccessKeyID)
		_, err = secretsClient(c).ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
		if refusalCode(err) != "UnrecognizedClientException" {
			t.Errorf("with the only key revoked: %v, want UnrecognizedClientException", err)
		}
	})
}

func TestDeniedIsWhatARuleNamesByNameOrARN(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	s := secretsClient(c)
	arn := c.PutSecret("a", "v").ARN
	c.PutSecret("b", "v")
	read := func(id string) error {
		_, err := s.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id})
		return err
	}
	for _, rule := range []string{"a", arn} {
		allow := c.Deny("GetSecretValue", rule)
		for _, id := range []string{"a", arn} {
			err := read(id)
			if refusalCode(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "is not authorized to perform: secretsmanager:GetSecretValue on resource: "+id) {
				t.Errorf("reading %s with %s denied: %v", id, rule, err)
			}
		}
		if err := read("b"); err != nil {
			t.Errorf("reading another: %v", err)
		}
		if _, err := s.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &arn}); err != nil {
			t.Errorf("another operation: %v", err)
		}
		allow()
		if err := read("a"); err != nil {
			t.Errorf("with the rule taken back: %v", err)
		}
	}
	c.Deny("", "missing")
	if err := read("missing"); refusalCode(err) != "AccessDeniedException" {
		t.Errorf("a denied secret that does not exist: %v; IAM is asked first", err)
	}
}

func TestWithoutItsKMSKeyASecretIsNeitherReadNorWritten(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	s := secretsClient(c)
	c.PutSecret("plain", "v")
	create := &secretsmanager.CreateSecretInput{Name: aws.String("a"), SecretString: aws.String("v"), ClientRequestToken: token(1), KmsKeyId: aws.String("alias/k")}
	get := &secretsmanager.GetSecretValueInput{SecretId: aws.String("a")}
	put := &secretsmanager.PutSecretValueInput{SecretId: aws.String("a"), SecretString: aws.String("w"), ClientRequestToken: token(2)}

	allow := c.DenyKMS("alias/k")
	if _, err := s.CreateSecret(t.Context(), create); refusalCode(err) != "AccessDeniedException" {
		t.Errorf("creating: %v", err)
	}
	if _, found := c.Secret("a"); found {
		t.Error("the secret is there although its value could not be encrypted")
	}
	allow()
	if _, err := s.CreateSecret(t.Context(), create); err != nil {
		t.Fatal(err)
	}
	c.DenyKMS("alias/k")
	if _, err := s.GetSecretValue(t.Context(), get); refusalCode(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "Access to KMS is not allowed") {
		t.Errorf("reading: %v", err)
	}
	if _, err := s.PutSecretValue(t.Context(), put); refusalCode(err) != "AccessDeniedException" {
		t.Errorf("writing: %v", err)
	}
	if _, err := s.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: aws.String("plain"), KmsKeyId: aws.String("alias/k")}); refusalCode(err) != "AccessDeniedException" {
		t.Errorf("moving a secret to the key: %v", err)
	}
	if _, err := s.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("plain")}); err != nil {
		t.Errorf("reading a secret of another key: %v", err)
	}
}

func TestWritesAboveTheLimitAreThrottled(t *testing.T) {
	t.Parallel()
	clock := newClock(morning)
	c := fakecloud.New(fakecloud.Options{Now: clock.now})
	s := secretsClient(c)
	c.PutSecret("a", "v")
	c.LimitWrites(2)
	put := func(n int) string {
		_, err := s.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("a"), SecretString: aws.String("v"), ClientRequestToken: token(n)})
		return refusalCode(err)
	}
	first, second, third := put(1), put(2), put(3)
	if first != "" || second != "" || third != "ThrottlingException" {
		t.Errorf("three writes in a second: %q, %q, %q", first, second, third)
	}
	if _, err := s.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("a")}); err != nil {
		t.Errorf("a read beside them: %v", err)
	}
	clock.advance(time.Second)
	if code := put(3); code != "" {
		t.Errorf("a second later: %q", code)
	}
}
