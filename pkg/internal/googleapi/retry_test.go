package googleapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestOnlyPassingStatusesAreRetried(t *testing.T) {
	t.Parallel()
	retried := map[int]bool{408: true, 429: true, 500: true, 502: true, 503: true, 504: true}
	for status := 300; status < 600; status++ {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int32
			c := Caller{HTTPClient: client(inTurn(&calls, always(status, "")))}
			_, err := c.Call(t.Context(), get)
			e := asError(t, err)
			want := 1
			if retried[status] {
				want = 4
			}
			if int(calls.Load()) != want || e.Attempts != want || e.Retryable != retried[status] || e.HTTPStatus != status {
				t.Errorf("status %d: %d calls, %+v", status, calls.Load(), e)
			}
		})
	}
}

func TestConnectionErrorsAreRetriedAndDistrustIsNot(t *testing.T) {
	t.Parallel()
	reset := &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	for name, tc := range map[string]struct {
		err  error
		want Error
	}{
		"reset":                {reset, Error{Code: CodeUnreachable, Retryable: true}},
		"refused":              {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, Error{Code: CodeUnreachable, Retryable: true}},
		"closed while idle":    {io.EOF, Error{Code: CodeUnreachable, Retryable: true}},
		"no such host":         {&net.DNSError{Err: "no such host", IsNotFound: true}, Error{Code: CodeUnreachable, Retryable: true}},
		"slow to dial":         {&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, Error{Code: CodeTimeout, Retryable: true}},
		"unknown authority":    {x509.UnknownAuthorityError{}, Error{Code: CodeUnreachable}},
		"another host's":       {x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}, Error{Code: CodeUnreachable}},
		"expired":              {x509.CertificateInvalidError{Reason: x509.Expired}, Error{Code: CodeUnreachable}},
		"unverified":           {&tls.CertificateVerificationError{Err: errors.New("x")}, Error{Code: CodeUnreachable}},
		"no TLS at all":        {tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, Error{Code: CodeUnreachable}},
		"alert from the peer":  {&net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}, Error{Code: CodeUnreachable}},
		"wrapped in something": {errors.Join(errors.New("proxy"), &tls.CertificateVerificationError{Err: errors.New("x")}), Error{Code: CodeUnreachable}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				fail := func(*http.Request) (*http.Response, error) { return nil, tc.err }
				c := Caller{HTTPClient: client(inTurn(&calls, fail))}
				_, err := c.Call(t.Context(), get)
				e := asError(t, err)
				if e.Code != tc.want.Code || e.Retryable != tc.want.Retryable || e.HTTPStatus != 0 || e.Message == "" {
					t.Errorf("got %+v", e)
				}
				if retried := calls.Load() == 4; retried != tc.want.Retryable {
					t.Errorf("%d calls", calls.Load())
				}
				if e.Err != tc.err {
					t.Errorf("the cause got lost: %v", e.Err)
				}
			})
		})
	}
}

func TestRealTLSServerOfUnknownAuthorityIsTriedOnce(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	defer server.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for name, url := range map[string]string{
		"unknown authority": server.URL,
		"no TLS":            strings.Replace(plain.URL, "http:", "https:", 1),
	} {
		c := Caller{}
		_, err := c.Call(t.Context(), func(ctx context.Context) (Request, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			return Request{Request: req}, err
		})
		if e := asError(t, err); e.Attempts != 1 || e.Retryable || e.Code != CodeUnreachable {
			t.Errorf("%s: got %+v", name, e)
		}
	}
}

func TestCallSucceedsWhenTheTroublePasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		reset := func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }
		truncated := func(*http.Request) (*http.Response, error) { return brokenBody("unexpected EOF"), nil }
		c := Caller{HTTPClient: client(inTurn(&calls, always(503, "<html>"), reset, truncated, always(200, "ok")))}
		builds := 0
		got, err := c.Call(t.Context(), func(ctx context.Context) (Request, error) {
			builds++
			return get(ctx)
		})
		if err != nil || string(got.Body) != "ok" || builds != 4 {
			t.Errorf("got %v, %v after %d builds", got, err, builds)
		}
	})
}

func TestWaitsGrowWithJitterInTheirBounds(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			var at []time.Time
			c := Caller{MaxAttempts: 7, HTTPClient: client(func(*http.Request) (*http.Response, error) {
				at = append(at, time.Now())
				return answer(503, ""), nil
			})}
			_, err := c.Call(t.Context(), get)
			asError(t, err)
			nominal := []time.Duration{250, 500, 1000, 2000, 4000, 4000} // ms
			for i, ms := range nominal {
				wait, want := at[i+1].Sub(at[i]), ms*time.Millisecond
				if wait < want/2 || wait > want*3/2+1 {
					t.Errorf("wait %d is %v, want %v ± 50 %%", i+1, wait, want)
				}
				seen[wait] = true
			}
		})
	}
	if len(seen) < 1000 {
		t.Errorf("only %d different waits of 1200: that is no jitter", len(seen))
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for name, tc := range map[string]struct {
			headers []string
			want    time.Duration
		}{
			"seconds": {[]string{"Retry-After", "7"}, 7 * time.Second},
			"a date":  {[]string{"Retry-After", httpDate(now.Add(9 * time.Second))}, 9 * time.Second},
			"a date by a server whose clock is a day behind": {[]string{
				"Date", httpDate(now.Add(-24 * time.Hour)), "Retry-After", httpDate(now.Add(-24*time.Hour + 9*time.Second))}, 9 * time.Second},
			"more seconds than there are": {[]string{"Retry-After", "99999999999999999999"}, (1<<31 - 1) * time.Second},
			"a date that is over":         {[]string{"Retry-After", httpDate(now.Add(-time.Hour))}, 0},
			"a negative number":           {[]string{"Retry-After", "-5"}, 0},
			"a fraction":                  {[]string{"Retry-After", "1.5"}, 0},
			"no sense":                    {[]string{"Retry-After", "soon"}, 0},
			"nothing":                     {nil, 0},
		} {
			if got := retryAfter(answer(503, "", tc.headers...).Header); got != tc.want {
				t.Errorf("%s: %v, want %v", name, got, tc.want)
			}
		}

		for _, status := range []int{429, 503} {
			var calls atomic.Int32
			c := Caller{HTTPClient: client(inTurn(&calls, always(status, "", "Retry-After", "7"), always(200, "")))}
			start := time.Now()
			if _, err := c.Call(t.Context(), get); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took != 7*time.Second {
				t.Errorf("after status %d: waited %v, want 7s", status, took)
			}
		}
	})
}

