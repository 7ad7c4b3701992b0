package supplier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/wifmint/wifmint/pkg/secret"
)

// AssumeRole takes another role on top of what Base yields, by AWS STS. It is
// what a credential file's aws_role_arn, aws_session_name and aws_region ask for.
//
// Base is asked at every call. What STS returned for its credentials is kept
// until five minutes before it expires. Callers that come while STS is being
// asked wait for that answer, each no longer than its own context.
//
// Use a pointer, and change no field after the first call.
type AssumeRole struct {
	// Base yields the credentials to assume the role with; required.
	Base AwsSecurityCredentialsSupplier
	// RoleARN is the role to assume; required.
	RoleARN string
	// SessionName tells in CloudTrail, and to Google in the assumed role's
	// ARN, who assumed the role; zero means "wifmint".
	SessionName string
	// Region is where STS is asked and the region to sign for; zero means Base's.
	Region string
	// BaseEndpoint is the URL of STS; zero means AWS's in that region.
	BaseEndpoint string
	// HTTPClient makes the call; redirects are never followed. Nil, or one
	// without a Transport, means a new connection for every call, through the
	// proxy of the environment if there is one.
	HTTPClient *http.Client
	// Now is the clock that expiries are compared with; nil means time.Now.
	Now func() time.Time

	mu       sync.Mutex
	sessions map[sessionKey]*roleSession
}

var _ AwsSecurityCredentialsSupplier = (*AssumeRole)(nil)

const (
	sourceAssumeRole = "assume-role"

	defaultSessionName = "wifmint"
	// assumeTimeout bounds one AssumeRole with the SDK's retries.
	assumeTimeout = 15 * time.Second
	// assumeAttempt bounds one attempt, so that two of them fit.
	assumeAttempt = 6 * time.Second
	// expiryMargin is more than Google's STS allows clocks to differ.
	expiryMargin = 5 * time.Minute
)

// sessionKey is who assumes the role, and where.
type sessionKey struct{ accessKeyID, secretKey, sessionToken, region string }

// roleSession is one call to STS and, when done is closed, its outcome.
type roleSession struct {
	done   chan struct{}
	creds  AwsSecurityCredentials
	expiry time.Time
	err    error
}

func (s *roleSession) isDone() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// AwsRegion is Region, else Base's. Fails with an *Error, or with Base's error.
func (a *AssumeRole) AwsRegion(ctx context.Context, sc SupplierContext) (string, error) {
	if a.Region == "" {
		return Region(ctx, a.Base, sc)
	}
	if !ValidRegion(a.Region) {
		return "", assumeError("AssumeRole.Region is " + notARegion(a.Region))
	}
	return a.Region, nil
}

// AwsSecurityCredentials fails with an *Error, or with Base's error.
func (a *AssumeRole) AwsSecurityCredentials(ctx context.Context, sc SupplierContext) (AwsSecurityCredentials, error) {
	switch {
	case !ValidRoleARN(a.RoleARN):
		return AwsSecurityCredentials{}, assumeError("RoleARN is no ARN of a role; one looks like arn:aws:iam::123456789012:role/name")
	case a.SessionName != "" && !ValidSessionName(a.SessionName):
		return AwsSecurityCredentials{}, assumeError("SessionName must be 2 to 64 letters, digits and _+=,.@-")
	}
	base, err := Credentials(ctx, a.Base, sc)
	if err != nil {
		return AwsSecurityCredentials{}, err
	}
	region, err := a.AwsRegion(ctx, sc)
	if err != nil {
		return AwsSecurityCredentials{}, err
	}
	key := sessionKey{base.AccessKeyID, base.SecretAccessKey.Fingerprint(), base.SessionToken.Fingerprint(), region}
	for ctx.Err() == nil {
		s, mine := a.session(key)
		if mine {
			a.fill(ctx, s, base, region)
			return s.creds, s.err
		}
		select {
		case <-s.done:
			// Whoever was asking may have given up before this caller has to.
			if !isContextError(s.err) {
				return s.creds, s.err
			}
		case <-ctx.Done():
		}
	}
	return AwsSecurityCredentials{}, gaveUpOnSTS(ctx)
}

// session returns the session for key. mine tells that it is new and that the
// caller has to fill it.
func (a *AssumeRole) session(key sessionKey) (s *roleSession, mine bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	soon := now(a.Now).Add(expiryMargin)
	for k, old := range a.sessions { // Base's keys rotate: sessions must not pile up
		if old.isDone() && !old.expiry.After(soon) {
			delete(a.sessions, k)
		}
	}
	if known := a.sessions[key]; known != nil {
		return known, false
	}
	if a.sessions == nil {
		a.sessions = make(map[sessionKey]*roleSession)
	}
	s = &roleSession{done: make(chan struct{})}
	a.sessions[key] = s
	return s, true
}

// fill asks STS, on the caller's own time: nothing is left running when every
// caller has gone.
func (a *AssumeRole) fill(ctx context.Context, s *roleSession, base AwsSecurityCredentials, region string) {
	defer close(s.done)
	s.err = assumeError("the call to AWS STS panicked") // for those who wait, if it does
	s.creds, s.expiry, s.err = a.assume(ctx, base, region)
}

