// Package supplier answers the first question of a federation: who am I in AWS?
//
// An [AwsSecurityCredentialsSupplier] yields the AWS credentials and the region
// that the subject token is signed with. The implementations here cover where
// AWS workloads find theirs: [Environment] (Lambda), [Container] (ECS, EKS,
// SnapStart), [IMDS] (EC2), [Provider] (anything the AWS SDK knows), [AssumeRole]
// (another role on top of any of them), and [Chain] (the first that has some).
// [Default] is the chain for a program that was told nothing.
//
// # Use
//
//	s := supplier.Default(nil)
//	keys, err := supplier.Credentials(ctx, s, supplier.SupplierContext{})
//	region, err := supplier.Region(ctx, s, supplier.SupplierContext{})
//
// Ask a supplier through [Credentials] and [Region], never directly: they turn
// whatever an implementation does wrong (a nil one, empty keys, an error of no
// type, a region that is no region) into an *[Error] or a *[ChainError], which say
// whether to try again.
//
// Package subjecttoken signs with what a supplier yields. [SDK] gives it to a
// client of the AWS SDK; a program that only calls AWS has no need of this package.
//
// # Promises
//
// Nothing is cached here but what AssumeRole fetched: a supplier is asked at
// every signing. Lambda's credentials are environment variables, so asking costs
// nothing, and a process that Lambda froze between two invocations never signs with
// credentials it remembered. On Lambda no call to instance metadata is ever made. Every
// request has a deadline inside its context's, a capped answer and three attempts
// at most. No key, token or body of an answer is ever part of an error.
package supplier

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/wifmint/wifmint/pkg/secret"
)

// SupplierContext tells a supplier what its credentials are going to be
// exchanged for. Suppliers that serve one identity ignore it.
type SupplierContext struct {
	// Audience is the full resource name of the workload identity provider.
	Audience string
	// SubjectTokenType is the RFC 8693 identifier, for AWS
	// "urn:ietf:params:aws:token-type:aws4_request".
	SubjectTokenType string
}

// AwsSecurityCredentials are AWS keys. The zero value is "none", which
// [Credentials] refuses.
type AwsSecurityCredentials struct {
	// AccessKeyID and SecretAccessKey are required.
	AccessKeyID     string
	SecretAccessKey secret.Text
	// SessionToken is empty for long-lived user keys, else required.
	SessionToken secret.Text
}

// AwsSecurityCredentialsSupplier yields AWS credentials and the region to sign
// for. Implementations are safe for concurrent use, honour ctx, and do their
// own caching if asking is expensive: callers ask at every signing.
type AwsSecurityCredentialsSupplier interface {
	AwsSecurityCredentials(ctx context.Context, sc SupplierContext) (AwsSecurityCredentials, error)
	AwsRegion(ctx context.Context, sc SupplierContext) (string, error)
}

// Error says why a supplier had nothing. Every supplier of this package fails
// with one (a [Chain] with a [ChainError], which holds one for each link).
type Error struct {
	// Source names the supplier: "environment", "container", "imds",
	// "provider", "assume-role", or "supplier" for one of the caller's own.
	Source string
	// Reason is what was found and what to do about it, without any secret.
	Reason string
	// Retryable tells whether the same call may succeed later with nothing changed.
	Retryable bool
	// Err is the cause, if there is one below Reason.
	Err error
}

func (e *Error) Error() string { return "getting AWS credentials from " + e.detail() }

func (e *Error) Unwrap() error { return e.Err }

// detail is the error without the words that every one begins with, for the
// list of a [ChainError].
func (e *Error) detail() string { return e.Source + ": " + e.text() }

func (e *Error) text() string {
	if e.Err == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.Err.Error()
}

// Credentials asks s for credentials and refuses a nil supplier, an error
// that is not typed, and keys that cannot be any: whatever the supplier does
// wrong arrives as an *[Error] or a *[ChainError]. To tell them apart look for the ChainError first: it holds
// Errors, so errors.As finds one in it too.
func Credentials(ctx context.Context, s AwsSecurityCredentialsSupplier, sc SupplierContext) (AwsSecurityCredentials, error) {
	if isNil(s) {
		return AwsSecurityCredentials{}, &Error{Source: "supplier", Reason: "the supplier is nil"}
	}
	creds, err := s.AwsSecurityCredentials(ctx, sc)
	if err != nil {
		return AwsSecurityCredentials{}, typed(err)
	}
	if flaw := creds.flaw(); flaw != "" {
		return AwsSecurityCredentials{}, &Error{Source: "supplier", Reason: fmt.Sprintf("%T returned no usable credentials: %s", s, flaw)}
	}
	return creds, nil
}

// Region asks s for the region and refuses what cannot be one: it goes into a
// host name, so anything but [ValidRegion] is an [Error].
func Region(ctx context.Context, s AwsSecurityCredentialsSupplier, sc SupplierContext) (string, error) {
	if isNil(s) {
		return "", &Error{Source: "supplier", Reason: "the supplier is nil"}
	}
	region, err := s.AwsRegion(ctx, sc)
	if err != nil {
		return "", typed(err)
	}
	if !ValidRegion(region) {
		return "", &Error{Source: "supplier", Reason: fmt.Sprintf("%T returned %s", s, notARegion(region))}
	}
	return region, nil
}

// isNil sees through the interface: a nil pointer in it would panic when called.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Chan:
		return r.IsNil()
	}
	return false
}

// typed leaves an error of this package as it is and wraps any other.
func typed(err error) error {
	if isNil(err) { // its methods would panic
		return &Error{Source: "supplier", Reason: fmt.Sprintf("the supplier failed with a nil %T", err)}
	}
	var e *Error
	var chain *ChainError
	if errors.As(err, &chain) || errors.As(err, &e) {
		return err
	}
	return &Error{Source: "supplier", Reason: "the supplier failed", Retryable: isContextError(err), Err: err}
}

func isContextError(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// flaw tells why c cannot be AWS keys, "" if it can. Each part goes into a
// header, where white space or a control character would end it early or worse;
// they usually come from a file pasted with its line break.
func (c AwsSecurityCredentials) flaw() string {
	switch {
	case c == (AwsSecurityCredentials{}):
		return "all of it is empty"
	case c.AccessKeyID == "":
		return "the access key id is empty"
	case c.SecretAccessKey.IsZero():
		return "the secret access key is empty"
	case !isVisible(c.AccessKeyID):
		return "the access key id holds white space or control characters"
	case !isVisible(c.SecretAccessKey.Reveal()):
		return "the secret access key holds white space or control characters"
	case !isVisible(c.SessionToken.Reveal()):
		return "the session token holds white space or control characters"
	}
	return ""
}

// isVisible reports whether s is visible ASCII throughout. The empty text is.
func isVisible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
