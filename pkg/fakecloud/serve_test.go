package fakecloud_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func serve(t *testing.T, c *fakecloud.Cloud) *fakecloud.Server {
	t.Helper()
	server, err := c.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// overNetwork is the same request to a served cloud, on a connection of its own.
func overNetwork(t *testing.T, c *fakecloud.Cloud, r *http.Request) (*http.Client, *http.Request) {
	t.Helper()
	out, err := http.NewRequestWithContext(r.Context(), r.Method, serve(t, c).Endpoints().SecretsManager, r.Body)
	if err != nil {
		t.Fatal(err)
	}
	out.Header = r.Header
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, out
}

func atServer(server *fakecloud.Server) func(*secretsmanager.Options) {
	return func(o *secretsmanager.Options) {
		o.BaseEndpoint = aws.String(server.Endpoints().SecretsManager)
		o.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	}
}

func TestAServedCloudIsTheSameCloud(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	c.AddAWSKey(fakecloud.AWSKey{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example-secret", ARN: "arn:aws:iam::123456789012:user/a"})
	c.PutSecret("a", "v")
	s := secretsClient(nil, atServer(serve(t, c)))
	if got, err := s.GetSecretValue(t.Context(), getA); err != nil || *got.SecretString != "v" {
		t.Errorf("reading: %v, %v", got, err)
	}
	if _, err := s.PutSecretValue(t.Context(), putA); err != nil {
		t.Errorf("writing: %v", err)
	}
	if secret, _ := c.Secret("a"); len(secret.Versions) != 2 {
		t.Errorf("the secret is %+v", secret)
	}
	if n := c.Count("secretsmanager", ""); n != 2 {
		t.Errorf("%d calls on record, want 2", n)
	}
}

func TestAnUnknownPathIsNotFound(t *testing.T) {
	t.Parallel()
	server := serve(t, fakecloud.New(fakecloud.Options{}))
	answer, err := http.Get(server.URL + "/s3/bucket")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNotFound {
		t.Errorf("got %s", answer.Status)
	}
}

func TestOverTheNetworkAHangEndsWithItsClient(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	c.Fault(fakecloud.Fault{Hang: true})
	ctx, giveUp := context.WithCancel(t.Context())
	c.OnCall(func(fakecloud.Call) { giveUp() })
	server := serve(t, c)
	if _, err := secretsClient(nil, atServer(server)).GetSecretValue(ctx, getA); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if err := server.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

func TestClosingAServerEndsAHang(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	c.Fault(fakecloud.Fault{Hang: true})
	hanging := make(chan struct{})
	c.OnCall(func(fakecloud.Call) { close(hanging) })
	server := serve(t, c)
	go func() {
		<-hanging
		_ = server.Close()
	}()
	if _, err := secretsClient(nil, atServer(server)).GetSecretValue(t.Context(), getA); err == nil {
		t.Error("a hanging call succeeded")
	}
}
