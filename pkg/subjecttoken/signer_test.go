package subjecttoken

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
)

const knownAudience = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws"

func knownCredentials(sessionToken string) supplier.AwsSecurityCredentials {
	return supplier.AwsSecurityCredentials{
		AccessKeyID:     "ASIAIOSFODNN7EXAMPLE",
		SecretAccessKey: secret.New("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
		SessionToken:    secret.New(sessionToken),
	}
}

func knownTime() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC) }

// The signatures were computed with Google's own libraries.
func TestSignaturesOfKnownRequests(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, sessionToken, signedHeaders, signature string }{
		{
			"without a session token", "", "host;x-amz-date;x-goog-cloud-target-resource",
			"2301b23cd6e5024a064d4bffdb9fe8c5f75dc9fd086da953376d4e9e64a4e8f6",
		},
		{
			"with a session token", "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCWV1LXdlc3QtMSJHMEUCIQD+a/b=",
			"host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource",
			"c72e8b18d9607948bfd500c0a532e4eacd0b409131ca02fbedd23a6d2f6dccfc",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			signer := RequestSigner{Region: "eu-west-1", Now: knownTime}
			got, err := signer.RequestOptions(context.Background(), knownCredentials(tc.sessionToken), Request{
				Method:  http.MethodPost,
				URL:     strings.ReplaceAll(DefaultVerificationURL, "{region}", "eu-west-1"),
				Headers: map[string]string{targetResource: knownAudience},
			})
			if err != nil {
				t.Fatal(err)
			}
			want := SignedRequest{
				Method: "POST",
				URL:    "https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
				Headers: []Header{
					{"Authorization", "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20240102/eu-west-1/sts/aws4_request, SignedHeaders=" + tc.signedHeaders + ", Signature=" + tc.signature},
					{"host", "sts.eu-west-1.amazonaws.com"},
					{"x-amz-date", "20240102T030405Z"},
				},
			}
			if tc.sessionToken != "" {
				want.Headers = append(want.Headers, Header{"x-amz-security-token", tc.sessionToken})
			}
			want.Headers = append(want.Headers, Header{"x-goog-cloud-target-resource", knownAudience})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("signed request (-want +got):\n%s", diff)
			}
		})
	}
}

// request draws any request that the signer takes.
func request(t *rapid.T) Request {
	host := rapid.SampledFrom([]string{"sts.eu-west-1.amazonaws.com", "sts-fips.us-east-1.amazonaws.com", "dynamodb.us-east-2.amazonaws.com", "example.org:8443"}).Draw(t, "host")
	path := rapid.SampledFrom([]string{"", "/", "/a/b", "/a%20b/c", "/~x-._"}).Draw(t, "path")
	query := url.Values{}
	for range rapid.IntRange(0, 4).Draw(t, "params") {
		query.Add(rapid.StringMatching(`[A-Za-z0-9 ~*+&=/-]{1,8}`).Draw(t, "key"), rapid.StringMatching(`[A-Za-z0-9 ~*+&=/-]{0,8}`).Draw(t, "value"))
	}
	r := Request{
		Method:  rapid.SampledFrom([]string{"GET", "POST", "PUT", "DELETE"}).Draw(t, "method"),
		URL:     "https://" + host + path,
		Payload: rapid.StringN(0, 40, 80).Draw(t, "payload"),
		Headers: map[string]string{},
	}
	if len(query) > 0 {
		r.URL += "?" + query.Encode()
	}
	for range rapid.IntRange(0, 3).Draw(t, "headers") {
		r.Headers["x-h-"+rapid.StringMatching(`[a-z0-9]{1,6}`).Draw(t, "name")] = rapid.StringMatching(`[!-~]{1,3}( {0,2}[!-~]{1,3}){0,2}`).Draw(t, "header")
	}
	return r
}

func credentials(t *rapid.T) supplier.AwsSecurityCredentials {
	return supplier.AwsSecurityCredentials{
		AccessKeyID:     rapid.StringMatching(`[A-Z0-9]{16,24}`).Draw(t, "id"),
		SecretAccessKey: secret.New(rapid.StringMatching(`[A-Za-z0-9/+]{20,40}`).Draw(t, "secret")),
		SessionToken:    secret.New(rapid.StringMatching(`[A-Za-z0-9/+=]{0,60}`).Draw(t, "session")),
	}
}