func httpDate(t time.Time) string { return t.UTC().Format(http.TimeFormat) }

func TestFailureComesBackAtOnceWhenThereIsNoTimeForAnotherAttempt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		deadline   time.Duration // 0: none
		retryAfter string
		calls      int
		took       time.Duration
	}{
		"Retry-After beyond the deadline":              {5 * time.Second, "6", 1, 0},
		"Retry-After that leaves no time for the call": {5 * time.Second, "5", 1, 0},
		"Retry-After just inside the deadline":         {5 * time.Second, "4", 2, 4 * time.Second},
		"backoff beyond the deadline":                  {300 * time.Millisecond, "", 1, 0},
		"an hour without any deadline":                 {0, "3600", 1, 0},
		"a minute without any deadline":                {0, "60", 4, 3 * time.Minute},
		"an hour within the deadline":                  {2 * time.Hour, "3600", 2, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tc.deadline != 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.deadline)
					defer cancel()
				}
				var calls atomic.Int32
				body := `{"error":{"status":"UNAVAILABLE","message":"come back later"}}`
				c := Caller{HTTPClient: client(inTurn(&calls, always(503, body, "Retry-After", tc.retryAfter)))}
				start := time.Now()
				_, err := c.Call(ctx, get)
				e := asError(t, err)
				if e.Code != "UNAVAILABLE" || !e.Retryable || e.HTTPStatus != 503 {
					t.Errorf("the real failure got lost: %v", e)
				}
				if took := time.Since(start); took != tc.took || int(calls.Load()) != tc.calls {
					t.Errorf("took %v and %d calls, want %v and %d", took, calls.Load(), tc.took, tc.calls)
				}
			})
		})
	}
}

func TestHangIsCutOffByTheAttemptsTimeout(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		caller Caller
		want   time.Duration
	}{
		"10 s if nothing is said":   {Caller{}, 10 * time.Second},
		"as long as is said":        {Caller{AttemptTimeout: 3 * time.Second}, 3 * time.Second},
		"no longer than the client": {Caller{AttemptTimeout: 3 * time.Second, HTTPClient: &http.Client{Timeout: time.Second}}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := Caller{AttemptTimeout: tc.caller.AttemptTimeout, MaxAttempts: 1, HTTPClient: client(hang)}
				if tc.caller.HTTPClient != nil {
					c.HTTPClient.Timeout = tc.caller.HTTPClient.Timeout
				}
				start := time.Now()
				_, err := c.Call(t.Context(), get)
				e := asError(t, err)
				if e.Code != CodeTimeout || !e.Retryable || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if time.Since(start) != tc.want || !strings.Contains(e.Message, tc.want.String()) {
					t.Errorf("took %v: %v", time.Since(start), err)
				}
			})
		})
	}
}

func TestHangThenAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		c := Caller{AttemptTimeout: time.Second, HTTPClient: client(inTurn(&calls, hang, always(200, "ok")))}
		if _, err := c.Call(t.Context(), get); err != nil {
			t.Error(err)
		}
	})
}

func TestCallerWhoGivesUpIsObeyedAtOnce(t *testing.T) {
	t.Parallel()
	deadline := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Second)
	}
	cancelled := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(time.Second, func() { cancel(errors.New("no longer wanted")) })
		return ctx, func() { cancel(nil) }
	}
	down := always(503, "", "Retry-After", "30")
	for name, tc := range map[string]struct {
		end   func(context.Context) (context.Context, context.CancelFunc)
		reply roundTripper
		code  string
		is    error
		text  string
	}{
		"deadline during an attempt": {deadline, hang, CodeTimeout, context.DeadlineExceeded, "the caller's deadline"},
		"cancel during an attempt":   {cancelled, hang, CodeCanceled, context.Canceled, "gave up"},
		"cancel during a wait":       {cancelled, down, CodeCanceled, context.Canceled, "HTTP 503"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := tc.end(t.Context())
				defer cancel()
				c := Caller{HTTPClient: client(tc.reply)}
				start := time.Now()
				_, err := c.Call(ctx, get)
				e := asError(t, err)
				if e.Code != tc.code || !errors.Is(err, tc.is) || e.Attempts != 1 || !strings.Contains(err.Error(), tc.text) {
					t.Errorf("got %+v: %v", e, err)
				}
				if time.Since(start) != time.Second {
					t.Errorf("took %v", time.Since(start))
				}
			})
		})
	}
}

func TestCallerWhoHasGivenUpAlreadyMakesNoRequest(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := (&Caller{}).Call(ctx, func(context.Context) (Request, error) {
		t.Error("a request was built")
		return Request{}, io.EOF
	})
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeCanceled || e.Attempts != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
