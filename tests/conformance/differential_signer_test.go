package conformance_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// What is compared is RequestSigner's work: Authorization, with the signature and
// the list of signed headers in it, every other header, URL and method, and the
// subject token made of them, decoded. As shipped, google-auth adds
// x-goog-cloud-target-resource after it has signed, and this library signs it;
// so both signers are given it as a header to sign. botocore signs the same
// as the judge between them.
func TestSignaturesAreGoogleAuths(t *testing.T) {
	t.Parallel()
	google := startPython(t)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range 400 {
		c := signingCaseOf(random)
		if diff := c.compare(t, google); diff != "" {
			t.Fatalf("seed %d, case %d: %+v\n%s", seed, i, c, diff)
		}
	}
}

// signingCase is one set of inputs to both signers.
type signingCase struct {
	region, id, key, token, audience, verification string
	at                                             time.Time
	// payload and contentType are of a request that no subject token has; mostly empty.
	payload, contentType string
}

func signingCaseOf(r *rand.Rand) signingCase {
	const (
		upper    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
		base64   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
		lower    = "abcdefghijklmnopqrstuvwxyz"
		poolName = lower + "0123456789-"
	)
	text := func(n int, alphabet string) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(b)
	}
	c := signingCase{
		region: fmt.Sprintf("%s-%s-%d", text(2+r.IntN(3), lower), text(4+r.IntN(5), lower), 1+r.IntN(12)),
		id:     "ASIA" + text(16, upper),
		key:    text(40, base64),
		at:     time.Unix(r.Int64N(4_000_000_000), 0).UTC(), // to the year 2096
		audience: fmt.Sprintf("//iam.googleapis.com/projects/%d/locations/global/workloadIdentityPools/%s/providers/%s",
			r.Int64N(1e12), text(4+r.IntN(28), poolName), text(4+r.IntN(28), poolName)),
		verification: verificationURLs[r.IntN(len(verificationURLs))],
	}
	if r.IntN(4) > 0 {
		c.token = text(100+r.IntN(900), base64)
	}
	if r.IntN(4) == 0 {
		c.payload, c.contentType = text(r.IntN(200), base64), "application/x-amz-json-1.0"
	}
	return c
}

// verificationURLs are those of AWS, and such as make the canonical request hard.
var verificationURLs = []string{
	subjecttoken.DefaultVerificationURL,
	"https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
	"https://sts.{region}.amazonaws.com?Version=2011-06-15&Action=GetCallerIdentity",
	"https://sts-fips.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
	"https://sts.{region}.amazonaws.com.cn?Action=GetCallerIdentity&Version=2011-06-15",
	"https://sts.{region}.api.aws?Action=GetCallerIdentity&Version=2011-06-15",
	"https://sts.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
	"https://sts.{region}.amazonaws.com/some/path?Action=GetCallerIdentity&Version=2011-06-15",
	"https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15&b=2&a=3&a=1",
	"https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15&k=~-_.&key%21=a%2Fb",
	"https://sts.{region}.amazonaws.com",
}

// compare tells where the two libraries differ; "" means that they do not.
func (c signingCase) compare(t *testing.T, google *python) string {
	t.Helper()
	const targetResource = "x-goog-cloud-target-resource"
	target := strings.ReplaceAll(c.verification, "{region}", c.region)
	creds := supplier.AwsSecurityCredentials{AccessKeyID: c.id, SecretAccessKey: secret.New(c.key), SessionToken: secret.New(c.token)}
	now := func() time.Time { return c.at }

	toSend := map[string]string{targetResource: c.audience}
	if c.contentType != "" {
		toSend["content-type"] = c.contentType
	}
	signer := subjecttoken.RequestSigner{Region: c.region, Now: now}
	ours, err := signer.RequestOptions(t.Context(), creds, subjecttoken.Request{Method: "POST", URL: target, Payload: c.payload, Headers: toSend})
	if err != nil {
		t.Fatal(err)
	}
	token, err := (&subjecttoken.AWS{
		Supplier: regionalKeys{fixedKeys(creds), c.region}, Audience: c.audience, VerificationURL: c.verification, Now: now,
	}).SubjectToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	var theirs struct {
		Signed struct {
			URL, Method string
			Headers     map[string]string
		}
		Token, Botocore string
	}
	refused := google.answer(t, question{Do: "sign", At: c.at.Unix(), toSign: &toSign{
		Region: c.region, ID: c.id, Secret: c.key, Token: c.token, Method: "POST", URL: target, Payload: c.payload, Headers: toSend,
	}}, &theirs)
	if refused != "" {
		t.Fatal(refused)
	}

	headers := map[string]string{}
	for _, h := range ours.Headers {
		headers[h.Key] = h.Value
	}
	diffs := cmp.Diff(theirs.Signed.URL+" "+theirs.Signed.Method, ours.URL+" "+ours.Method) +
		cmp.Diff(theirs.Signed.Headers, headers) +
		cmp.Diff(theirs.Botocore, headers["Authorization"])
	if c.contentType == "" {
		byKey := cmpopts.SortSlices(func(a, b subjecttoken.Header) bool { return a.Key < b.Key })
		diffs += cmp.Diff(unpack(t, secret.New(theirs.Token)), unpack(t, token), byKey)
	}
	return diffs
}

// regionalKeys are keys of another region.
type regionalKeys struct {
	fixedKeys
	region string
}

func (k regionalKeys) AwsRegion(context.Context, supplier.SupplierContext) (string, error) {
	return k.region, nil
}
