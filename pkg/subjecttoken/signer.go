package subjecttoken

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/wifmint/wifmint/pkg/supplier"
)

// RequestSigner signs requests to AWS with Signature Version 4. It is a face
// over the AWS SDK's signer, in the shape of the get_request_options of
// Google's Python library. Safe for concurrent use.
type RequestSigner struct {
	// Region goes into the credential scope; required.
	Region string
	// Service goes into the credential scope; zero means the first label of the
	// URL's host, without "-fips" ("sts" for sts.eu-west-1.amazonaws.com and
	// for sts-fips.us-east-1.amazonaws.com).
	Service string
	// Now is the signing clock; nil means time.Now.
	Now func() time.Time

	keys *keyCache
}

// keyCache keeps one signer, and with it the key that the signer derived for
// the day, for as long as the credentials stay the same. The SDK's own cache
// looks at the access key id alone, so a signer that outlived a corrected
// secret would go on signing with the wrong one.
type keyCache struct {
	mu    sync.Mutex
	creds supplier.AwsSecurityCredentials
	v4    *v4.Signer
}

// signer returns the signer for creds. A nil cache makes a new one.
func (c *keyCache) signer(creds supplier.AwsSecurityCredentials) *v4.Signer {
	if c == nil {
		return v4.NewSigner()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.v4 == nil || c.creds.AccessKeyID != creds.AccessKeyID || !c.creds.SecretAccessKey.Equal(creds.SecretAccessKey) {
		c.creds, c.v4 = creds, v4.NewSigner()
	}
	return c.v4
}

// Request is what is to be signed.
type Request struct {
	// Method is such as "POST"; required.
	Method string
	// URL is absolute; required. Its query is signed in canonical order.
	URL string
	// Payload is the body, "" for none.
	Payload string
	// Headers are signed besides host and x-amz-date. An x-amz-date here (ISO
	// 8601 basic, such as 20240102T030405Z) is the signing time in place of Now.
	Headers map[string]string
}

// SignedRequest is a request that AWS accepts for 15 minutes, as data. Its Headers
// are every one that has to be sent, host included, and none besides.
type SignedRequest struct {
	// Method, URL and Payload are the [Request]'s.
	Method  string
	URL     string
	Headers []Header
	Payload string
}

// Header is one header of a signed request. Keys are in lower case, but for
// Authorization, and sorted.
type Header struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

const (
	amzDate       = "x-amz-date"
	amzDateFormat = "20060102T150405Z"
	// emptySHA256 is the hash of an empty payload.
	emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// RequestOptions signs req with creds. It fails with an *Error, before
// anything is signed, on an empty region or keys, a URL that is not absolute,
// or an x-amz-date that is no date.
func (s *RequestSigner) RequestOptions(ctx context.Context, creds supplier.AwsSecurityCredentials, req Request) (SignedRequest, error) {
	at, err := s.signingTime(req.Headers)
	if err != nil {
		return SignedRequest{}, err
	}
	header := make(http.Header, len(req.Headers)+signerHeaders)
	for k, v := range req.Headers {
		if !strings.EqualFold(k, amzDate) {
			header.Set(k, v)
		}
	}
	return s.sign(ctx, creds, req, header, at)
}

// signerHeaders is how many headers a signer adds: Authorization, X-Amz-Date,
// X-Amz-Security-Token.
const signerHeaders = 3

// sign signs req with header, which it owns, in place of its Headers.
func (s *RequestSigner) sign(ctx context.Context, creds supplier.AwsSecurityCredentials, req Request, header http.Header, at time.Time) (SignedRequest, error) {
	if s.Region == "" {
		return SignedRequest{}, &Error{Reason: "the region is empty; set RequestSigner.Region, such as eu-west-1"}
	}
	if creds.AccessKeyID == "" || creds.SecretAccessKey.IsZero() {
		return SignedRequest{}, &Error{Reason: "the access key id or the secret access key is empty"}
	}
	u, ok := absolute(req.URL)
	if !ok {
		return SignedRequest{}, &Error{Reason: "the URL to sign is not an absolute https URL"}
	}
	// No body is attached: the SDK signs a content-length header when there is
	// one, which neither Google's libraries nor its verifier expect.
	r := &http.Request{Method: req.Method, URL: u, Host: u.Host, Header: header}
	err := s.keys.signer(creds).SignHTTP(ctx, aws.Credentials{
		AccessKeyID:     creds.AccessKeyID,
		SecretAccessKey: creds.SecretAccessKey.Reveal(),
		SessionToken:    creds.SessionToken.Reveal(),
	}, r, payloadHash(req.Payload), s.service(u), s.Region, at)
	if err != nil {
		return SignedRequest{}, &Error{Reason: "signing with AWS Signature Version 4", Err: err}
	}
	return SignedRequest{Method: req.Method, URL: req.URL, Headers: signedHeaders(r), Payload: req.Payload}, nil
}

func absolute(rawURL string) (_ *url.URL, ok bool) {
	u, err := url.Parse(rawURL)
	return u, err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http")
}

func (s *RequestSigner) signingTime(headers map[string]string) (time.Time, error) {
	for k, v := range headers {
		if !strings.EqualFold(k, amzDate) {
			continue
		}
		at, err := time.Parse(amzDateFormat, v)
		if err != nil {
			return time.Time{}, &Error{Reason: "the x-amz-date header is not of the form 20240102T030405Z", Err: err}
		}
		return at, nil
	}
	return s.now(), nil
}

func (s *RequestSigner) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *RequestSigner) service(u *url.URL) string {
	if s.Service != "" {
		return s.Service
	}
	label, _, _ := strings.Cut(u.Hostname(), ".")
	return strings.TrimSuffix(label, "-fips")
}

func payloadHash(payload string) string {
	if payload == "" {
		return emptySHA256
	}
	sum := sha256.Sum256([]byte(payload))
	return hex.EncodeToString(sum[:])
}

func signedHeaders(r *http.Request) []Header {
	headers := make([]Header, 0, len(r.Header)+1)
	headers = append(headers, Header{"host", r.Host})
	for k, v := range r.Header {
		headers = append(headers, Header{wireKey(k), v[0]})
	}
	slices.SortFunc(headers, func(a, b Header) int { return strings.Compare(a.Key, b.Key) })
	return headers
}

// wireKey is the spelling of Google's documentation. The switch saves an
// allocation for the headers of every token.
func wireKey(canonical string) string {
	switch canonical {
	case "Authorization":
		return canonical
	case "X-Amz-Date":
		return amzDate
	case "X-Amz-Security-Token":
		return "x-amz-security-token"
	case "X-Goog-Cloud-Target-Resource":
		return targetResource
	}
	return strings.ToLower(canonical)
}
