package externalaccount

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// canned answers every exchange at once, so that only this library's own work
// is left to be measured.
type canned struct{}

func (canned) RoundTrip(r *http.Request) (*http.Response, error) {
	_ = r.Body.Close()
	const answer = `{"access_token":"ya29.d.token","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3599}`
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

type fixedSupplier struct{}

func (fixedSupplier) AwsSecurityCredentials(context.Context, supplier.SupplierContext) (supplier.AwsSecurityCredentials, error) {
	return supplier.AwsSecurityCredentials{AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: secret.New("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), SessionToken: secret.New(strings.Repeat("IQoJb3JpZ2luX2Vj", 40))}, nil
}

func (fixedSupplier) AwsRegion(context.Context, supplier.SupplierContext) (string, error) {
	return "eu-west-1", nil
}

// BenchmarkExchange is one mint: sign, exchange, read the answer. The bench
// module compares it with Google's libraries.
func BenchmarkExchange(b *testing.B) {
	c := New(&File{
		Type: "external_account", Audience: "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws",
		SubjectTokenType: "urn:ietf:params:aws:token-type:aws4_request", TokenURL: "https://sts.googleapis.com/v1/token",
		UniverseDomain: "googleapis.com", AWS: &AWSSource{EnvironmentID: "aws1"},
	}, Options{Supplier: fixedSupplier{}, HTTPClient: &http.Client{Transport: canned{}}})
	scopes := []string{"https://www.googleapis.com/auth/cloud-platform"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Exchange(context.Background(), scopes); err != nil {
			b.Fatal(err)
		}
	}
}
