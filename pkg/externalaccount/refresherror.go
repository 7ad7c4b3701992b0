package externalaccount

import (
	"context"
	"errors"
	"fmt"

	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// Leg is a part of the way to a token.
type Leg string

const (
	// LegConfig is the file and the options, before anything is sent.
	LegConfig Leg = "config"
	// LegAWSCredentials is the finding of AWS keys and a region.
	LegAWSCredentials Leg = "aws-credentials"
	// LegSign is the making of the subject token, whatever the source.
	LegSign Leg = "sign"
	// LegSTS is the exchange, and the refreshing of a person's login.
	LegSTS Leg = "sts"
	// LegImpersonate is the service account's token from IAM Credentials.
	LegImpersonate Leg = "impersonate"
)

// RefreshError is a token that could not be made. Err is the leg's own typed
// error: *supplier.Error, *supplier.ChainError, *subjecttoken.Error,
// *googlests.Error or *impersonate.Error; of a [subjecttoken.Source] of one's own
// it is whatever that failed with; and of [LegConfig] it is a *[ConfigError].
type RefreshError struct {
	// Leg is empty if the caller's context ended while a token was being made,
	// maybe for several callers at once, and if what was made expired meanwhile.
	Leg Leg
	// Retryable tells whether the same call may succeed later with nothing changed.
	Retryable bool
	Err       error
}

func (e *RefreshError) Error() string { return e.Err.Error() }
func (e *RefreshError) Unwrap() error { return e.Err }

// configFailure is a RefreshError for want of something that the file or the options name.
func configFailure(text string) *RefreshError {
	return &RefreshError{Leg: LegConfig, Err: &ConfigError{Err: errors.New(text)}}
}

// gaveUp is what a caller gets whose context has ended.
func gaveUp(err error) *RefreshError {
	return &RefreshError{Retryable: errors.Is(err, context.DeadlineExceeded), Err: fmt.Errorf("waiting for a token: %w", err)}
}

// stoodStill is for a process that was frozen, or a machine that slept, twice.
func stoodStill() *RefreshError {
	return &RefreshError{Retryable: true, Err: errors.New("making a token: it expired while this program stood still; try again")}
}

// refreshError tells the leg by the type of the error. One without a type is of
// somebody's own [subjecttoken.Source].
func refreshError(err error) *RefreshError {
	var (
		told  *RefreshError
		creds *supplier.Error
		chain *supplier.ChainError
		sign  *subjecttoken.Error
		sts   *googlests.Error
		iam   *impersonate.Error
	)
	switch {
	case errors.As(err, &told):
		return told
	case errors.As(err, &iam):
		return &RefreshError{LegImpersonate, iam.Retryable, err}
	case errors.As(err, &sts):
		return &RefreshError{LegSTS, sts.Retryable, err}
	case errors.As(err, &sign):
		return &RefreshError{LegSign, sign.Retryable, err}
	case errors.As(err, &chain):
		return &RefreshError{LegAWSCredentials, chain.Retryable(), err}
	case errors.As(err, &creds):
		return &RefreshError{LegAWSCredentials, creds.Retryable, err}
	}
	return &RefreshError{LegSign, errors.Is(err, context.DeadlineExceeded), err}
}
