package fakecloud

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// maxRequest bounds what is read of a request: more than the longest secret in
// its worst JSON escaping.
const maxRequest = 1 << 20

// exchange is one call under way.
type exchange struct {
	cloud    *Cloud
	endpoint endpoint
	request  *http.Request
	body     []byte
	start    time.Time
	fault    Fault
	call     Call
	answer   *answer
}

// exchange takes a call from its first byte to its answer: find out what is
// asked, let a fault strike, serve, put it on record. The error is what the
// client is to see instead of an answer: its own context's, or errReset.
func (c *Cloud) exchange(s service, r *http.Request, from io.Reader) (*answer, error) {
	start := c.now()
	body, err := io.ReadAll(io.LimitReader(from, maxRequest+1))
	if err != nil {
		return nil, fmt.Errorf("reading the request's body: %w", err)
	}
	e, _ := s.endpoint()
	x := &exchange{
		cloud: c, endpoint: e, request: r, body: body, start: start,
		call:   Call{Service: string(s), Attempt: attemptOf(r)},
		answer: newAnswer(),
	}
	x.call.Operation, x.call.Resource = e.identify(r, body)
	x.fault = c.faults.strike(x.call)
	if err := x.run(r.Context()); err != nil {
		return nil, err
	}
	return x.answer, nil
}

// errReset is what a client sees of a connection that was reset.
var errReset error = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

func (x *exchange) run(ctx context.Context) error {
	f := x.fault
	ownAnswer := f.Status == 0 && !f.Hang && !f.Reset
	if f.AfterEffect {
		x.serve()
	}
	if err := sleep(ctx, f.Latency); err != nil {
		x.record(0, "fault: client gave up during the latency")
		return err
	}
	if ownAnswer && !f.AfterEffect {
		x.serve()
	}
	switch {
	case f.Hang:
		x.record(0, "fault: hang")
		<-ctx.Done()
		return context.Cause(ctx)
	case f.Reset:
		x.record(0, "fault: reset")
		return errReset
	case f.Status != 0:
		x.answer = cannedAnswer(f)
		x.call.Err = "fault: status " + strconv.Itoa(f.Status)
	}
	x.answer.cut(f.TruncateBody)
	if x.answer.header.Get("Date") == "" {
		x.answer.header.Set("Date", x.now().UTC().Format(http.TimeFormat))
	}
	x.record(x.answer.status(), x.call.Err)
	return nil
}

// now is the service's clock.
func (x *exchange) now() time.Time { return x.cloud.now().Add(x.fault.ClockSkew) }

func (x *exchange) serve() {
	x.call.Time = x.now()
	if len(x.body) > maxRequest {
		x.call.Err = "RequestEntityTooLarge"
		x.answer.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	x.request.Body = io.NopCloser(bytes.NewReader(x.body))
	x.endpoint.serve(x.cloud, x.answer, x.request, &x.call)
}

func (x *exchange) record(status int, err string) {
	x.call.Status, x.call.Err = status, err
	if x.call.Time.IsZero() {
		x.call.Time = x.now()
	}
	x.call.Duration = x.cloud.now().Sub(x.start)
	x.cloud.calls.add(x.call)
}

// sleep waits d, or until ctx ends, whose cause it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// answer is a service's answer before it is on its way.
type answer struct {
	header http.Header
	code   int // 0 until written; means 200
	body   bytes.Buffer
	// arrives is how much of the body reaches the client before the connection
	// breaks; negative for all of it.
	arrives int
}

var _ http.ResponseWriter = (*answer)(nil)

func newAnswer() *answer { return &answer{header: http.Header{}, arrives: -1} }

// cannedAnswer is the answer that a fault with a status gives.
func cannedAnswer(f Fault) *answer {
	a := newAnswer()
	maps.Copy(a.header, f.Header.Clone())
	a.WriteHeader(f.Status)
	a.body.WriteString(f.Body)
	return a
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.code == 0 {
		a.code = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

func (a *answer) status() int {
	if a.code == 0 {
		return http.StatusOK
	}
	return a.code
}

// cut applies Fault.TruncateBody.
func (a *answer) cut(truncate int) {
	if truncate != 0 && truncate < a.body.Len() {
		a.arrives = max(truncate, 0)
	}
}

// arriving is the part of the body that reaches the client.
func (a *answer) arriving() []byte {
	if a.arrives < 0 {
		return a.body.Bytes()
	}
	return a.body.Bytes()[:a.arrives]
}

// response is the answer as an in-process client sees it.
func (a *answer) response(r *http.Request) *http.Response {
	var body io.Reader = bytes.NewReader(a.arriving())
	if a.arrives >= 0 {
		body = io.MultiReader(body, brokenOff{})
	}
	header := a.header.Clone()
	header.Set("Content-Length", strconv.Itoa(a.body.Len()))
	return &http.Response{
		Status:        strconv.Itoa(a.status()) + " " + http.StatusText(a.status()),
		StatusCode:    a.status(),
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		Body:          io.NopCloser(body),
		ContentLength: int64(a.body.Len()),
		Request:       r,
	}
}

// brokenOff is the end of a body whose connection broke.
type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