func (a *AssumeRole) assume(ctx context.Context, base AwsSecurityCredentials, region string) (AwsSecurityCredentials, time.Time, error) {
	call, cancel := context.WithTimeout(ctx, assumeTimeout)
	defer cancel()
	name := a.SessionName
	if name == "" {
		name = defaultSessionName
	}
	out, err := a.client(base, region).AssumeRole(call, &sts.AssumeRoleInput{RoleArn: &a.RoleARN, RoleSessionName: &name})
	switch {
	case err == nil:
		return a.checked(out)
	case ctx.Err() != nil:
		err = gaveUpOnSTS(ctx)
	case call.Err() != nil:
		err = &Error{Source: sourceAssumeRole, Reason: "AWS STS did not answer within " + assumeTimeout.String(), Retryable: true}
	default:
		err = a.refusal(err, base)
	}
	return AwsSecurityCredentials{}, time.Time{}, err
}

func (a *AssumeRole) client(base AwsSecurityCredentials, region string) *sts.Client {
	caller := confined(a.HTTPClient, http.ProxyFromEnvironment)
	caller.Transport = cappedTransport{caller.Transport}
	if caller.Timeout == 0 || caller.Timeout > assumeAttempt {
		caller.Timeout = assumeAttempt
	}
	o := sts.Options{
		Region: region,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return base.forSDK(), nil
		}),
		HTTPClient: caller,
	}
	if a.BaseEndpoint != "" {
		o.BaseEndpoint = &a.BaseEndpoint
	}
	return sts.New(o)
}

// checked refuses an answer that has no session in it.
func (a *AssumeRole) checked(out *sts.AssumeRoleOutput) (AwsSecurityCredentials, time.Time, error) {
	c := out.Credentials
	if c == nil {
		return AwsSecurityCredentials{}, time.Time{}, assumeError("AWS STS answered without credentials")
	}
	creds := AwsSecurityCredentials{
		AccessKeyID:     aws.ToString(c.AccessKeyId),
		SecretAccessKey: secret.New(aws.ToString(c.SecretAccessKey)),
		SessionToken:    secret.New(aws.ToString(c.SessionToken)),
	}
	expiry := aws.ToTime(c.Expiration)
	var reason string
	switch {
	case creds.flaw() != "":
		reason = "AWS STS answered without usable credentials: " + creds.flaw()
	case creds.SessionToken.IsZero():
		reason = "AWS STS answered without a session token"
	case !expiry.After(now(a.Now)):
		reason = "AWS STS answered with credentials that have expired; is this machine's clock right?"
	default:
		return creds, expiry, nil
	}
	return AwsSecurityCredentials{}, time.Time{}, assumeError(reason)
}

// refusal puts an error of the SDK in words of which none is secret. The error
// itself is left behind: AWS's text may quote the signed request.
func (a *AssumeRole) refusal(err error, base AwsSecurityCredentials) *Error {
	said := "calling AWS STS: " + withoutURL(err).Error()
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.HTTPStatusCode() != 0 {
		said = fmt.Sprintf("the endpoint answered %d with what AWS STS does not say; is a proxy in between?", answer.HTTPStatusCode())
	}
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() != "UnknownError" { // the SDK's word for a body of no shape
		said = api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return &Error{
		Source:    sourceAssumeRole,
		Reason:    "assuming " + a.RoleARN + ": " + presentable(said, base.SecretAccessKey, base.SessionToken),
		Retryable: retryableSDKError(err),
	}
}

func gaveUpOnSTS(ctx context.Context) *Error {
	return &Error{Source: sourceAssumeRole, Reason: "gave up waiting for AWS STS", Retryable: true, Err: ctx.Err()}
}

func assumeError(reason string) *Error { return &Error{Source: sourceAssumeRole, Reason: reason} }

// cappedTransport ends a body that does not end by itself, which the SDK would read.
type cappedTransport struct{ http.RoundTripper }

func (t cappedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// ValidRoleARN reports whether s is the ARN of an IAM role, in any partition
// ("aws", "aws-cn", "aws-us-gov", …):
// arn:PARTITION:iam::ACCOUNT:role/PATH/NAME.
func ValidRoleARN(s string) bool {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || len(s) > 2048 {
		return false
	}
	partition, account, resource := p[1], p[4], p[5]
	path, isRole := strings.CutPrefix(resource, "role/")
	name := path[strings.LastIndexByte(path, '/')+1:]
	return p[0] == "arn" && validPartition(partition) && p[2] == "iam" && p[3] == "" &&
		len(account) == 12 && consistsOf(account, '0', '9') &&
		isRole && consistsOf(path, '!', '~') && isIAMName(name, 1, 64)
}

func validPartition(s string) bool {
	for i, part := range strings.Split(s, "-") {
		if i == 0 && part != "aws" || !consistsOf(part, 'a', 'z') {
			return false
		}
	}
	return true
}

// ValidSessionName reports whether s can name a role session: 2 to 64
// characters of [\w+=,.@-] (AWS STS, AssumeRole).
func ValidSessionName(s string) bool { return isIAMName(s, 2, 64) }
