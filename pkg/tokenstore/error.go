package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/internal/wary"
	"github.com/wifmint/wifmint/pkg/secret"
)

// Error is a call to Secrets Manager that failed, or that was not made because it
// would have.
type Error struct {
	// Op is the operation, such as "PutSecretValue".
	Op string
	// SecretID is what the caller gave: a name or an ARN.
	SecretID string
	// Code is AWS's error code, such as "AccessDeniedException"; made here:
	//   - "TooLarge", "InvalidToken": the token cannot be stored; nothing was called
	//   - "NotFound": the secret does not exist and may not be created
	//   - "Contention": others kept changing the secret
	//   - "Timeout", "Canceled", "Unreachable": no answer, or not all of it
	//   - "InvalidResponse": an answer that is not Secrets Manager's
	//   - "NotSent": no call could be made, as without credentials
	Code string
	// HTTPStatus is 0 when there was no answer, or none of its own: the secrets of
	// a batch share one.
	HTTPStatus int
	// Message is AWS's message and, where there is one, what to do.
	Message string
	// Retryable tells whether the same call may succeed later with nothing changed.
	Retryable bool
	// Err is the cause when there was no answer, such as
	// context.DeadlineExceeded, or [ErrMoved]. What AWS answered is in the fields
	// above only: the SDK's errors may quote the request.
	Err error
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s secret %q with %s: %s: %s", e.doing(), e.SecretID, e.Op, e.Code, e.Message)
}

func (e *Error) Unwrap() error { return e.Err }

func (e *Error) doing() string {
	switch e.Op {
	case "PutSecretValue":
		return "writing"
	case "CreateSecret":
		return "creating"
	case "UpdateSecretVersionStage":
		return "labelling a version of"
	default:
		return "reading"
	}
}

const (
	notFoundCode      = "ResourceNotFoundException"
	limitExceededCode = "LimitExceededException"
)

