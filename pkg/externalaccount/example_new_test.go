package externalaccount_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
)

// identityPool is a credential file with a credential_source.
func identityPool(source string) []byte {
	return []byte(`{
		"type": "external_account",
		"audience": "` + oidcProvider + `",
		"subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
		"credential_source": ` + source + `
	}`)
}

// mint has a file's credentials make a token, at a fake Google.
func mint(file []byte, allowed externalaccount.FileOptions, options externalaccount.Options) {
	f, err := externalaccount.ParseFile(file, allowed)
	if err != nil {
		fmt.Println(err)
		return
	}
	options.Scopes = []string{"https://www.googleapis.com/auth/devstorage.read_only"}
	if options.HTTPClient == nil { // which is what calls Google
		options.HTTPClient = &http.Client{Transport: google()}
	}
	token, err := externalaccount.New(f, options).CachedToken(context.Background())
	fmt.Println("a token:", !token.Value.IsZero(), err)
}

// temporary writes a file that the example reads, or runs.
func temporary(name, content string) (path string, remove func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
		panic(err)
	}
	return path, func() { os.RemoveAll(dir) }
}

// The subject token is in a file, as on Kubernetes.
func ExampleNew_file() {
	path, remove := temporary("token", "the ID token\n")
	defer remove()
	mint(identityPool(`{"file": "`+path+`"}`), externalaccount.FileOptions{}, externalaccount.Options{})
	// Output: a token: true <nil>
}

// The subject token is told by a server, as on Azure.
func ExampleNew_url() {
	fake := google()
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "169.254.169.254" || r.Header.Get("Metadata") != "True" {
			return fake.RoundTrip(r)
		}
		body := io.NopCloser(strings.NewReader(`{"access_token": "the ID token"}`))
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, Request: r}, nil
	})}
	mint(identityPool(`{
		"url": "http://169.254.169.254/metadata/identity/oauth2/token?resource=api",
		"headers": {"Metadata": "True"},
		"format": {"type": "json", "subject_token_field_name": "access_token"}
	}`), externalaccount.FileOptions{}, externalaccount.Options{HTTPClient: client})
	// Output: a token: true <nil>
}

// The subject token is printed by a program, which has to be allowed twice.
func ExampleNew_executable() {
	path, remove := temporary("issue", `#!/bin/sh
echo '{"version": 1, "success": true, "token_type": "urn:ietf:params:oauth:token-type:id_token", "id_token": "the ID token"}'
`)
	defer remove()
	file := identityPool(`{"executable": {"command": "` + path + `", "timeout_millis": 5000}}`)
	mint(file, externalaccount.FileOptions{}, externalaccount.Options{})

	allowed := func(name string) string { // in place of the process's environment
		return map[string]string{"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1"}[name]
	}
	mint(file, externalaccount.FileOptions{AllowExecutable: true}, externalaccount.Options{Getenv: allowed})
	// Output:
	// credential_source.executable: found an object; write another source: no program may be run here (in Go, see FileOptions.AllowExecutable)
	// a token: true <nil>
}

// The certificate of the connection to Google is the proof, so that another token
// endpoint is called than otherwise.
func ExampleNew_certificate() {
	f, err := externalaccount.ParseFile([]byte(`{
		"type": "external_account",
		"audience": "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/x509",
		"subject_token_type": "urn:ietf:params:oauth:token-type:mtls",
		"credential_source": {"certificate": {"certificate_config_location": "certificate_config.json"}}
	}`), externalaccount.FileOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	credentials := externalaccount.New(f, externalaccount.Options{})
	fmt.Println(credentials.TokenURL())
	_, err = credentials.SubjectToken(context.Background())
	fmt.Println(err)
	// Output:
	// https://sts.mtls.googleapis.com/v1/token
	// getting the subject token from certificate: reading the certificate configuration that credential_source.certificate.certificate_config_location names: stat certificate_config.json: no such file or directory
}

// AWS signs a JWT, for a provider that knows the AWS account as an OpenID Connect
// issuer. The credential file is one for an identity pool, or made in Go.
func ExampleNew_webIdentity() {
	cloud := fakecloud.New(fakecloud.Options{})
	cloud.AddAWSKey(fakecloud.AWSKey{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ARN: "arn:aws:iam::123456789012:user/ci"})
	cloud.AddProvider(fakecloud.Provider{Audience: oidcProvider, Kind: fakecloud.OIDCProvider})
	client := &http.Client{Transport: cloud} // leave it out to call AWS and Google

	file := &externalaccount.File{Audience: oidcProvider, SubjectTokenType: subjecttoken.JWTTokenType}
	credentials := externalaccount.New(file, externalaccount.Options{
		Source: &subjecttoken.AWSWebIdentity{
			Supplier:   static{}, // or supplier.Default()
			Audience:   file.Audience,
			HTTPClient: client,
		},
		Scopes:     []string{"https://www.googleapis.com/auth/devstorage.read_only"},
		HTTPClient: client,
	})
	token, err := credentials.CachedToken(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	issued, good := cloud.LookupToken(token.Value.Reveal())
	fmt.Println(issued.Principal, good)
	// Output: principal://iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/subject/arn:aws:iam::123456789012:user/ci true
}