func TestSignatureIsTheSDKsAndAnIndependentOne(t *testing.T) {
	t.Parallel()
	cache := new(keyCache) // one for all: a stale derived key would show
	rapid.Check(t, func(t *rapid.T) {
		req, creds := request(t), credentials(t)
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "time"), 0).UTC()
		region := rapid.SampledFrom([]string{"eu-west-1", "us-gov-east-1", "ap-southeast-7"}).Draw(t, "region")

		signer := RequestSigner{Region: region, Service: "sts", Now: func() time.Time { return at }, keys: cache}
		got, err := signer.RequestOptions(context.Background(), creds, req)
		if err != nil {
			t.Fatal(err)
		}
		authorization := got.Headers[0].Value
		if want := sdkAuthorization(t, creds, req, region, at); authorization != want {
			t.Fatalf("the SDK's signer differs:\n got %s\nwant %s", authorization, want)
		}
		if want := recompute(t, creds, got, region, at); authorization != want {
			t.Fatalf("a recomputation differs:\n got %s\nwant %s", authorization, want)
		}
	})
}

// sdkAuthorization signs with a signer of its own, from an http.Request made by
// net/http.
func sdkAuthorization(t *rapid.T, creds supplier.AwsSecurityCredentials, req Request, region string, at time.Time) string {
	r, err := http.NewRequest(req.Method, req.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range req.Headers {
		r.Header.Set(k, v)
	}
	sum := sha256.Sum256([]byte(req.Payload))
	err = v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{
		AccessKeyID: creds.AccessKeyID, SecretAccessKey: creds.SecretAccessKey.Reveal(), SessionToken: creds.SessionToken.Reveal(),
	}, r, hex.EncodeToString(sum[:]), "sts", region, at)
	if err != nil {
		t.Fatal(err)
	}
	return r.Header.Get("Authorization")
}

// recompute follows "Create a signed AWS API request" of the IAM User Guide,
// from nothing but the headers that the signed request says have to be sent.
func recompute(t *rapid.T, creds supplier.AwsSecurityCredentials, r SignedRequest, region string, at time.Time) string {
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	var canonicalHeaders strings.Builder
	for _, h := range r.Headers {
		if h.Key == "Authorization" {
			continue
		}
		names = append(names, h.Key)
		fmt.Fprintf(&canonicalHeaders, "%s:%s\n", h.Key, strings.Join(strings.Fields(h.Value), " "))
	}
	if !slices.IsSorted(names) {
		t.Fatalf("headers are not sorted: %v", names)
	}
	payload := sha256.Sum256([]byte(r.Payload))
	canonical := strings.Join([]string{
		r.Method, canonicalPath(u), canonicalQuery(u), canonicalHeaders.String(), strings.Join(names, ";"), hex.EncodeToString(payload[:]),
	}, "\n")
	digest := sha256.Sum256([]byte(canonical))
	scope := at.Format("20060102") + "/" + region + "/sts/aws4_request"
	toSign := "AWS4-HMAC-SHA256\n" + at.Format("20060102T150405Z") + "\n" + scope + "\n" + hex.EncodeToString(digest[:])
	key := []byte("AWS4" + creds.SecretAccessKey.Reveal())
	for _, part := range []string{at.Format("20060102"), region, "sts", "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x", creds.AccessKeyID, scope, strings.Join(names, ";"), key)
}

// canonicalPath encodes the path a second time, as every service but S3 wants it.
func canonicalPath(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		return "/"
	}
	return awsEscape(path, "/")
}

