package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// reportTimeout bounds the report of an error, after which the process ends.
	// The other calls have no limit but Lambda's: an initialisation has ten
	// seconds, and the next event may take hours.
	reportTimeout = 2 * time.Second
	// maxAnswer is in bytes. An event has some 400.
	maxAnswer = 64 << 10
)

// When an extension reports an error.
const (
	initError = "init/error" // before it has asked for an event
	exitError = "exit/error"
)

// extension is one that Lambda has registered. The protocol is that of "Using
// the Lambda Extensions API to create extensions", version 2020-01-01:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
//
// It makes one call at a time, over a connection of its own: the first call of
// an http.Client takes 0.3 ms longer, a tenth of the extension's start.
type extension struct {
	url     string // of the API, with a slash at its end
	id      string
	conn    net.Conn      // nil before the first call, and after one that broke
	answers *bufio.Reader // what comes from conn
}

// register tells Lambda that the extension is there, for whose sake it has not
// started the function so far.
func register(ctx context.Context, runtimeAPI, name string) (*extension, error) {
	x := &extension{url: "http://" + runtimeAPI + "/2020-01-01/extension/"}
	header, _, err := x.call(ctx, http.MethodPost, "register", `{"events":["INVOKE","SHUTDOWN"]}`, "Lambda-Extension-Name", name)
	if err != nil {
		return nil, fmt.Errorf("registering the extension: %w", err)
	}
	x.id = header.Get("Lambda-Extension-Identifier")
	return x, nil
}

// awaitShutdown asks for one event after the other until Lambda sends SHUTDOWN.
// To ask for the next event is to be done with the last one.
func (x *extension) awaitShutdown(ctx context.Context) error {
	for {
		_, body, err := x.call(ctx, http.MethodGet, "event/next", "", "", "")
		if err != nil {
			return fmt.Errorf("waiting for an event: %w", err)
		}
		var event struct {
			Type string `json:"eventType"`
		}
		if err := json.Unmarshal(body, &event); err != nil {
			return fmt.Errorf("reading an event: %w", err)
		}
		if event.Type == "SHUTDOWN" {
			return nil
		}
	}
}

// report tells Lambda why the extension is about to exit.
func (x *extension) report(ctx context.Context, when, typ string, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	body, err := json.Marshal(map[string]string{"errorType": typ, "errorMessage": cause.Error()})
	if err == nil {
		_, _, err = x.call(ctx, http.MethodPost, when, string(body), "Lambda-Extension-Function-Error-Type", typ)
	}
	if err != nil {
		return fmt.Errorf("reporting the error: %w", err)
	}
	return nil
}

// call makes a call of the API. One that does not succeed is an error.
func (x *extension) call(ctx context.Context, method, path, body, header, value string) (http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, x.url+path, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if header != "" {
		req.Header.Set(header, value)
	}
	if x.id != "" {
		req.Header.Set("Lambda-Extension-Identifier", x.id)
	}
	resp, answer, err := x.exchange(req)
	if x.conn != nil && (err != nil || resp.Close) {
		_ = x.conn.Close()
		x.conn = nil
	}
	if err != nil {
		return nil, nil, cmp.Or(ctx.Err(), err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, nil, fmt.Errorf("the answer was %s: %s", resp.Status, answer)
	}
	return resp.Header, answer, nil
}

// exchange sends the request and reads the answer to its end. The end of the
// request's context closes the connection.
func (x *extension) exchange(req *http.Request) (*http.Response, []byte, error) {
	if x.conn == nil {
		var dialer net.Dialer
		conn, err := dialer.DialContext(req.Context(), "tcp", req.URL.Host)
		if err != nil {
			return nil, nil, err
		}
		x.conn, x.answers = conn, bufio.NewReader(conn)
	}
	conn := x.conn
	defer context.AfterFunc(req.Context(), func() { _ = conn.Close() })()
	if err := req.Write(conn); err != nil {
		return nil, nil, err
	}
	resp, err := http.ReadResponse(x.answers, req)
	if err != nil {
		return nil, nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(answer) > maxAnswer {
		err = fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	return resp, answer, err
}
