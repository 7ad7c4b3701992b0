package supplier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/wifmint/wifmint/pkg/internal/awsquery"
	"github.com/wifmint/wifmint/pkg/secret"
)

// The AWS SDK's client of STS would be 0.4 MiB of a function's bootstrap and
// 0.7 MiB of its memory, whether or not a role is ever assumed. The one call
// that is needed is this file; of its packages only encoding/xml is not linked
// anyway, which costs a tenth of that and reads XML better than a parser of ours.

const (
	// assumeTimeout bounds one AssumeRole with its retries.
	assumeTimeout = 15 * time.Second
	// assumeAttempt bounds one attempt, so that two of them fit.
	assumeAttempt = 6 * time.Second

	silentSTS = "a function in a VPC reaches it through a NAT gateway or a VPC endpoint"
)

// stsURL is where STS answers for a region: base, or AWS's regional endpoint.
func stsURL(base, region string) (string, error) {
	if base == "" {
		return "https://sts." + region + "." + DNSSuffix(region), nil
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", assumeError("AssumeRole.BaseEndpoint is not an http or https URL")
	}
	return base, nil
}

// roleRequest is AssumeRole of STS's query protocol (API reference 2011-06-15).
type roleRequest struct {
	endpoint
	to       string // the URL of STS
	region   string // to sign for
	signWith AwsSecurityCredentials
	roleARN  string
	session  string
	now      func() time.Time // for the expiry of what comes back
}

// send returns keys that have not expired, or an *Error.
func (q roleRequest) send(ctx context.Context) (keys roleKeys, err error) {
	call, cancel := context.WithTimeout(ctx, assumeTimeout)
	defer cancel()
	_ = persist(call, func() (again bool) {
		keys, err = q.attempt(call)
		var failed *Error
		return errors.As(err, &failed) && failed.Retryable
	})
	switch {
	case err == nil:
		return keys, nil
	case ctx.Err() != nil:
		err = gaveUpOnSTS(ctx)
	case call.Err() != nil:
		late := fmt.Sprintf("AWS STS did not answer within %v; %s", assumeTimeout, silentSTS)
		err = &Error{Source: sourceAssumeRole, Reason: late, Retryable: true}
	}
	return roleKeys{}, err
}

// attempt signs anew each time: a process that was frozen has an old date.
func (q roleRequest) attempt(ctx context.Context) (roleKeys, error) {
	r, err := q.signed(ctx)
	if err != nil {
		return roleKeys{}, q.failed("making the request: "+withoutURL(err).Error(), false)
	}
	a, _, none := q.try(r, assumeAttempt)
	switch {
	case none != nil:
		e := q.failed(none.text(), none.Retryable)
		if none.Err != nil { // else it says so already
			e.Reason += "; " + silentSTS
		}
		return roleKeys{}, e
	case a.status != http.StatusOK:
		return roleKeys{}, q.refused(a)
	}
	return q.assumed(a)
}

func (q roleRequest) signed(ctx context.Context) (*http.Request, error) {
	form := url.Values{
		"Action":          {"AssumeRole"},
		"Version":         {"2011-06-15"},
		"RoleArn":         {q.roleARN},
		"RoleSessionName": {q.session},
	}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, q.to, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	hash := sha256.Sum256([]byte(form))
	return r, v4.NewSigner().SignHTTP(ctx, q.signWith.forSDK(), r, hex.EncodeToString(hash[:]), "sts", q.region, time.Now())
}

// assumed takes the role's keys out of an answer and refuses what cannot be any.
func (q roleRequest) assumed(a answer) (roleKeys, error) {
	var doc struct {
		XMLName         xml.Name    `xml:"AssumeRoleResponse"`
		AccessKeyID     string      `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		SecretAccessKey secret.Text `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		SessionToken    secret.Text `xml:"AssumeRoleResult>Credentials>SessionToken"`
		Expiration      time.Time   `xml:"AssumeRoleResult>Credentials>Expiration"`
	}
	if xml.Unmarshal(a.body, &doc) != nil { // whose error may quote the answer
		return roleKeys{}, q.failed(notSTS(a), false)
	}
	creds := AwsSecurityCredentials{AccessKeyID: doc.AccessKeyID, SecretAccessKey: doc.SecretAccessKey, SessionToken: doc.SessionToken}
	switch {
	case creds == AwsSecurityCredentials{}:
		return roleKeys{}, assumeError("AWS STS answered without credentials")
	case creds.flaw() != "":
		return roleKeys{}, assumeError("AWS STS answered without usable credentials: " + creds.flaw())
	case creds.SessionToken.IsZero():
		return roleKeys{}, assumeError("AWS STS answered without a session token")
	case !doc.Expiration.After(now(q.now)):
		return roleKeys{}, assumeError("AWS STS answered with credentials that have expired; is this machine's clock right?")
	}
	return roleKeys{creds, doc.Expiration}, nil
}

// refused is the error of an answer that is none of AssumeRole's.
func (q roleRequest) refused(a answer) *Error {
	retryable := a.status >= 500 || retryableStatus(a.status)
	refusal, ok := awsquery.ParseRefusal(a.body)
	if !ok {
		return q.failed(notSTS(a), retryable)
	}
	e := q.failed(strings.Trim(refusal.Code+": "+refusal.Message, ": "), retryable || refusal.Retryable)
	e.Reason += roleHint(refusal.Code)
	return e
}

// roleHint says what to do about one of AWS's refusals (API reference of
// AssumeRole, "Common Errors").
func roleHint(code string) string {
	switch code {
	case "AccessDenied":
		return "; it takes both: the role's trust policy has to name the caller, and a policy of the caller has to allow sts:AssumeRole on the role"
	case "ExpiredToken", "ExpiredTokenException":
		return "; the AWS session that assumes it is over: get another"
	case "InvalidClientTokenId", "UnrecognizedClientException":
		return "; check the access key that assumes it: AWS knows none like it"
	case "SignatureDoesNotMatch":
		return "; check the secret access key that assumes it, and this machine's clock"
	case "RegionDisabledException":
		return "; enable AWS STS in that region for the account, or write another into aws_region"
	}
	return ""
}

func notSTS(a answer) string {
	return fmt.Sprintf("the endpoint answered %d with what AWS STS does not say; is a proxy in between?", a.status)
}

// failed puts what was said in words of which none is secret. There is no
// cause below it: that of a transport may quote the signed request.
func (q roleRequest) failed(said string, retryable bool) *Error {
	return &Error{
		Source:    sourceAssumeRole,
		Reason:    "assuming " + q.roleARN + ": " + presentable(said, q.signWith.SecretAccessKey, q.signWith.SessionToken),
		Retryable: retryable,
	}
}
