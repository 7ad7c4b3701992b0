package conformance_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

const (
	stsAudience = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/aws/providers/lambda"
	stsUser     = "arn:aws:iam::123456789012:user/alice"
	stsRole     = "arn:aws:iam::123456789012:role/minter"
	stsClosed   = "arn:aws:iam::123456789012:role/closed"
	stsSession  = "arn:aws:sts::123456789012:assumed-role/minter/federation"
)

// awsAccount is an AWS account with the user above, who may assume the one role
// and not the other, and its STS, which checks signatures.
type awsAccount struct {
	name string
	keys supplier.AwsSecurityCredentials // the user's
	http http.RoundTripper
	base string // of the URL of its STS; empty: AWS's
}

func stsAccounts(t *testing.T) []awsAccount {
	base := startMoto(t, "127.0.0.1", nil)
	trust := func(user string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"` + user + `"}}]}`
	}
	askIAM(t, base, "CreateUser", "UserName", "alice")
	askIAM(t, base, "CreateUser", "UserName", "bob")
	askIAM(t, base, "PutUserPolicy", "UserName", "alice", "PolicyName", "roles",
		"PolicyDocument", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`)
	askIAM(t, base, "CreateRole", "RoleName", "minter", "AssumeRolePolicyDocument", trust(stsUser))
	askIAM(t, base, "CreateRole", "RoleName", "closed", "AssumeRolePolicyDocument", trust("arn:aws:iam::123456789012:user/bob"))
	answer := askIAM(t, base, "CreateAccessKey", "UserName", "alice")
	keys := supplier.AwsSecurityCredentials{
		AccessKeyID:     between(answer, "<AccessKeyId>", "</AccessKeyId>"),
		SecretAccessKey: secret.New(between(answer, "<SecretAccessKey>", "</SecretAccessKey>")),
	}
	askMoto(t, base, "/moto-api/reset-auth", "0") // from here on signatures count

	cloud := fakecloud.New(fakecloud.Options{})
	cloud.AddAWSKey(fakecloud.AWSKey{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey.Reveal(), ARN: stsUser})
	cloud.AddRole(fakecloud.AWSRole{ARN: stsRole, TrustedARNs: []string{stsUser}})
	cloud.AddRole(fakecloud.AWSRole{ARN: stsClosed, TrustedARNs: []string{"arn:aws:iam::123456789012:user/bob"}})
	return []awsAccount{
		{"moto", keys, http.DefaultTransport, base},
		{"fakecloud", keys, cloud, ""},
	}
}

// fixedKeys is a supplier of the same keys at every call.
type fixedKeys supplier.AwsSecurityCredentials

func (k fixedKeys) AwsSecurityCredentials(context.Context, supplier.SupplierContext) (supplier.AwsSecurityCredentials, error) {
	return supplier.AwsSecurityCredentials(k), nil
}
func (fixedKeys) AwsRegion(context.Context, supplier.SupplierContext) (string, error) {
	return "eu-west-1", nil
}

// assumeRole is the supplier that the library has for a role.
func (a awsAccount) assumeRole(arn string) *supplier.AssumeRole {
	return &supplier.AssumeRole{
		Base: fixedKeys(a.keys), RoleARN: arn, SessionName: "federation",
		BaseEndpoint: a.base, HTTPClient: &http.Client{Transport: a.http},
	}
}

// identities are those that can sign, by ARN.
func (a awsAccount) identities() map[string]supplier.AwsSecurityCredentialsSupplier {
	return map[string]supplier.AwsSecurityCredentialsSupplier{stsUser: fixedKeys(a.keys), stsSession: a.assumeRole(stsRole)}
}

// unpacked is a signed request as Google's STS finds it in a subject token.
type unpacked struct {
	URL     string
	Method  string
	Headers []subjecttoken.Header
}

