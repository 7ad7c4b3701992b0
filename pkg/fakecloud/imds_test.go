package fakecloud_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// fetch sends a request without a body and returns the answer's status and text.
func fetch(t *testing.T, c *fakecloud.Cloud, method, target string, header http.Header) (status int, text string) {
	t.Helper()
	r, err := http.NewRequest(method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	response, err := c.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

const imds = "http://169.254.169.254/latest/"

func TestIMDSTellsWhatTheInstanceIs(t *testing.T) {
	t.Parallel()
	at := newClock(noon)
	c := fakecloud.New(fakecloud.Options{Now: at.now})
	key := minterKey // which says no expiry: six hours are told
	c.AddAWSKey(key)
	if status, _ := fetch(t, c, "PUT", imds+"api/token", http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"60"}}); status != 404 {
		t.Errorf("without an instance: %d", status)
	}
	c.SetInstance(fakecloud.Instance{Role: "minter", AccessKeyID: key.AccessKeyID, Region: "us-west-2", AvailabilityZone: "us-west-2-lax-1a", DisableV1: true})

	status, token := fetch(t, c, "PUT", imds+"api/token", http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"60"}})
	if status != 200 || token == "" {
		t.Fatalf("token: %d %q", status, token)
	}
	header := http.Header{"X-Aws-Ec2-Metadata-Token": {token}}
	for path, want := range map[string]string{
		"meta-data/placement/region":            "us-west-2",
		"meta-data/placement/availability-zone": "us-west-2-lax-1a",
		"meta-data/iam/security-credentials/":   "minter",
		"meta-data/iam/security-credentials":    "minter",
	} {
		if status, text := fetch(t, c, "GET", imds+path, header); status != 200 || text != want {
			t.Errorf("%s: %d %q", path, status, text)
		}
	}
	_, text := fetch(t, c, "GET", imds+"meta-data/iam/security-credentials/minter", header)
	var got map[string]string
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"Code": "Success", "LastUpdated": "2024-01-02T12:00:00Z", "Type": "AWS-HMAC", "AccessKeyId": key.AccessKeyID,
		"SecretAccessKey": key.SecretAccessKey, "Token": key.SessionToken, "Expiration": "2024-01-02T18:00:00Z",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	for name, refused := range map[string]struct {
		method, path string
		header       http.Header
		status       int
	}{
		"another role's credentials":  {"GET", "meta-data/iam/security-credentials/other", header, 404},
		"what the fake does not have": {"GET", "meta-data/ami-id", header, 404},
		"version 1":                   {"GET", "meta-data/placement/region", nil, 401},
		"an unknown token":            {"GET", "meta-data/placement/region", http.Header{"X-Aws-Ec2-Metadata-Token": {"x"}}, 401},
		"a token without a TTL":       {"PUT", "api/token", nil, 400},
		"a TTL of nothing":            {"PUT", "api/token", http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"0"}}, 400},
		"a TTL of over 6 hours":       {"PUT", "api/token", http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"21601"}}, 400},
		"a token through a proxy":     {"PUT", "api/token", http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"60"}, "X-Forwarded-For": {"10.0.0.1"}}, 403},
		"a token with GET":            {"GET", "api/token", header, 405},
	} {
		if status, text := fetch(t, c, refused.method, imds+refused.path, refused.header); status != refused.status {
			t.Errorf("%s: %d %q", name, status, text)
		}
	}
	at.advance(time.Minute)
	if status, _ := fetch(t, c, "GET", imds+"meta-data/placement/region", header); status != 401 {
		t.Errorf("with an expired token: %d", status)
	}
}

func TestIMDSVersion1AnswersUnlessItIsDisabled(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{Region: "eu-west-1"})
	c.SetInstance(fakecloud.Instance{})
	if status, text := fetch(t, c, "GET", imds+"meta-data/placement/availability-zone", nil); status != 200 || text != "eu-west-1a" {
		t.Errorf("got %d %q", status, text)
	}
	if status, _ := fetch(t, c, "GET", imds+"meta-data/iam/security-credentials/", nil); status != 404 {
		t.Errorf("the role of an instance without one: %d", status)
	}
}

func TestContainerEndpointServesCredentialsByPath(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	key := minterKey
	key.Expires = noon
	c.AddAWSKey(key)
	c.SetContainerCredentials(fakecloud.ContainerCredentials{Path: "/v2/credentials/a-b-c", AccessKeyID: key.AccessKeyID})
	c.SetContainerCredentials(fakecloud.ContainerCredentials{AccessKeyID: key.AccessKeyID, AuthorizationToken: "Bearer x"})
	c.SetContainerCredentials(fakecloud.ContainerCredentials{Path: "/revoked", AccessKeyID: "ASIAGONE"})
	full := fakecloud.EndpointsAt("http://127.0.0.1:1").Container

	want := map[string]string{
		"RoleArn": "arn:aws:iam::123456789012:role/minter", "AccessKeyId": key.AccessKeyID, "SecretAccessKey": key.SecretAccessKey,
		"Token": key.SessionToken, "Expiration": "2024-01-02T12:00:00Z",
	}
	for name, test := range map[string]struct {
		target, authorization string
		status                int
	}{
		"the relative URI":                      {"http://169.254.170.2/v2/credentials/a-b-c", "", 200},
		"the full URI with its token":           {full, "Bearer x", 200},
		"the full URI without a token":          {full, "", 401},
		"the full URI with another token":       {full, "Bearer y", 401},
		"a path without credentials":            {"http://169.254.170.2/", "", 404},
		"a path whose key is no longer in AWS":  {"http://169.254.170.2/revoked", "", 500},
		"EKS's host, which serves the same way": {"http://169.254.170.23/v2/credentials/a-b-c", "", 200},
	} {
		header := http.Header{}
		if test.authorization != "" {
			header.Set("Authorization", test.authorization)
		}
		status, text := fetch(t, c, "GET", test.target, header)
		var got map[string]string
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		switch {
		case status != test.status:
			t.Errorf("%s: %d %s", name, status, text)
		case status == 200 && !cmp.Equal(want, got):
			t.Errorf("%s: %s", name, cmp.Diff(want, got))
		case status != 200 && (got["code"] == "" || got["message"] == "" || strings.Contains(text, key.SecretAccessKey)):
			t.Errorf("%s: %s", name, text)
		}
	}
}
