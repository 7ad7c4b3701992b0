package tokeninfo

import "github.com/wifmint/wifmint/pkg/internal/googleapi"

// Error is a question that Google answered with a refusal, or not at all. Its
// texts are bounded, on one line, and do not show the token.
type Error struct {
	// Host is who was asked; empty if there is no valid endpoint.
	Host string
	// HTTPStatus is 0 when there was no answer.
	HTTPStatus int
	// Code is "invalid_token" when Google does not accept the token: it is
	// none, has expired or was revoked. Made here:
	//   - "invalid_endpoint": nothing was sent;
	//   - "unreachable" and "timeout": there was no answer;
	//   - "canceled": the context was;
	//   - "redirected": the answer points elsewhere, where nothing was sent;
	//   - "http_error": an error status in neither of Google's shapes;
	//   - "invalid_response": a successful answer that is none to trust.
	Code string
	// Message is Google's, or says what is wrong.
	Message string
	// Retryable tells whether the same question may be answered later.
	Retryable bool
	// Attempts counts the requests that were sent.
	Attempts int
	// Err is the cause below, if there is one: errors.Is finds
	// context.Canceled and context.DeadlineExceeded through it.
	Err error
}

// Error gives all of it on one line, such as "asking about token at
// oauth2.googleapis.com: invalid_token: Invalid Value (HTTP 400)".
func (e *Error) Error() string {
	text := "asking about token"
	if e.Host != "" {
		text += " at " + e.Host
	}
	told := googleapi.Error{HTTPStatus: e.HTTPStatus, Code: e.Code, Message: e.Message, Attempts: e.Attempts}
	return text + ": " + told.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// newError is a call that failed.
func newError(host string, err error) *Error {
	told, ok := err.(*googleapi.Error)
	if !ok { // the request could not even be made
		return &Error{Host: host, Code: "invalid_endpoint", Message: err.Error(), Err: err}
	}
	return &Error{
		Host: host, HTTPStatus: told.HTTPStatus, Code: told.Code, Message: told.Message,
		Retryable: told.Retryable, Attempts: told.Attempts, Err: told.Err,
	}
}
