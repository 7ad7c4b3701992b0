package subjecttoken

import (
	"context"
	"errors"
	"strings"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
)

// Error is a subject token that could not be made. None of its texts has a
// token, a header's value or a key in it.
type Error struct {
	// Source names what was to make the token: "file", "url", "executable" or
	// "certificate", as in credential_source; "function" for one of the caller's
	// own; "aws-web-identity"; and "" for the signing of an AWS request.
	Source string
	// Reason is what was found and, where a credential file decides it, which
	// field of credential_source to change.
	Reason string
	// Code and Message are what the other side told: an executable, AWS, or the
	// server of a URL. Code may also be one that googlests.Error has for an answer
	// that never came. Both are empty if nobody told anything.
	Code, Message string
	// HTTPStatus is that of an answer; 0 if there was none.
	HTTPStatus int
	// Retryable tells whether the same call may succeed later with nothing changed.
	Retryable bool
	// Err is the cause, if there is one.
	Err error
}

// The names of the sources, in Error.Source.
const (
	sourceFile        = "file"
	sourceURL         = "url"
	sourceFunction    = "function"
	sourceExecutable  = "executable"
	sourceCertificate = "certificate"
	sourceWebIdentity = "aws-web-identity"
)

func (e *Error) Error() string {
	text := "signing the AWS request: "
	if e.Source != "" {
		text = "getting the subject token from " + e.Source + ": "
	}
	text += e.Reason
	told := strings.Trim(e.Code+": "+e.Message, ": ")
	if told == "" && e.Err != nil {
		told = e.Err.Error()
	}
	if told == "" {
		return text
	}
	return text + ": " + told
}

func (e *Error) Unwrap() error { return e.Err }

// unanswered is the failure of a call, in the words of reason and of err. An
// error that the making of the request gave passes as it is.
func unanswered(source, reason string, err error) error {
	e, ok := errors.AsType[*googleapi.Error](err)
	if !ok {
		return err
	}
	failed := &Error{Source: source, Reason: reason, Code: e.Code, Message: e.Message, HTTPStatus: e.HTTPStatus, Retryable: e.Retryable, Err: e.Err}
	if e.Code == googleapi.CodeHTTP {
		failed.Message = "" // an excerpt of an answer in no known shape: it might be a token
	}
	return failed
}

func gaveUp(ctx context.Context, source, reason string) *Error {
	return &Error{Source: source, Reason: reason, Retryable: true, Err: ctx.Err()}
}
