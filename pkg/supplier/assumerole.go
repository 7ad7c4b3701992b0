package supplier

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"
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
	// expiryMargin is more than Google's STS allows clocks to differ.
	expiryMargin = 5 * time.Minute
)

// sessionKey is who assumes the role, and where.
type sessionKey struct{ accessKeyID, secretKey, sessionToken, region string }

// roleSession is one call to STS and, when done is closed, its outcome.
type roleSession struct {
	done chan struct{}
	roleKeys
	err error
}

// roleKeys are what STS hands out.
type roleKeys struct {
	creds  AwsSecurityCredentials
	expiry time.Time
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
	s.roleKeys, s.err = a.assume(ctx, base, region)
}

func (a *AssumeRole) assume(ctx context.Context, base AwsSecurityCredentials, region string) (roleKeys, error) {
	to, err := stsURL(a.BaseEndpoint, region)
	if err != nil {
		return roleKeys{}, err
	}
	return roleRequest{
		endpoint: endpoint{source: sourceAssumeRole, client: confined(a.HTTPClient, http.ProxyFromEnvironment), silent: silentSTS},
		to:       to,
		region:   region,
		signWith: base,
		roleARN:  a.RoleARN,
		session:  cmp.Or(a.SessionName, defaultSessionName),
		now:      a.Now,
	}.send(ctx)
}

func gaveUpOnSTS(ctx context.Context) *Error {
	return &Error{Source: sourceAssumeRole, Reason: "gave up waiting for AWS STS", Retryable: true, Err: ctx.Err()}
}

func assumeError(reason string) *Error { return &Error{Source: sourceAssumeRole, Reason: reason} }

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