func unpack(t *testing.T, token secret.Text) (u unpacked) {
	t.Helper()
	text, err := url.QueryUnescape(token.Reveal())
	if err == nil {
		err = json.Unmarshal([]byte(text), &u)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// sign makes the request of a subject token for STS in eu-west-1, at a time and
// with a region that it is scoped to, and with one more header: what of the
// request's body was signed. Without that moto takes the query for the body.
func sign(t *testing.T, s supplier.AwsSecurityCredentialsSupplier, at time.Time, region string) unpacked {
	t.Helper()
	creds, err := supplier.Credentials(t.Context(), s, supplier.SupplierContext{Audience: stsAudience})
	if err != nil {
		t.Fatal(err)
	}
	signer := subjecttoken.RequestSigner{Region: region, Now: func() time.Time { return at }}
	signed, err := signer.RequestOptions(t.Context(), creds, subjecttoken.Request{
		Method: http.MethodPost,
		URL:    strings.ReplaceAll(subjecttoken.DefaultVerificationURL, "{region}", "eu-west-1"),
		Headers: map[string]string{
			"x-goog-cloud-target-resource": stsAudience,
			"x-amz-content-sha256":         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return unpacked{signed.URL, signed.Method, signed.Headers}
}

func (u *unpacked) header(key string) *string {
	i := slices.IndexFunc(u.Headers, func(h subjecttoken.Header) bool { return strings.EqualFold(h.Key, key) })
	return &u.Headers[i].Value
}

func (u *unpacked) replace(header, old, by string) {
	value := u.header(header)
	*value = strings.Replace(*value, old, by, 1)
}

// send does what Google does with a subject token. It tells who AWS says it is,
// or the code of the refusal.
func (u unpacked) send(t *testing.T, a awsAccount) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), u.Method, u.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range u.Headers {
		r.Header.Set(h.Key, h.Value)
	}
	r.Host = r.Header.Get("Host")
	if a.base != "" {
		local, err := url.Parse(a.base)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Scheme, r.URL.Host, r.URL.Path = local.Scheme, local.Host, "/"
	}
	answer, err := a.http.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode == http.StatusOK {
		return between(string(body), "<Arn>", "</Arn>")
	}
	return cmp.Or(between(string(body), "<Code>", "</Code>"), "another refusal")
}

// tamperings are what is done to a signed request, and what AWS answers then
// ("" means that it takes it).
var tamperings = []struct {
	name  string
	with  func(u *unpacked)
	age   time.Duration // of the signature
	scope string        // the region that was signed for; "": where it is sent to
	want  string
	// moto is what moto answers instead, and why says why; without it moto does
	// as AWS does.
	moto, why string
}{
	{name: "nothing", with: func(*unpacked) {}},
	{name: "nothing, after ten minutes", with: func(*unpacked) {}, age: 10 * time.Minute},
	{
		name: "nothing, after an hour", with: func(*unpacked) {}, age: time.Hour, want: "SignatureDoesNotMatch",
		moto: "", why: "moto does not look at the date",
	},
	{
		name: "nothing, but signed for another region", with: func(*unpacked) {}, scope: "us-east-1", want: "SignatureDoesNotMatch",
		moto: "", why: "moto is every region",
	},
	{name: "the signature", with: func(u *unpacked) {
		value := u.header("Authorization")
		last := byte('0')
		if (*value)[len(*value)-1] == last {
			last = '1'
		}
		*value = (*value)[:len(*value)-1] + string(last)
	}, want: "SignatureDoesNotMatch"},
	{name: "the date", with: func(u *unpacked) {
		at, _ := time.Parse("20060102T150405Z", *u.header("x-amz-date"))
		*u.header("x-amz-date") = at.Add(time.Second).Format("20060102T150405Z")
	}, want: "SignatureDoesNotMatch"},
	{name: "the audience", with: func(u *unpacked) {
		u.replace("x-goog-cloud-target-resource", "providers/lambda", "providers/other")
	}, want: "SignatureDoesNotMatch"},
	{name: "the list of signed headers", with: func(u *unpacked) {
		u.replace("Authorization", ";x-goog-cloud-target-resource", "")
	}, want: "SignatureDoesNotMatch"},
	{name: "the region that it is scoped to", with: func(u *unpacked) {
		u.replace("Authorization", "/eu-west-1/", "/us-east-1/")
	}, want: "SignatureDoesNotMatch"},
	{name: "the region that it is sent to", with: func(u *unpacked) {
		u.replace("host", "eu-west-1", "us-east-1")
		u.URL = strings.Replace(u.URL, "eu-west-1", "us-east-1", 1)
	}, want: "SignatureDoesNotMatch"},
	{
		name: "the service that it is scoped to", with: func(u *unpacked) { u.replace("Authorization", "/sts/", "/iam/") },
		want: "SignatureDoesNotMatch", moto: "another refusal", why: "moto finds the service by the scope, so it is IAM that is asked",
	},
	{name: "the key's id", with: func(u *unpacked) { u.replace("Authorization", "Credential=A", "Credential=B") }, want: "InvalidClientTokenId"},
	{name: "the method", with: func(u *unpacked) { u.Method = http.MethodGet }, want: "SignatureDoesNotMatch"},
	{name: "a parameter that is added", with: func(u *unpacked) { u.URL += "&Extra=1" }, want: "SignatureDoesNotMatch"},
}

func TestAWSTakesTheSignedRequestAndNoTamperedOne(t *testing.T) {
	t.Parallel()
	for _, account := range stsAccounts(t) {
		for identity, source := range account.identities() {
			for _, tc := range tamperings {
				t.Run(fmt.Sprintf("%s/%s/%s", account.name, identity[len("arn:aws:"):], tc.name), func(t *testing.T) {
					u := sign(t, source, time.Now().Add(-tc.age), cmp.Or(tc.scope, "eu-west-1"))
					tc.with(&u)
					want := tc.want
					if account.name == "moto" && tc.why != "" {
						if want == tc.moto {
							t.Error("listed as a difference of moto's that is none")
						}
						want = tc.moto
					}
					if got := u.send(t, account); got != cmp.Or(want, identity) {
						t.Errorf("%s, want %s", got, cmp.Or(want, identity))
					}
				})
			}
		}
	}
}

// The token itself, without the header that moto needs.
func TestAWSTakesTheRequestOfASubjectToken(t *testing.T) {
	t.Parallel()
	for _, account := range stsAccounts(t) {
		for identity, source := range account.identities() {
			token, err := (&subjecttoken.AWS{Supplier: source, Audience: stsAudience}).SubjectToken(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := identity
			if account.name == "moto" {
				// It hashes the parameters of the query where the hash of the body
				// belongs; AWS's rule is the hash of the empty string if there is none
				// (IAM user guide, "Create a signed AWS API request", step 1).
				want = "SignatureDoesNotMatch"
			}
			if got := unpack(t, token).send(t, account); got != want {
				t.Errorf("%s says %s, want %s", account.name, got, want)
			}
		}
	}
}

func TestARoleIsAssumedByWhomItTrusts(t *testing.T) {
	t.Parallel()
	for _, account := range stsAccounts(t) {
		creds, err := account.assumeRole(stsRole).AwsSecurityCredentials(t.Context(), supplier.SupplierContext{})
		if err != nil || creds.SessionToken.IsZero() || !strings.HasPrefix(creds.AccessKeyID, "ASIA") {
			t.Errorf("%s: a temporary key is %q, a session token is missing: %v (%v)", account.name, creds.AccessKeyID, creds.SessionToken.IsZero(), err)
		}
		unknown, wrong := account, account
		unknown.keys.AccessKeyID = "AKIAUNKNOWNUNKNOWN00"
		wrong.keys.SecretAccessKey = secret.New("somebody-elses-secret-access-key-of-aws0")
		for want, s := range map[string]*supplier.AssumeRole{
			"AccessDenied":          account.assumeRole(stsClosed),
			"InvalidClientTokenId":  unknown.assumeRole(stsRole),
			"SignatureDoesNotMatch": wrong.assumeRole(stsRole),
		} {
			if account.name == "moto" {
				// It puts the code at ErrorResponse/Errors/Error/Code. AWS's query
				// protocol has no Errors there (Smithy, "AWS query protocol", operation
				// error serialization).
				want = "answered 403"
			}
			_, err := s.AwsSecurityCredentials(t.Context(), supplier.SupplierContext{})
			var refused *supplier.Error
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) || refused.Retryable {
				t.Errorf("%s: want %s, and no other try: %v", account.name, want, err)
			}
		}
	}
}
