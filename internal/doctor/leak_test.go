package doctor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/supplier"
)

// Who answers with no HTTP, or with an escaped copy, would have it told.
func TestWhoeverAnswersTheSessionTokenIsNotTold(t *testing.T) {
	t.Parallel()
	const session = "planted/session+token=="
	env := map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIAPERSON", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": session}
	body := func(b string) string {
		return fmt.Sprintf("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
	}
	for name, reply := range map[string]string{
		"no HTTP":        session + "\r\n\r\n",
		"header":         "HTTP/1.1 200 OK\r\n" + session + "\r\n\r\n",
		"JSON's escapes": body(`{"__type":"X","message":"got ` + strings.ReplaceAll(session, "/", `\/`) + `"}`),
		"\\u escapes":    body(`{"__type":"X","message":"got ` + strings.ReplaceAll(session, "=", `\u003d`) + `"}`),
		"as it is":       body(`{"__type":"X","message":"got ` + session + `"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := &http.Transport{DisableKeepAlives: true, DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
				c, s := net.Pipe()
				go func() {
					defer s.Close()
					r, err := http.ReadRequest(bufio.NewReader(s))
					if err == nil {
						_, _ = io.Copy(io.Discard, r.Body)
						_, _ = io.WriteString(s, reply)
					}
				}()
				return c, nil
			}}
			getenv := func(n string) string { return env[n] }
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			Deployed{Function: "f", AWS: supplier.Environment{Getenv: getenv}, Getenv: getenv, HTTPClient: &http.Client{Transport: base}}.
				Run(ctx, func(c Check) {
					if strings.Contains(fmt.Sprintf("%+v", c), session) {
						t.Errorf("%+v", c)
					}
				})
		})
	}
}
