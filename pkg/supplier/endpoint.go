package supplier

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/wary"
	"github.com/wifmint/wifmint/pkg/secret"
)

const (
	// answerTimeout bounds one attempt at an endpoint that is known to be
	// there: they are on the same host and answer in milliseconds, but throttle.
	answerTimeout = 5 * time.Second
	// maxAttempts bounds the attempts at one request. With the pauses between
	// them it is at most 16 s, less whatever the caller's context allows.
	maxAttempts = 3
	// firstPause doubles after each attempt.
	firstPause = 100 * time.Millisecond
	// maxAnswer is far above the 2 KiB of a credential document.
	maxAnswer = 64 << 10
)

// endpoint is the one way in which AWS's credential endpoints are asked: with
// a deadline, a capped answer, no redirect and few attempts.
type endpoint struct {
	source string
	client *http.Client
	// silent is what to check when nobody answers.
	silent string
}

// answer is what an endpoint said, whatever the status.
type answer struct {
	from   string // the host, for errors: a path may hold a credential id
	status int
	body   []byte
}

// ask sends a request without a body, again when nobody was there or the
// answer says to come back. It fails with an *Error only when there was no
// answer to return.
func (e endpoint) ask(ctx context.Context, timeout time.Duration, method string, to *url.URL, header http.Header) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, to.String(), nil)
	if err != nil {
		return answer{}, &Error{Source: e.source, Reason: "making a request to " + to.Host, Err: withoutURL(err)}
	}
	r.Header = header
	var a answer
	var none *Error
	err = persist(ctx, func() (again bool) {
		a, again, none = e.try(r, timeout)
		return again
	})
	switch {
	case err != nil:
		return answer{}, e.gaveUp(to.Host, err)
	case none != nil:
		return answer{}, none
	}
	return a, nil
}

// persist attempts something until that is no longer worth it, maxAttempts
// times at most. It fails only with ctx's error, when that is done during a pause.
func persist(ctx context.Context, attempt func() (again bool)) error {
	for n := 1; attempt() && n < maxAttempts; n++ {
		if err := pause(ctx, firstPause<<(n-1)); err != nil {
			return err
		}
	}
	return nil
}

// try sends r once. again tells whether another attempt is worth it: what hung
// for the whole timeout would only hang again.
func (e endpoint) try(r *http.Request, timeout time.Duration) (_ answer, again bool, _ *Error) {
	ctx, host := r.Context(), r.URL.Host
	attempt, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := e.client.Do(r.WithContext(attempt))
	var body []byte
	if err == nil {
		defer resp.Body.Close()
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	}
	switch {
	case err == nil && len(body) > maxAnswer:
		return answer{}, false, &Error{Source: e.source, Reason: fmt.Sprintf("%s answered with more than %d bytes", host, maxAnswer)}
	case err == nil:
		return answer{host, resp.StatusCode, body}, retryableStatus(resp.StatusCode), nil
	case ctx.Err() != nil:
		return answer{}, false, e.gaveUp(host, ctx.Err())
	case attempt.Err() != nil:
		return answer{}, false, &Error{Source: e.source, Reason: fmt.Sprintf("%s did not answer within %v; %s", host, timeout, e.silent), Retryable: true}
	}
	again = mayPass(err)
	return answer{}, again, &Error{Source: e.source, Reason: "calling " + host, Retryable: again, Err: withoutURL(err)}
}

func (e endpoint) gaveUp(host string, err error) *Error {
	return &Error{Source: e.source, Reason: "gave up waiting for " + host, Retryable: true, Err: err}
}

// mayPass reports whether a failure to get through may pass: not if nobody has
// that name, nor if who answers is not to be trusted.
func mayPass(err error) bool {
	var dns *net.DNSError
	var untrusted *tls.CertificateVerificationError
	return !errors.As(err, &untrusted) && !(errors.As(err, &dns) && dns.IsNotFound)
}

// refusal is the error for an answer that is not the one asked for. sent are
// the secrets of the request, which a careless endpoint may repeat.
func (e endpoint) refusal(a answer, sent ...secret.Text) *Error {
	reason := fmt.Sprintf("%s answered %d", a.from, a.status)
	if said := parseDocument(a.body).complaint(sent...); said != "" {
		reason += ": " + said
	}
	if a.status >= 300 && a.status < 400 {
		reason += ", and redirects are not followed"
	}
	return &Error{Source: e.source, Reason: reason, Retryable: retryableStatus(a.status)}
}

func retryableStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// pause waits for d and up to half of it more, so that the containers of one
// host do not come back together.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d + rand.N(d/2))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// withoutURL takes the URL off a client's error: its path may name a credential.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// confined returns c without redirects and cookies, and with no error that quotes
// an answer: there may be a key in it. If c brings no transport of its own it gets
// one that dials anew for every request: there is nothing to keep between calls
// hours apart, and a frozen Lambda thaws with dead connections.
func confined(c *http.Client, proxy func(*http.Request) (*url.URL, error)) *http.Client {
	var own http.Client
	if c != nil {
		own = *c
	}
	own.Jar = nil
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if own.Transport == nil {
		own.Transport = &http.Transport{
			Proxy:               proxy,
			DialContext:         (&net.Dialer{Timeout: answerTimeout}).DialContext,
			TLSHandshakeTimeout: answerTimeout,
			DisableKeepAlives:   true,
		}
	}
	own.Transport = &wary.Transport{Base: own.Transport}
	return &own
}
