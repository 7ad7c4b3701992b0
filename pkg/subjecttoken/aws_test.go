package subjecttoken

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// fixed is a caller's own supplier.
type fixed struct {
	creds  supplier.AwsSecurityCredentials
	region string
	err    error
	asked  *supplier.SupplierContext
}

func (f fixed) AwsSecurityCredentials(_ context.Context, sc supplier.SupplierContext) (supplier.AwsSecurityCredentials, error) {
	if f.asked != nil {
		*f.asked = sc
	}
	return f.creds, f.err
}

func (f fixed) AwsRegion(context.Context, supplier.SupplierContext) (string, error) {
	return f.region, nil
}

// unquote undoes the percent-encoding in both ways that a reader may.
func unquote(t *testing.T, token secret.Text) string {
	t.Helper()
	asPath, err := url.PathUnescape(token.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	asQuery, err := url.QueryUnescape(token.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if asPath != asQuery {
		t.Fatalf("reads differently as a path and as a query:\n%s\n%s", asPath, asQuery)
	}
	return asPath
}

func TestSubjectTokenOfAKnownRequest(t *testing.T) {
	t.Parallel()
	var asked supplier.SupplierContext
	source := AWS{Supplier: fixed{creds: knownCredentials(""), region: "eu-west-1", asked: &asked}, Audience: knownAudience, Now: knownTime}
	token, err := source.SubjectToken(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"url":"https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15","method":"POST","headers":[` +
		`{"key":"Authorization","value":"AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20240102/eu-west-1/sts/aws4_request, SignedHeaders=host;x-amz-date;x-goog-cloud-target-resource, Signature=2301b23cd6e5024a064d4bffdb9fe8c5f75dc9fd086da953376d4e9e64a4e8f6"},` +
		`{"key":"host","value":"sts.eu-west-1.amazonaws.com"},{"key":"x-amz-date","value":"20240102T030405Z"},` +
		`{"key":"x-goog-cloud-target-resource","value":"` + knownAudience + `"}]}`
	if diff := cmp.Diff(want, unquote(t, token)); diff != "" {
		t.Errorf("subject token (-want +got):\n%s", diff)
	}
	if asked.Audience != knownAudience || asked.SubjectTokenType != AWSTokenType {
		t.Errorf("the supplier was asked for %+v", asked)
	}
}

func TestVerificationURLs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, verificationURL, wantURL, wantHost string }{
		{"the default", "", "https://sts.us-gov-east-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15", "sts.us-gov-east-1.amazonaws.com"},
		{"FIPS", "https://sts-fips.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15", "https://sts-fips.us-gov-east-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15", "sts-fips.us-gov-east-1.amazonaws.com"},
		{"the global endpoint", "https://sts.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15", "https://sts.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15", "sts.amazonaws.com"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			source := AWS{Supplier: fixed{creds: knownCredentials(""), region: "us-gov-east-1"}, Audience: knownAudience, VerificationURL: tc.verificationURL, Now: knownTime}
			token, err := source.SubjectToken(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				URL     string
				Headers []Header
			}
			if err := json.Unmarshal([]byte(unquote(t, token)), &got); err != nil {
				t.Fatal(err)
			}
			if got.URL != tc.wantURL || got.Headers[1] != (Header{"host", tc.wantHost}) {
				t.Errorf("got %s with %v", got.URL, got.Headers[1])
			}
			if !strings.Contains(got.Headers[0].Value, "/us-gov-east-1/sts/aws4_request") {
				t.Errorf("signed for another scope: %s", got.Headers[0].Value)
			}
		})
	}
}

func TestNoSubjectTokenWithoutAnIdentity(t *testing.T) {
	t.Parallel()
	broken := errors.New("the vault is sealed")
	for _, tc := range []struct {
		name   string
		source *AWS
		want   string
		typed  any
	}{
		{"no audience", &AWS{Supplier: fixed{creds: knownCredentials(""), region: "eu-west-1"}}, "audience is empty", new(*Error)},
		{"no supplier", &AWS{Audience: knownAudience}, "", new(*supplier.Error)},
		{"a supplier that returns nothing", &AWS{Audience: knownAudience, Supplier: fixed{region: "eu-west-1"}}, "", new(*supplier.Error)},
		{"a supplier that fails", &AWS{Audience: knownAudience, Supplier: fixed{err: broken}}, "the vault is sealed", new(*supplier.Error)},
		{"an empty region, which would sign for sts..amazonaws.com", &AWS{Audience: knownAudience, Supplier: fixed{creds: knownCredentials("")}}, "", new(*supplier.Error)},
		{"a region that is a host", &AWS{Audience: knownAudience, Supplier: fixed{creds: knownCredentials(""), region: "evil.example/"}}, "", new(*supplier.Error)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			token, err := tc.source.SubjectToken(context.Background())
			if err == nil || !token.IsZero() {
				t.Fatalf("got a token and %v", err)
			}
			if !errors.As(err, tc.typed) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %T %q, want a %T with %q", err, err, tc.typed, tc.want)
			}
			if tc.name == "a supplier that fails" && !errors.Is(err, broken) {
				t.Error("the supplier's own error is lost")
			}
		})
	}
}