func canonicalQuery(u *url.URL) string {
	var pairs [][2]string
	for k, values := range u.Query() {
		for _, v := range values {
			pairs = append(pairs, [2]string{awsEscape(k, ""), awsEscape(v, "")})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	var parts []string
	for _, p := range pairs {
		parts = append(parts, p[0]+"="+p[1])
	}
	return strings.Join(parts, "&")
}

func awsEscape(s, safe string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"+safe, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func TestADerivedKeyIsNotUsedForAnotherSecret(t *testing.T) {
	t.Parallel()
	signer := RequestSigner{Region: "eu-west-1", Service: "sts", Now: knownTime, keys: new(keyCache)}
	req := Request{Method: "POST", URL: "https://sts.eu-west-1.amazonaws.com/"}
	wrong, right := knownCredentials(""), knownCredentials("")
	wrong.SecretAccessKey = secret.New("mistyped")

	first, err := signer.RequestOptions(context.Background(), wrong, req)
	if err != nil {
		t.Fatal(err)
	}
	second, err := signer.RequestOptions(context.Background(), right, req)
	if err != nil {
		t.Fatal(err)
	}
	if first.Headers[0] == second.Headers[0] {
		t.Error("the same access key id with a corrected secret gave the same signature")
	}
}

func TestAnExtraDateHeaderIsTheSigningTime(t *testing.T) {
	t.Parallel()
	signer := RequestSigner{Region: "eu-west-1", Now: func() time.Time { t.Error("the clock was asked"); return time.Time{} }}
	got, err := signer.RequestOptions(context.Background(), knownCredentials(""), Request{
		Method: "GET", URL: "https://sts.eu-west-1.amazonaws.com/", Headers: map[string]string{"X-Amz-Date": "20240102T030405Z"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(got.Headers, Header{"x-amz-date", "20240102T030405Z"}) || !strings.Contains(got.Headers[0].Value, "/20240102/eu-west-1/") {
		t.Errorf("got %v", got.Headers)
	}
}

func TestWhatCannotBeSignedIsATypedError(t *testing.T) {
	t.Parallel()
	good := Request{Method: "POST", URL: "https://sts.eu-west-1.amazonaws.com/"}
	for _, tc := range []struct {
		name   string
		signer RequestSigner
		creds  supplier.AwsSecurityCredentials
		req    Request
		want   string
	}{
		{"no region", RequestSigner{}, knownCredentials(""), good, "region is empty"},
		{"no keys", RequestSigner{Region: "eu-west-1"}, supplier.AwsSecurityCredentials{}, good, "is empty"},
		{"half a key", RequestSigner{Region: "eu-west-1"}, supplier.AwsSecurityCredentials{AccessKeyID: "AKIA"}, good, "is empty"},
		{"a relative URL", RequestSigner{Region: "eu-west-1"}, knownCredentials(""), Request{URL: "/x"}, "not an absolute"},
		{"no URL", RequestSigner{Region: "eu-west-1"}, knownCredentials(""), Request{}, "not an absolute"},
		{"a date that is none", RequestSigner{Region: "eu-west-1"}, knownCredentials(""), Request{URL: good.URL, Headers: map[string]string{"x-amz-date": "yesterday"}}, "x-amz-date"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := tc.signer.RequestOptions(context.Background(), tc.creds, tc.req)
			var typed *Error
			if !errors.As(err, &typed) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an *Error with %q", err, tc.want)
			}
		})
	}
}

func TestServiceIsTheFirstLabelOfTheHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"sts.eu-west-1.amazonaws.com":      "sts",
		"sts-fips.us-east-1.amazonaws.com": "sts",
		"ec2.us-east-2.amazonaws.com":      "ec2",
	} {
		if got := new(RequestSigner).service(&url.URL{Host: host}); got != want {
			t.Errorf("%s: got %s, want %s", host, got, want)
		}
	}
}

func BenchmarkRequestOptions(b *testing.B) {
	signer := RequestSigner{Region: "eu-west-1", Service: "sts", Now: knownTime, keys: new(keyCache)}
	creds := knownCredentials("session")
	req := Request{Method: http.MethodPost, URL: strings.ReplaceAll(DefaultVerificationURL, "{region}", "eu-west-1"), Headers: map[string]string{targetResource: knownAudience}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := signer.RequestOptions(context.Background(), creds, req); err != nil {
			b.Fatal(err)
		}
	}
}
