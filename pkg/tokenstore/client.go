package tokenstore

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"github.com/wifmint/wifmint/pkg/internal/wary"
)

const (
	// attemptTimeout bounds one try of a call. Secrets Manager answers in tens of
	// milliseconds; a try that takes seconds is lost, and three of them with the
	// pauses between still fit a Lambda invocation of one minute.
	attemptTimeout = 10 * time.Second
	maxAttempts    = 3
	// maxAnswer holds the longest answer, BatchGetSecretValue's: 20 secrets of 64 KiB,
	// with the six bytes that JSON may take for one.
	maxAnswer = 8 << 20
	// maxAnswerHeader is far above the 1 KiB that AWS sends.
	maxAnswerHeader = 64 << 10
)

// Options of [NewClient].
type Options struct {
	// Region and Credentials are required. Credentials are asked at every call,
	// and not cached.
	Region      string
	Credentials aws.CredentialsProvider
	// HTTPClient makes the calls, but follows no redirect, reads no answer of more
	// than 8 MiB, and its Timeout, if zero, becomes 10 s a try. Nil means one with
	// the SDK's usual transport.
	HTTPClient *http.Client
	// BaseEndpoint is called instead of the region's endpoint; empty means unset.
	// No environment variable is read here: whoever honours the SDK's passes
	// [EndpointFromEnvironment].
	BaseEndpoint string
}

// NewClient makes a Secrets Manager client as a Lambda function wants it: without
// the SDK's config package, whose loading alone takes longer than the rest of a
// cold start, and with every call bounded (3 tries, 10 s each, of which one over a
// connection that was kept and breaks does not count).
func NewClient(o Options) *secretsmanager.Client {
	options := secretsmanager.Options{
		Region:      o.Region,
		Credentials: o.Credentials,
		HTTPClient:  httpClient(o.HTTPClient),
		Retryer: retry.NewStandard(func(s *retry.StandardOptions) {
			s.MaxAttempts = maxAttempts
			s.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(amendRetry)}, s.Retryables...)
		}),
	}
	if o.BaseEndpoint != "" {
		options.BaseEndpoint = &o.BaseEndpoint
	}
	return secretsmanager.New(options)
}

func httpClient(c *http.Client) *http.Client {
	var own http.Client
	if c != nil {
		own = *c
	} else {
		own.Transport = transport()
	}
	if own.Timeout == 0 {
		own.Timeout = attemptTimeout
	}
	// Secrets Manager never redirects. Whoever does would be handed the session
	// token, and with a 307 the token to store as well.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	own.Transport = &wary.Transport{Base: repeating{cmp.Or(own.Transport, http.DefaultTransport)}, MaxBody: maxAnswer}
	return &own
}

// repeating sends a request again when the connection that was kept for it breaks
// without an answer, having been closed while the function was frozen, say: at once,
// where the SDK waits for up to 2 s. Every call this package makes is safe to repeat.
type repeating struct{ base http.RoundTripper }

func (t repeating) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		sent, err = io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	resp, kept, err := t.send(r, sent)
	if err != nil && kept && r.Context().Err() == nil && !strings.HasPrefix(err.Error(), "stream error") { // which HTTP/2 goes on after
		resp, _, err = t.send(r, sent)
	}
	return resp, err
}

func (t repeating) send(r *http.Request, sent []byte) (_ *http.Response, kept bool, _ error) {
	var reused atomic.Bool
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { reused.Store(false) }, // again, if the one that was kept is dead
		GotConn: func(got httptrace.GotConnInfo) { reused.Store(got.Reused) },
	}))
	if r.Body != nil {
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(sent)), nil }
		r.Body, _ = r.GetBody()
	}
	resp, err := t.base.RoundTrip(r)
	return resp, reused.Load(), err
}

// transport is the SDK's usual one. It speaks HTTP/2 where the endpoint, or a
// proxy before it, does: all calls over one connection, which a try that times out
// leaves in use. So that a peer that is gone without a word does not cost every
// try, it is asked for a sign of life and given up well within one. By HTTP/1.1 a
// try that times out closes its connection. Either way a connection that idled
// for 90 s by the clock on the wall, as a frozen function's, is not used again.
func transport() *http.Transport {
	t := awshttp.NewBuildableClient().GetTransport()
	t.HTTP2 = &http.HTTP2Config{
		SendPingTimeout: 3 * time.Second, PingTimeout: 2 * time.Second,
		MaxReceiveBufferPerStream: 1 << 20, // of an answer that nobody reads on
	}
	t.MaxResponseHeaderBytes = maxAnswerHeader
	// The next tick is later than that, so most dial: a session that is resumed
	// spares both sides the certificates. There is one host.
	t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	return t
}

// amendRetry has two opinions that the SDK's rules lack.
func amendRetry(err error) aws.Ternary {
	if errors.As(err, new(*smithy.DeserializationError)) {
		// The answer broke off or is garbled. Every call this package makes is safe
		// to repeat.
		return aws.TrueTernary
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == limitExceededCode {
		// Of versions or secrets, not of calls: waiting a second does not help.
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}
