package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// Codes of the doctor's own, for what has none or too many.
const (
	codeNameUnknown  = "name-unknown" // DNS has no such host
	codeCertificate  = "certificate"
	codeTimeout      = "timeout"
	codeUnreachable  = "unreachable"
	codeQuota        = "quota"
	codeUnavailable  = "unavailable"
	codeNoCredential = "no-credentials"
	codeAssumeRole   = "assume-role"
)

// throttled are AWS's codes for too many calls.
var throttled = [...]string{"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}

// observe reduces an error of any leg to what diagnoses are told apart by. What went
// wrong on the way comes first: which call it hit says little.
func observe(err error) *finding {
	f := &finding{found: oneLine(err.Error())}
	var (
		sts    *googlests.Error
		iam    *impersonate.Error
		store  *tokenstore.Error
		links  *supplier.ChainError
		creds  *supplier.Error
		sign   *subjecttoken.Error
		answer *refusal
	)
	status := 0
	switch {
	case errors.As(err, &sts):
		f.code, f.text, status = sts.Code, sts.Description, sts.HTTPStatus
		f.found = told("Google's STS", f.code, f.text)
	case errors.As(err, &iam):
		f.code, f.text, status = iam.Code, iam.Message, iam.HTTPStatus
		f.found = told("Google's IAM", f.code, f.text)
	// Before the store's: a call that was never signed fails for the keys it lacks.
	case errors.As(err, &links):
		f.code = codeNoCredential
	case errors.As(err, &creds):
		f.code = codeNoCredential
		if creds.Source == "assume-role" {
			f.code = codeAssumeRole
		}
	case errors.As(err, &store):
		f.code, f.text = store.Code, store.Message // whose throttling has a code
		f.found = told("Secrets Manager", f.code, f.text)
	case errors.As(err, &sign):
		f.code, f.text = sign.Code, sign.Message
	case errors.As(err, &answer):
		f.code, f.text, status = answer.code, answer.message, answer.status
	}
	switch {
	case status == http.StatusTooManyRequests || slices.Contains(throttled[:], f.code):
		f.code = codeQuota
	case status >= 500:
		f.code = codeUnavailable
	case status == 0:
		if code := onTheWay(err); code != "" {
			f.code = code
		}
	}
	return f
}

// onTheWay is the code of a call that brought no answer; empty for any other error.
func onTheWay(err error) string {
	var dns *net.DNSError
	var network net.Error
	switch {
	case errors.As(err, &dns) && !dns.IsTimeout:
		return codeNameUnknown
	case is[*tls.CertificateVerificationError](err), is[x509.UnknownAuthorityError](err), is[x509.HostnameError](err), is[x509.CertificateInvalidError](err):
		return codeCertificate
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return codeTimeout
	case is[*net.OpError](err), is[tls.RecordHeaderError](err):
		return codeUnreachable
	}
	return ""
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func told(who, code, text string) string {
	return oneLine(strings.TrimSuffix(fmt.Sprintf("%s: %s: %s", who, code, text), ": "))
}

// oneLine keeps a text that came over the network from writing more than a line, and
// from moving a terminal's cursor.
func oneLine(s string) string {
	const most = 600
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, " "), isControl), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// refusal is AWS's answer to one of the doctor's own calls.
type refusal struct {
	service       string
	status        int
	code, message string
}

func (e *refusal) Error() string {
	return oneLine(strings.TrimSuffix(fmt.Sprintf("%s answered %d %s: %s", e.service, e.status, e.code, e.message), ": "))
}
