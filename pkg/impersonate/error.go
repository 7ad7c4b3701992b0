package impersonate

import "github.com/wifmint/wifmint/pkg/internal/googleapi"

// Error is a call that failed at Google, on the way there, because the answer
// is not one to trust, or before anything was sent. Its texts are bounded, on
// one line, and show no secret that was sent: what Google quotes of one is masked.
type Error struct {
	// Op is the API's method, such as "generateAccessToken", or "token" for
	// the OAuth token endpoint.
	Op string
	// Account is the service account as the request has it.
	Account string
	// Subject is the user to be acted for; empty but for [Client.UserToken].
	Subject string
	// Host is who was asked; empty if nobody was to be.
	Host string
	// HTTPStatus is 0 when there was no answer.
	HTTPStatus int
	// Code is Google's status, such as "PERMISSION_DENIED", or the OAuth error
	// code, such as "unauthorized_client". Made here:
	//   - "invalid_endpoint" and "invalid_request": nothing was sent;
	//   - "unreachable" and "timeout": there was no answer;
	//   - "canceled": the context was;
	//   - "redirected": the answer points elsewhere, where nothing was sent;
	//   - "http_error": an error status in neither of Google's shapes;
	//   - "invalid_response": a successful answer that is none to trust.
	Code string
	// Message is Google's, or says what is wrong.
	Message string
	// Retryable tells whether the same call may succeed later.
	Retryable bool
	// Attempts counts the requests that were sent.
	Attempts int
	// Err is the cause below, if there is one: errors.Is finds
	// context.Canceled and context.DeadlineExceeded through it.
	Err error
}

// Error gives all that helps on one line, with what can be done: "impersonating
// reports@p.iam.gserviceaccount.com: NOT_FOUND: … (HTTP 404); there is no such
// service account: check its email, …".
func (e *Error) Error() string {
	text := "impersonating "
	if e.Subject != "" {
		text += e.Subject + " through "
	}
	text += e.Account
	if e.Host != "" && e.HTTPStatus == 0 { // an answer speaks for itself
		text += " at " + e.Host
	}
	told := googleapi.Error{HTTPStatus: e.HTTPStatus, Code: e.Code, Message: e.Message, Attempts: e.Attempts}
	return text + ": " + told.Error() + e.advice().String()
}

func (e *Error) Unwrap() error { return e.Err }

// failure is what all errors of one call have in common.
type failure struct{ Op, Account, Subject, Host string }

func (f failure) error() *Error {
	return &Error{Op: f.Op, Account: f.Account, Subject: f.Subject, Host: f.Host}
}

// because is a failure before anything was sent.
func (f failure) because(code string, err error) *Error {
	e := f.error()
	e.Code, e.Message, e.Err = code, err.Error(), err
	return e
}

// call is a call that failed.
func (f failure) call(err error) *Error {
	told, ok := err.(*googleapi.Error)
	if !ok { // the request could not even be made
		return f.because("invalid_request", err)
	}
	e := f.error()
	e.HTTPStatus, e.Code, e.Message = told.HTTPStatus, told.Code, told.Message
	e.Retryable, e.Attempts, e.Err = told.Retryable, told.Attempts, told.Err
	return e
}

// answer is a successful answer that cannot be trusted.
func (f failure) answer(status int, err error) *Error {
	e := f.error()
	e.HTTPStatus, e.Code, e.Message = status, googleapi.CodeInvalidResponse, err.Error()
	return e
}
