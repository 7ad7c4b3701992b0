package googlests

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

// Error is a call that failed at Google, on the way there, or because the answer
// is not one to trust. Both of Google's error shapes arrive as this. Its texts are
// bounded, on one line, and show no secret that was sent: what Google quotes of one
// is masked.
type Error struct {
	// Op is what was being done: "exchanging token", "downscoping token",
	// "refreshing token", "revoking token" or "introspecting token".
	Op string
	// Host is where; empty if there is no valid endpoint.
	Host string
	// HTTPStatus is 0 when there was no answer.
	HTTPStatus int
	// Code is the OAuth error code, such as "invalid_grant", or Google's own
	// status, such as "PERMISSION_DENIED". Made here:
	//   - "invalid_endpoint" and "invalid_request": nothing was sent;
	//   - "unreachable" and "timeout": there was no answer;
	//   - "canceled": the context was;
	//   - "redirected": the answer points elsewhere, where nothing was sent;
	//   - "http_error": an error status in neither of Google's shapes;
	//   - "invalid_response": a successful answer that is none to trust.
	Code string
	// Description is error_description or Google's message.
	Description string
	// URI is error_uri.
	URI string
	// Retryable tells whether the same call may succeed later.
	Retryable bool
	// Attempts counts the requests that were sent.
	Attempts int
	// Err is the cause below, if there is one: errors.Is finds
	// context.Canceled and context.DeadlineExceeded through it.
	Err error
}

// Error gives all of it on one line, with what can be done: "exchanging token at
// sts.googleapis.com: invalid_target: … (HTTP 400); Google knows no provider of
// this name, …: check the audience: …".
func (e *Error) Error() string {
	text := e.Op
	if e.Host != "" {
		text += " at " + e.Host
	}
	told := googleapi.Error{HTTPStatus: e.HTTPStatus, Code: e.Code, Message: e.Description, URI: e.URI, Attempts: e.Attempts}
	return text + ": " + told.Error() + e.advice().String()
}

func (e *Error) Unwrap() error { return e.Err }

// failure makes the errors of one operation.
type failure struct{ op, host string }

// because is a failure before anything was sent.
func (f failure) because(code string, err error) *Error {
	return &Error{Op: f.op, Host: f.host, Code: code, Description: err.Error(), Err: err}
}

// call is a call that failed: googleapi's error as an *Error, and any other,
// which is SubjectToken's, as it is.
func (f failure) call(err error) error {
	e, ok := err.(*googleapi.Error)
	if !ok {
		return err
	}
	return &Error{
		Op: f.op, Host: f.host, HTTPStatus: e.HTTPStatus, Code: e.Code, Description: e.Message,
		URI: e.URI, Retryable: e.Retryable, Attempts: e.Attempts, Err: e.Err,
	}
}

// answer is a successful answer that cannot be trusted.
func (f failure) answer(status int, err error) *Error {
	return &Error{Op: f.op, Host: f.host, HTTPStatus: status, Code: googleapi.CodeInvalidResponse, Description: err.Error()}
}

// publicParts are what an error may quote of a subject token. Of a signed AWS
// request that is where it goes, what it asks for, when it was signed, and how its
// headers are called: AWS's refusals, which Google passes on, speak of these, and
// the date is what gives a wrong clock away. Of any other token it is nothing.
func publicParts(subject secret.Text) []string {
	var r struct {
		URL     string                        `json:"url"`
		Headers []struct{ Key, Value string } `json:"headers"`
	}
	text, err := url.QueryUnescape(subject.Reveal())
	if err != nil || json.Unmarshal([]byte(text), &r) != nil {
		return nil
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil
	}
	public := []string{u.Host, "Action=" + u.Query().Get("Action")}
	for _, h := range r.Headers {
		public = append(public, h.Key)
		if name := strings.ToLower(h.Key); name == "host" || name == "x-amz-date" {
			public = append(public, h.Value)
		}
	}
	return public
}