// newError makes an Error of what the SDK returned. sent is the token that the
// call carried: AWS may quote the value that it refuses.
func newError(op, secretID string, err error, sent ...secret.Text) *Error {
	status := 0
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return newAPIError(op, secretID, status, api.ErrorCode(), api.ErrorMessage(), sent...)
	}
	e := &Error{Op: op, SecretID: secretID, HTTPStatus: status, Retryable: true}
	switch {
	case errors.Is(err, context.Canceled):
		e.Code, e.Message, e.Err = "Canceled", "the caller gave up", context.Canceled
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		e.Code, e.Message, e.Err = "Timeout", "no answer in time", context.DeadlineExceeded
	case errors.Is(err, wary.ErrTooLong):
		e.Code, e.Message = "InvalidResponse", "the answer is too long: check the endpoint, and any proxy before it"
		e.Retryable = status < 300 || retryableStatus(status)
	case errors.As(err, new(*smithy.DeserializationError)):
		e.Code, e.Message = "InvalidResponse", "the answer is not one of Secrets Manager: check the endpoint, and any proxy before it"
		e.Retryable = status < 300 || retryableStatus(status)
	case errors.As(err, new(*smithyhttp.RequestSendError)):
		e.Err = transportCause(err)
		e.Code, e.Message = "Unreachable", e.Err.Error()+"; check the region and, in a VPC, its endpoint or route to Secrets Manager"
	default:
		e.Err = operationCause(err)
		e.Code, e.Message, e.Retryable = "NotSent", e.Err.Error(), false
	}
	return e
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// transportCause strips what the SDK and net/http put around a transport's error:
// the operation and the URL, which the Error names in its own way.
func transportCause(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func operationCause(err error) error {
	if o, ok := errors.AsType[*smithy.OperationError](err); ok {
		return o.Err
	}
	return err
}

// invalidResponse is about a success that lacks what a success has.
func invalidResponse(op, secretID string) *Error {
	return &Error{
		Op: op, SecretID: secretID, Code: "InvalidResponse", HTTPStatus: http.StatusOK, Retryable: true,
		Message: "the answer names no version: check the endpoint",
	}
}

func encodeError(secretID string, err error) *Error {
	e := &Error{Op: "PutSecretValue", SecretID: secretID, Code: "InvalidToken", Message: err.Error()}
	if errors.Is(err, errTooLarge) {
		e.Code = "TooLarge"
	}
	return e
}

func missingError(secretID string) *Error {
	e := &Error{Op: "PutSecretValue", SecretID: secretID, Code: "NotFound", HTTPStatus: http.StatusBadRequest}
	if strings.HasPrefix(secretID, "arn:") {
		e.Message = "the secret does not exist, and none can be created under an ARN: create it, or give a name and set \"create_secrets\": true"
	} else {
		e.Message = "the secret does not exist: create it, or set \"create_secrets\": true in the config document"
	}
	return e
}

func contentionError(current Current) *Error {
	return &Error{
		Op: "PutSecretValue", SecretID: current.SecretID, Code: "Contention", Retryable: true,
		Message: fmt.Sprintf("others kept changing the secret, or moved AWSCURRENT back to version %s too often: "+
			"see who else writes it, or put any value by hand to start anew", current.VersionID),
	}
}

// newAPIError makes an Error of an error that AWS answered.
func newAPIError(op, secretID string, status int, code, message string, sent ...secret.Text) *Error {
	return &Error{
		Op: op, SecretID: secretID, Code: code, HTTPStatus: status,
		Message:   apiMessage(op, secretID, code, googleapi.Quote(message, sent...)),
		Retryable: retryableCode(code) || retryableStatus(status),
	}
}

// retryableCode holds for throttling and faults on AWS's side.
func retryableCode(code string) bool {
	if code == limitExceededCode { // a quota, though the SDK's list has it
		return false
	}
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	_, transient := retry.DefaultRetryableErrorCodes[code]
	return throttled || transient || code == "InternalServiceError"
}

func retryableStatus(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// apiMessage is AWS's message, where it is safe to repeat, and advice.
func apiMessage(op, secretID, code, message string) string {
	advice := apiAdvice(op, secretID, code)
	switch {
	case message == "" || !quotable(code):
		if advice == "" {
			return "refused without a reason that may be shown"
		}
		return advice
	case advice == "":
		return message
	default:
		return strings.TrimSuffix(message, ".") + "; " + advice
	}
}

// quotable tells whether AWS's message for a code has no AWS credential in it. For
// a bad signature, for one, AWS quotes the canonical request, with the session
// token in it. What looks like a token is hidden whatever the code.
func quotable(code string) bool {
	switch code {
	case notFoundCode, limitExceededCode, "AccessDeniedException", "DecryptionFailure", "EncryptionFailure",
		"InvalidParameterException", "InvalidRequestException", "InternalServiceError", "ThrottlingException", "ValidationException":
		return true
	}
	return false
}

// apiAdvice says what a person can do about a code; empty where there is nothing
// to add.
func apiAdvice(op, secretID, code string) string {
	keyAction := "kms:Decrypt"
	if op == "PutSecretValue" || op == "CreateSecret" {
		keyAction = "kms:GenerateDataKey and kms:Decrypt"
	}
	switch code {
	case "AccessDeniedException":
		if op == "BatchGetSecretValue" {
			op = "GetSecretValue" // what the role lacks for a secret of a batch
		}
		switch op {
		case "DescribeSecret", "ListSecretVersionIds", "UpdateSecretVersionStage": // they touch no value, so no key
			return "allow the role secretsmanager:" + op + " on this secret"
		}
		return "allow the role secretsmanager:" + op + " on this secret, and " + keyAction + " on its KMS key if it is not AWS's own"
	case "DecryptionFailure", "EncryptionFailure":
		return "allow the role " + keyAction + " on the secret's KMS key, and check that the key is enabled"
	case "InvalidRequestException":
		return "if it is scheduled for deletion, restore it: aws secretsmanager restore-secret --secret-id " + secretID
	case limitExceededCode:
		if op == "CreateSecret" {
			return "the account has as many secrets as it may"
		}
		return "write less than once in 10 minutes: versions younger than 24 hours are never removed"
	case "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId":
		return "AWS does not accept these credentials: get new ones, and check that they are for this account and region"
	case "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignatureException":
		return "AWS does not accept the signature: check the secret access key and the clock"
	}
	return ""
}
