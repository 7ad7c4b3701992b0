package subjecttoken

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/awsquery"
	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// AWSWebIdentity makes subject tokens by AWS's outbound identity federation:
// AWS STS signs a JWT that names the caller (GetWebIdentityToken), for a
// provider of the kind OIDC whose issuer is the account's own at AWS. The
// subject token type is [JWTTokenType].
//
// Against [AWS] it costs a call to AWS for every token, a permission
// (sts:GetWebIdentityToken) and that the account has enabled the feature; in
// return nothing that is signed with AWS keys leaves AWS, and claims such as the
// organisation or the session's tags can be mapped in Google.
//
// Use a pointer, and change no field after the first call.
type AWSWebIdentity struct {
	// Supplier yields keys and region; required. It is asked at every attempt.
	Supplier supplier.AwsSecurityCredentialsSupplier
	// Audience is the provider's full resource name; required.
	Audience string
	// SubjectTokenType is passed to the supplier; zero means JWTTokenType.
	SubjectTokenType string
	// TokenAudiences are the JWT's "aud", at most 10 of 1,000 characters; none
	// means "https:" and Audience, which a provider takes that was told no
	// allowed audiences of its own.
	TokenAudiences []string
	// SigningAlgorithm is "RS256" or "ES384"; zero means "RS256".
	SigningAlgorithm string
	// Duration is how long the JWT is valid: 60 s to 1 h, and no longer than the
	// AWS session; zero means AWS's 5 minutes.
	Duration time.Duration
	// BaseEndpoint is the URL of AWS STS; zero means that of the region. The
	// global endpoint does not make these tokens.
	BaseEndpoint string
	// HTTPClient makes the call; redirects are never followed. Nil, or one
	// without a Transport, means a new connection for every call, through the
	// proxy of the environment if there is one.
	HTTPClient *http.Client
	// Now is the signing clock; nil means time.Now.
	Now func() time.Time

	keys keyCache
}

var _ Source = (*AWSWebIdentity)(nil)

const (
	webIdentityAttempts = 3
	// webIdentityAttempt bounds one attempt: AWS STS answers within the second.
	webIdentityAttempt = 6 * time.Second
)

// SubjectToken fails with a *supplier.Error or *supplier.ChainError when there
// are no credentials or no region, else with an *Error, whose Code is AWS's.
// Connection errors, throttling, AWS's RequestTimeout and the statuses 408, 429,
// 500, 502, 503 and 504 are tried again, signed anew, three attempts in all.
func (a *AWSWebIdentity) SubjectToken(ctx context.Context) (secret.Text, error) {
	if flaw := a.flaw(); flaw != "" {
		return secret.Text{}, webIdentityError(flaw)
	}
	client := withTransport(a.HTTPClient)
	client.Transport = awsRefusals{client.Transport}
	caller := googleapi.Caller{HTTPClient: client, AttemptTimeout: webIdentityAttempt, MaxAttempts: webIdentityAttempts}
	answer, err := caller.Call(ctx, a.request)
	if err != nil {
		err = unanswered(sourceWebIdentity, "calling AWS STS for GetWebIdentityToken", err)
		if e, ok := err.(*Error); ok {
			e.Reason += awsHint(e.Code)
		}
		return secret.Text{}, err
	}
	token, flaw := readWebIdentity(answer.Body)
	if flaw != "" {
		return secret.Text{}, &Error{Source: sourceWebIdentity, Reason: flaw, HTTPStatus: answer.Status}
	}
	return token, nil
}

func (a *AWSWebIdentity) flaw() string {
	switch {
	case a.Audience == "":
		return "the audience is empty; it is the full resource name of the workload identity provider"
	case a.SigningAlgorithm != "" && a.SigningAlgorithm != "RS256" && a.SigningAlgorithm != "ES384":
		return fmt.Sprintf("SigningAlgorithm is %q; AWS knows RS256 and ES384", a.SigningAlgorithm)
	case a.Duration != 0 && (a.Duration < time.Minute || a.Duration > time.Hour):
		return fmt.Sprintf("Duration is %v; AWS takes 1m to 1h", a.Duration)
	case len(a.TokenAudiences) > 10:
		return fmt.Sprintf("TokenAudiences has %d values; AWS takes 10", len(a.TokenAudiences))
	}
	for _, audience := range a.audiences() {
		if audience == "" || len(audience) > 1000 {
			return "one of TokenAudiences is empty or longer than 1000 characters"
		}
	}
	return ""
}

func (a *AWSWebIdentity) audiences() []string {
	if len(a.TokenAudiences) == 0 {
		return []string{"https:" + a.Audience}
	}
	return a.TokenAudiences
}

