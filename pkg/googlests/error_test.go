package googlests_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/internal/hostilejson"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/secret"
)

func TestErrorsReadWell(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		server server
		want   string
	}{
		"OAuth's shape": {
			answering(400, `{"error":"invalid_grant","error_description":"The audience `+audience+` does not match.","error_uri":"https://g.co/x"}`),
			"exchanging token at sts.googleapis.com: invalid_grant: The audience " + audience + " does not match. (HTTP 400, see https://g.co/x)" +
				"; Google does not accept the subject token: check that the provider trusts this AWS account, or this issuer, and that this machine's clock is right",
		},
		"Google's shape": {
			answering(400, `{"error":{"code":400,"message":"No.","status":"FAILED_PRECONDITION"}}`),
			"exchanging token at sts.googleapis.com: FAILED_PRECONDITION: No. (HTTP 400)",
		},
		"a proxy's page, again and again": {
			answering(502, "<html>Bad Gateway</html>"),
			"exchanging token at sts.googleapis.com: http_error: a page of HTML or XML instead of JSON (HTTP 502, 4 attempts)",
		},
		"nobody there": {
			func(*http.Request) (*http.Response, error) {
				return nil, errors.New("dial tcp: lookup sts.googleapis.com: no such host")
			},
			"exchanging token at sts.googleapis.com: unreachable: dial tcp: lookup sts.googleapis.com: no such host (4 attempts)",
		},
		"an answer of no use": {
			answering(200, "{}"),
			"exchanging token at sts.googleapis.com: invalid_response: the answer has no access_token (HTTP 200)",
		},
		"a redirect": {
			func(*http.Request) (*http.Response, error) {
				r := response(307, "")
				r.Header.Set("Location", "https://evil.example/?x")
				return r, nil
			},
			"exchanging token at sts.googleapis.com: redirected: to evil.example; redirects are never followed (HTTP 307)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, err := client(tc.server).Exchange(t.Context(), request())
				if got := asError(t, err).Error(); got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
			})
		})
	}
}

// Google answers with each secret of the request in turn, as it is and as a
// signature's or a session token's part.
func TestNoSecretOfTheRequestIsInAnyError(t *testing.T) {
	t.Parallel()
	const subject, actor, password = "PLANTED-subject-0123456789", "PLANTED-actor-0123456789", "PLANTED-pw"
	const basic = "Y2xpZW50OlBMQU5URUQtcHc=" // client:PLANTED-pw
	bodies := []string{
		`{"error":"invalid_grant","error_description":"%s"}`, `{"error":"%s"}`, `{"error":"x","error_uri":"%s"}`,
		`{"error":{"status":"%s","message":"%[1]s"}}`, `%s`, `<html>%s`, `{"access_token":"%s"}`, `{"access_token":"a","token_type":"%s"}`,
		`{"access_token":"a","token_type":"Bearer","issued_token_type":"%s"}`, `{"access_token":"a","token_type":"Bearer","expires_in":"%s"}`,
		`{"access_token":["%s"]}`,
	}
	for _, style := range []googlests.ClientAuthStyle{googlests.Basic, googlests.Body} {
		for _, body := range bodies {
			for _, status := range []int{200, 302, 400, 500} {
				for _, planted := range []string{subject, actor, password, "Basic " + basic} {
					c := client(answering(status, fmt.Sprintf(body, planted)))
					c.MaxAttempts = 1
					c.ClientAuth = googlests.ClientAuth{Style: style, ID: "client", Secret: secret.New(password)}
					req := request()
					req.SubjectToken = subjectToken(subject)
					req.ActorToken, req.ActorTokenType = secret.New(actor), "urn:a"
					_, err := c.Exchange(t.Context(), req)
					asError(t, err)
					for ; err != nil; err = errors.Unwrap(err) {
						if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, "PLANTED") || style == googlests.Basic && strings.Contains(text, basic) {
							t.Fatalf("status %d, %s: %s", status, body, text)
						}
					}
				}
			}
		}
	}
}

func FuzzExchangeAnswer(f *testing.F) {
	for _, body := range []string{
		goodAnswer, with("expires_in", `"3599"`), with("expires_in", "1e999"), with("token_type", `"bearer"`), `{"access_token":`, "null", "<html>",
	} {
		f.Add(body)
	}
	for _, seed := range hostilejson.Seeds(goodAnswer) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		before := time.Now()
		token, err := client(answering(200, body)).Exchange(t.Context(), request())
		if err != nil {
			if e := asError(t, err); e.Code != "invalid_response" || e.Retryable || !token.AccessToken.IsZero() {
				t.Errorf("got %v", err)
			}
			if len(err.Error()) > 400 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		access := token.AccessToken.Reveal()
		if access == "" || strings.ContainsAny(access, " \r\n\x00") || token.TokenType != "Bearer" {
			t.Errorf("believed %q of type %q", access, token.TokenType)
		}
		if !token.Expiry.After(before) || token.Expiry.After(before.AddDate(11, 0, 0)) || token.Expiry.Location() != time.UTC {
			t.Errorf("believed expiry %v", token.Expiry)
		}
	})
}
