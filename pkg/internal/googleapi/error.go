package googleapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Codes of an [Error] that are made here rather than by Google.
const (
	// CodeUnreachable: there was no answer, or not all of it.
	CodeUnreachable = "unreachable"
	// CodeTimeout: no answer within the attempt's time or the caller's.
	CodeTimeout = "timeout"
	// CodeCanceled: the caller gave up.
	CodeCanceled = "canceled"
	// CodeRedirected: an answer that points elsewhere; nothing was sent there.
	CodeRedirected = "redirected"
	// CodeHTTP: an answer in neither of Google's error shapes, such as a proxy's page.
	CodeHTTP = "http_error"
	// CodeInvalidResponse: a successful answer that is none to trust.
	CodeInvalidResponse = "invalid_response"
)

// Error is a call that failed: an answer with a status, or none. Its texts are
// bounded, without control characters and without the request's secrets.
type Error struct {
	// HTTPStatus is 0 when there was no answer.
	HTTPStatus int
	// Code is the OAuth error ("invalid_grant"), Google's status
	// ("PERMISSION_DENIED"), or one of the Code constants. Never empty.
	Code string
	// Message is error_description, or Google's message, or what went wrong on the way.
	Message string
	// URI is error_uri.
	URI string
	// Retryable tells whether the same call may succeed later.
	Retryable bool
	// RetryAfter is how long the answer asks to wait; 0 if it does not.
	RetryAfter time.Duration
	// Attempts counts the tries that were made.
	Attempts int
	// Err is the transport's or the context's error, if there was one.
	Err error
	// lostKept: a connection that had been kept broke.
	lostKept bool
}

// Error gives code, message and circumstances: "invalid_grant: … (HTTP 400)".
func (e *Error) Error() string {
	text := e.Code
	if e.Message != "" {
		text += ": " + e.Message
	}
	var details []string
	if e.HTTPStatus != 0 {
		details = append(details, fmt.Sprintf("HTTP %d", e.HTTPStatus))
	}
	if e.Attempts > 1 {
		details = append(details, fmt.Sprintf("%d attempts", e.Attempts))
	}
	if e.URI != "" {
		details = append(details, "see "+e.URI)
	}
	if len(details) > 0 {
		text += " (" + strings.Join(details, ", ") + ")"
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// ended is the failure of a call whose caller gave up or ran out of time; last
// is the attempt that failed before, if there was one.
func ended(ctx context.Context, attempts int, last *Error) *Error {
	e := &Error{Code: CodeCanceled, Message: "the caller gave up before an answer came", Attempts: attempts, Err: ctx.Err()}
	if errors.Is(e.Err, context.DeadlineExceeded) {
		e.Code, e.Message, e.Retryable = CodeTimeout, "the caller's deadline passed before an answer came", true
	}
	if last != nil {
		e.Message += "; the attempt before had failed: " + last.Error()
	}
	return e
}

// noAnswer is the failure of an attempt that brought no whole answer.
func (c *Caller) noAnswer(req Request, err error, kept bool) *Error {
	m := newMask(req)
	e := &Error{Code: CodeUnreachable, Message: m.text(err.Error(), maxMessage), Retryable: !untrusted(err), Err: m.err(err)}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		e.Code = CodeTimeout
	}
	// HTTP/2 keeps a connection of which one stream was reset: by a server that has
	// too much to do, say.
	e.lostKept = kept && e.Code == CodeUnreachable && !strings.Contains(err.Error(), "stream error: ")
	if req.Context().Err() != nil {
		e.Message = fmt.Sprintf("no answer within %v", c.attemptTimeout())
	}
	return e
}

// untrusted reports whether err says that the peer is not who it should be or
// does not speak TLS, which trying again does not change.
func untrusted(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "remote error" || op.Op == "local error") {
		return true // a TLS alert, theirs or ours
	}
	return is[*tls.CertificateVerificationError](err) || is[tls.RecordHeaderError](err) ||
		is[x509.UnknownAuthorityError](err) || is[x509.HostnameError](err) || is[x509.CertificateInvalidError](err)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// refused is the failure that a non-2xx answer tells.
func refused(req Request, resp *http.Response) *Error {
	m := newMask(req)
	e := &Error{HTTPStatus: resp.StatusCode, Retryable: passing(resp.StatusCode), RetryAfter: retryAfter(resp.Header)}
	if resp.StatusCode < 400 {
		e.Code, e.Message = CodeRedirected, m.text("to "+redirectHost(req, resp)+"; redirects are never followed", maxMessage)
		return e
	}
	// What could be read of the body only serves the text; the status is what counts.
	body, _ := readBody(resp)
	told := readErrorBody(body)
	e.Code, e.Message, e.URI = m.text(told.code, maxCode), m.text(told.message, maxMessage), m.text(told.uri, maxURI)
	if e.Code == "" {
		e.Code = CodeHTTP
	}
	return e
}

// redirectHost names where a redirect points and nothing else of it: the rest
// of a Location may repeat what was sent.
func redirectHost(req Request, resp *http.Response) string {
	location := resp.Header.Get("Location")
	if location == "" {
		return "nowhere (no Location)"
	}
	to, err := req.URL.Parse(location)
	if err != nil || to.Host == "" {
		return "an unreadable Location"
	}
	return to.Hostname()
}

func tooLarge(resp *http.Response) *Error {
	return &Error{
		HTTPStatus: resp.StatusCode,
		Code:       CodeInvalidResponse,
		Message:    fmt.Sprintf("the answer is longer than %d bytes", MaxBody),
	}
}