// request makes and signs the request of one attempt: AWS refuses a date that
// is a quarter of an hour old, and a frozen process may be thawed in between.
func (a *AWSWebIdentity) request(ctx context.Context) (googleapi.Request, error) {
	sc := supplier.SupplierContext{Audience: a.Audience, SubjectTokenType: cmp.Or(a.SubjectTokenType, JWTTokenType)}
	creds, err := supplier.Credentials(ctx, a.Supplier, sc)
	if err != nil {
		return googleapi.Request{}, err
	}
	region, err := supplier.Region(ctx, a.Supplier, sc)
	if err != nil {
		return googleapi.Request{}, err
	}
	to, err := a.endpoint(region)
	if err != nil {
		return googleapi.Request{}, err
	}
	form := a.form().Encode()
	signer := RequestSigner{Region: region, Service: "sts", Now: a.Now, keys: &a.keys}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	signed, err := signer.sign(ctx, creds, Request{Method: http.MethodPost, URL: to, Payload: form}, header, signer.now())
	if err != nil {
		return googleapi.Request{}, err
	}
	r, err := http.NewRequestWithContext(ctx, signed.Method, signed.URL, strings.NewReader(form))
	if err != nil {
		return googleapi.Request{}, webIdentityError("BaseEndpoint cannot be called")
	}
	for _, h := range signed.Headers {
		if h.Key != "host" { // which net/http sends by itself
			r.Header.Set(h.Key, h.Value)
		}
	}
	return googleapi.Request{
		Request: r,
		Secrets: []secret.Text{creds.SecretAccessKey, creds.SessionToken},
		Public:  a.audiences(),
	}, nil
}

func (a *AWSWebIdentity) form() url.Values {
	form := url.Values{
		"Action":           {"GetWebIdentityToken"},
		"Version":          {"2011-06-15"},
		"SigningAlgorithm": {cmp.Or(a.SigningAlgorithm, "RS256")},
	}
	for i, audience := range a.audiences() {
		form.Set("Audience.member."+strconv.Itoa(i+1), audience)
	}
	if a.Duration != 0 {
		form.Set("DurationSeconds", strconv.Itoa(int(a.Duration.Seconds())))
	}
	return form
}

// endpoint is where STS answers for a region.
func (a *AWSWebIdentity) endpoint(region string) (string, error) {
	endpoint := cmp.Or(a.BaseEndpoint, "https://sts."+region+"."+supplier.DNSSuffix(region))
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", webIdentityError("BaseEndpoint is not an http or https URL")
	case u.Host == "sts.amazonaws.com":
		return "", webIdentityError("BaseEndpoint is AWS's global endpoint, which does not make these tokens; leave it empty for the region's")
	}
	return endpoint, nil
}

// readWebIdentity takes the token out of an answer. If there is none, flaw says so.
func readWebIdentity(body []byte) (_ secret.Text, flaw string) {
	var doc struct {
		XMLName xml.Name    `xml:"GetWebIdentityTokenResponse"`
		Token   secret.Text `xml:"GetWebIdentityTokenResult>WebIdentityToken"`
	}
	if xml.Unmarshal(body, &doc) != nil { // whose error may quote the answer
		return secret.Text{}, "the endpoint answered what AWS STS does not say; is a proxy in between?"
	}
	if token := doc.Token.Reveal(); strings.Count(token, ".") != 2 || tokenFlaw(token) != "" {
		return secret.Text{}, "AWS STS answered without a JWT"
	}
	return doc.Token, ""
}

// awsHint says what to do about one of AWS's refusals (API reference of
// GetWebIdentityToken).
func awsHint(code string) string {
	switch code {
	case "OutboundWebIdentityFederationDisabledException":
		return "; enable it for the account, with aws iam enable-outbound-web-identity-federation"
	case "AccessDenied":
		return "; a policy has to allow sts:GetWebIdentityToken"
	case "SessionDurationEscalationException":
		return "; the AWS session ends before the token would: choose a shorter Duration"
	case "JWTPayloadSizeExceededException":
		return "; name fewer or shorter TokenAudiences"
	case "InvalidAction":
		return "; is BaseEndpoint that of a region?"
	case googleapi.CodeUnreachable, googleapi.CodeTimeout:
		return "; a function in a VPC reaches it through a NAT gateway or a VPC endpoint"
	}
	return ""
}

func webIdentityError(reason string) *Error { return &Error{Source: sourceWebIdentity, Reason: reason} }

// awsRefusals puts the XML in which AWS refuses into the JSON that googleapi
// reads, and the status of what passes, such as throttling, for which AWS STS has
// 400, into 429.
type awsRefusals struct{ http.RoundTripper }

func (t awsRefusals) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if err != nil || resp == nil || resp.Body == nil || resp.StatusCode < 400 {
		return resp, err
	}
	defer resp.Body.Close()
	const maxRefusal = 64 << 10
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal)) // the status is what counts
	refusal, ok := awsquery.ParseRefusal(body)
	if ok {
		body, _ = json.Marshal(map[string]string{"error": refusal.Code, "error_description": refusal.Message})
	}
	if refusal.Retryable {
		resp.StatusCode = http.StatusTooManyRequests
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}
