package supplier

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

func provides(c aws.Credentials, err error) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, err })
}

func TestProviderYieldsTheSDKsCredentials(t *testing.T) {
	t.Parallel()
	p := Provider{
		Credentials: provides(aws.Credentials{AccessKeyID: testKeyID, SecretAccessKey: plantedKey, SessionToken: plantedToken, CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil),
		Region:      "eu-west-1",
	}
	creds, err := p.AwsSecurityCredentials(t.Context(), SupplierContext{})
	wantTestKeys(t, creds, err)
	if region, err := p.AwsRegion(t.Context(), SupplierContext{}); region != "eu-west-1" || err != nil {
		t.Errorf("got %q, %v", region, err)
	}
}

type refused struct{ retry bool }

func (r refused) Error() string        { return "the vault said no" }
func (r refused) RetryableError() bool { return r.retry }

func TestProviderThatHasNothing(t *testing.T) {
	t.Parallel()
	var nilCache *aws.CredentialsCache
	keys := aws.Credentials{AccessKeyID: testKeyID, SecretAccessKey: plantedKey, SessionToken: plantedToken}
	expired := keys
	expired.CanExpire, expired.Expires = true, time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		provider  aws.CredentialsProvider
		says      string
		retryable bool
	}{
		"nil":                         {nil, "is nil", false},
		"nil pointer":                 {nilCache, "is nil", false},
		"nil function":                {aws.CredentialsProviderFunc(nil), "is nil", false},
		"zero credentials":            {provides(aws.Credentials{}, nil), "empty", false},
		"no secret key":               {provides(aws.Credentials{AccessKeyID: testKeyID, SessionToken: plantedToken}, nil), "secret access key is empty", false},
		"expired":                     {provides(expired, nil), "expired at 2024-01-02T03:04:05Z", false},
		"anonymous":                   {aws.AnonymousCredentials{}, "the provider failed", false},
		"refused":                     {provides(keys, refused{}), "the vault said no", false},
		"refused for now":             {provides(keys, refused{retry: true}), "the vault said no", true},
		"the caller has gone":         {provides(keys, context.Canceled), "canceled", true},
		"the caller's deadline is up": {provides(keys, context.DeadlineExceeded), "deadline", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Provider{Credentials: tc.provider}.AwsSecurityCredentials(t.Context(), SupplierContext{})
			if e := wantError(t, err, "provider", tc.says); e.Retryable != tc.retryable {
				t.Errorf("retryable is %v", e.Retryable)
			}
		})
	}
}

func TestProviderCredentialsExpireWhileTheyAreUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := Provider{Credentials: provides(aws.Credentials{AccessKeyID: testKeyID, SecretAccessKey: plantedKey, CanExpire: true, Expires: time.Now().Add(time.Minute)}, nil)}
		if _, err := p.AwsSecurityCredentials(t.Context(), SupplierContext{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		_, err := p.AwsSecurityCredentials(t.Context(), SupplierContext{})
		wantError(t, err, "provider", "expired")
	})
}

func TestProviderKeepsTheCause(t *testing.T) {
	t.Parallel()
	cause := refused{}
	_, err := Provider{Credentials: provides(aws.Credentials{}, cause)}.AwsSecurityCredentials(t.Context(), SupplierContext{})
	if !errors.Is(err, cause) {
		t.Errorf("the cause is lost in %v", err)
	}
}

func TestProviderNeedsARegion(t *testing.T) {
	t.Parallel()
	for _, region := range []string{"", "EU", "us-west-2-lax-1a"} {
		_, err := Provider{Region: region}.AwsRegion(t.Context(), SupplierContext{})
		wantError(t, err, "provider", "Provider.Region")
	}
}
