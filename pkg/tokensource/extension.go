package tokensource

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/wary"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// Extension reads secrets through the AWS Parameters and Secrets Lambda extension
// (Lambda Developer Guide, "Use Secrets Manager secrets in Lambda functions"), on
// port PARAMETERS_SECRETS_EXTENSION_HTTP_PORT, else 2773, of this host. It is for
// functions that have its layer anyway: a Source keeps a token longer than the
// extension does, and asks Secrets Manager itself about once an hour.
//
// The extension repeats what it read for SECRETS_MANAGER_TTL seconds (300 unless
// set, and 300 at most) and knows nothing of a token's expiry. It cannot be told to
// read again. So a token that is replaced late, with less than the TTL left, may
// reach this program only after the old one has expired: set SECRETS_MANAGER_TTL to
// 180 or less, which the 195 s in which a Source looks for a better token outlast.
//
// It answers nothing before the function's first invocation: do not ask for a token
// while the function starts.
type Extension struct {
	// Getenv looks up a variable; nil means os.Getenv.
	Getenv func(string) string
	// HTTPClient makes the calls, but follows no redirect. Nil means a direct
	// connection to loopback, whatever proxy the environment names.
	HTTPClient *http.Client
}

var _ Reader = Extension{}

const (
	extensionPort = 2773
	// extensionTimeout is that of a try of Secrets Manager's client, which the
	// extension has, too.
	extensionTimeout = 10 * time.Second
	// maxExtensionAnswer holds the largest secret with every byte escaped.
	maxExtensionAnswer = 6*tokenstore.MaxSize + 4096
)

// ReadStage fails with a *tokenstore.Error. Of a refusal by Secrets Manager the
// extension tells the code at most; the reason is in the function's log.
func (x Extension) ReadStage(ctx context.Context, secretID, stage string) (tokenstore.Current, error) {
	none := tokenstore.Current{SecretID: secretID}
	r, err := x.request(ctx, secretID, stage)
	if err != nil {
		return none, extensionError(secretID, "NotSent", 0, err.Error())
	}
	answer, err := x.client().Do(r)
	if err != nil {
		return none, noAnswer(secretID, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxExtensionAnswer+1))
	if err != nil {
		return none, noAnswer(secretID, err)
	}
	current, failed := parseExtension(secretID, answer.StatusCode, body)
	if failed != nil {
		return none, failed
	}
	return current, nil
}

func (x Extension) request(ctx context.Context, secretID, stage string) (*http.Request, error) {
	getenv := x.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	port := cmp.Or(getenv("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"), strconv.Itoa(extensionPort))
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, errors.New("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT is no port; write a number from 1 to 65535, or nothing")
	}
	// A function that was restored from a snapshot has no session token.
	token := cmp.Or(getenv("AWS_SESSION_TOKEN"), getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN"))
	if token == "" {
		return nil, errors.New("AWS_SESSION_TOKEN is not set; Lambda sets it, and there is no such extension elsewhere")
	}
	u := url.URL{
		Scheme: "http", Host: "localhost:" + port, Path: "/secretsmanager/get",
		RawQuery: url.Values{"secretId": {secretID}, "versionStage": {stage}}.Encode(),
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Aws-Parameters-Secrets-Token", token)
	return r, nil
}

func (x Extension) client() *http.Client {
	var own http.Client
	if x.HTTPClient != nil {
		own = *x.HTTPClient
	}
	own.Jar = nil
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	own.Timeout = cmp.Or(own.Timeout, extensionTimeout)
	if own.Transport == nil {
		// A connection costs nothing on loopback, and one that was kept may be dead
		// when the function thaws.
		own.Transport = &http.Transport{DialContext: (&net.Dialer{Control: onlyLoopback}).DialContext, DisableKeepAlives: true}
	}
	// Whoever has that port may repeat the session token in what is no HTTP.
	own.Transport = &wary.Transport{Base: own.Transport}
	return &own
}

// onlyLoopback keeps the session token on this host, whatever "localhost" resolves to.
func onlyLoopback(_, address string, _ syscall.RawConn) error {
	if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().IsLoopback() {
		return errors.New("localhost is not this host")
	}
	return nil
}

// parseExtension makes of an answer what Secrets Manager said. A success is
// GetSecretValue's answer.
func parseExtension(secretID string, status int, body []byte) (tokenstore.Current, *tokenstore.Error) {
	none := tokenstore.Current{SecretID: secretID}
	if status != http.StatusOK {
		return none, refusal(secretID, status, string(body))
	}
	var value struct {
		ARN          string
		VersionID    string `json:"VersionId"`
		SecretString *string
	}
	if len(body) > maxExtensionAnswer || json.Unmarshal(body, &value) != nil || value.VersionID == "" {
		// The decoder's error would quote the value.
		return none, extensionError(secretID, "InvalidResponse", status, "the answer is not one of the extension; see who else listens on its port")
	}
	current := tokenstore.Current{SecretID: secretID, ARN: value.ARN, VersionID: value.VersionID}
	if value.SecretString == nil {
		current.Malformed = errors.New("parsing stored token: the value is binary, not text")
		return current, nil
	}
	current.Token, current.Malformed = tokenstore.Parse([]byte(*value.SecretString))
	return current, nil
}

// refusal is nil if the secret does not exist.
func refusal(secretID string, status int, body string) *tokenstore.Error {
	code := exceptionIn(body)
	switch {
	case code == "ResourceNotFoundException" && status == http.StatusBadRequest:
		return nil
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return extensionError(secretID, "Refused", status, "the extension does not accept AWS_SESSION_TOKEN; do not change that variable")
	case strings.HasPrefix(body, "not ready"):
		e := extensionError(secretID, "NotReady", status, "the extension is not ready; ask for a token in an invocation, not while the function starts")
		e.Retryable = true
		return e
	}
	e := extensionError(secretID, cmp.Or(code, "Refused"), status,
		"the reason is in the function's log; check that its role may secretsmanager:GetSecretValue this secret, and kms:Decrypt with its KMS key if that is not AWS's own")
	// It says 400, and nothing else, to passing and lasting failures alike.
	e.Retryable = code == "" || code == "ThrottlingException" || status >= 500 || status == http.StatusTooManyRequests
	return e
}

// exceptionIn finds an error code of AWS in an answer that is JSON, or text with
// the code in brackets; "" if there is none. Letters only: the rest of the answer
// is not safe to show.
func exceptionIn(body string) string {
	const suffix = "Exception"
	for word := range strings.FieldsFuncSeq(body, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
		if strings.HasSuffix(word, suffix) && len(word) > len(suffix) && len(word) <= 64 {
			return word
		}
	}
	return ""
}

func noAnswer(secretID string, err error) *tokenstore.Error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	e := extensionError(secretID, "Unreachable", 0, fmt.Sprintf("%v; check that the layer AWS-Parameters-and-Secrets-Lambda-Extension is attached", err))
	var t interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		e.Code, e.Message = "Canceled", "the caller gave up"
	case errors.As(err, &t) && t.Timeout():
		e.Code, e.Message = "Timeout", "no answer in time"
	}
	e.Retryable, e.Err = true, err
	return e
}

func extensionError(secretID, code string, status int, message string) *tokenstore.Error {
	return &tokenstore.Error{Op: "the Parameters and Secrets extension", SecretID: secretID, Code: code, HTTPStatus: status, Message: message}
}
