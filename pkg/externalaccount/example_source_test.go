package externalaccount_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

const oidcProvider = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/oidc"

// google is a fake one, whose provider takes one ID token, and which serves a
// storage API.
func google() http.RoundTripper {
	cloud := fakecloud.New(fakecloud.Options{})
	cloud.AddProvider(fakecloud.Provider{Audience: oidcProvider, Kind: fakecloud.OIDCProvider, Verify: func(token string) (string, error) {
		if token != "the ID token" {
			return "", errors.New("unknown")
		}
		return "ci", nil
	}})
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "storage.googleapis.com" {
			return cloud.RoundTrip(r)
		}
		token, good := cloud.LookupToken(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		answer := fmt.Sprintf("hello %s, good: %t, billed to %s", token.Principal[strings.LastIndex(token.Principal, "/")+1:], good, r.Header.Get("X-Goog-User-Project"))
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A function of one's own proves who one is, here to a fake Google.
func ExampleOptions_source() {
	file := &externalaccount.File{Audience: oidcProvider, SubjectTokenType: subjecttoken.IDTokenType}
	credentials := externalaccount.New(file, externalaccount.Options{
		Source: subjecttoken.Func{Supply: func(context.Context, supplier.SupplierContext) (secret.Text, error) {
			return secret.New("the ID token"), nil // from wherever the platform has it
		}},
		Scopes:     []string{"https://www.googleapis.com/auth/devstorage.read_only"},
		HTTPClient: &http.Client{Transport: google()}, // leave it out to call Google
	})
	token, err := credentials.CachedToken(context.Background())
	fmt.Println(credentials.TokenState(), err)
	again, err := credentials.CachedToken(context.Background())
	fmt.Println("the same token:", again.Value.Equal(token.Value), err)
	// Output:
	// fresh <nil>
	// the same token: true <nil>
}

// An http.Client whose requests to Google carry the token.
func ExampleCredentials_Transport() {
	transport := google()
	credentials := externalaccount.New(&externalaccount.File{Audience: oidcProvider, SubjectTokenType: subjecttoken.IDTokenType}, externalaccount.Options{
		Source: subjecttoken.Func{Supply: func(context.Context, supplier.SupplierContext) (secret.Text, error) {
			return secret.New("the ID token"), nil
		}},
		Scopes:     []string{"https://www.googleapis.com/auth/devstorage.read_only"},
		HTTPClient: &http.Client{Transport: transport},
	})
	client := &http.Client{Transport: credentials.WithQuotaProject("my-project").Transport(transport)}
	answer, err := client.Get("https://storage.googleapis.com/storage/v1/b/bucket/o/object")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Println(string(body), err)
	// Output: hello ci, good: true, billed to my-project <nil>
}
