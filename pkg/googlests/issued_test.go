package googlests_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/secret"
)

const (
	userRefreshToken = "1//refresh-token-of-ada"
	goodRefresh      = `{"access_token":"ya29.w.token","token_type":"Bearer","expires_in":3599,"scope":"a b"}`
	goodActive       = `{"active":true,"username":"principal://u","exp":"1704200400","iat":"1704196800"}`
)

var userClient = googlests.ClientAuth{ID: "client.apps", Secret: secret.New("client-secret")}

// userSTS is a client of a server as gcloud's files have it.
func userSTS(s http.RoundTripper) *googlests.Client {
	return &googlests.Client{HTTPClient: &http.Client{Transport: s}, ClientAuth: userClient}
}

// loggedIn is a cloud where ada has logged in.
func loggedIn(u fakecloud.WorkforceUser) *fakecloud.Cloud {
	cloud := fakecloud.New(fakecloud.Options{})
	u.Pool, u.Subject, u.RefreshToken = "staff", "ada", userRefreshToken
	u.ClientID, u.ClientSecret = userClient.ID, userClient.Secret.Reveal()
	cloud.AddWorkforceUser(u)
	return cloud
}

// issuedCalls are the calls about a token that STS has issued, each with a URL
// of one's own, empty for the default.
var issuedCalls = map[string]struct {
	path, good string
	call       func(ctx context.Context, c *googlests.Client, url string, token secret.Text) error
}{
	"refreshing": {"/v1/oauthtoken", goodRefresh, func(ctx context.Context, c *googlests.Client, url string, token secret.Text) error {
		c.TokenURL = url
		_, err := c.Refresh(ctx, googlests.RefreshRequest{RefreshToken: token})
		return err
	}},
	"revoking": {"/v1/revoke", "", func(ctx context.Context, c *googlests.Client, url string, token secret.Text) error {
		return c.Revoke(ctx, googlests.RevokeRequest{URL: url, Token: token})
	}},
	"introspecting": {"/v1/introspect", goodActive, func(ctx context.Context, c *googlests.Client, url string, token secret.Text) error {
		_, err := c.Introspect(ctx, googlests.IntrospectRequest{URL: url, Token: token})
		return err
	}},
}

func TestEveryFieldOfTheOtherCallsIsSent(t *testing.T) {
	t.Parallel()
	const token = "1//t+&="
	for name, tc := range map[string]struct {
		style googlests.ClientAuthStyle
		call  func(c *googlests.Client) error
		want  url.Values
	}{
		"refresh": {
			call: func(c *googlests.Client) error {
				_, err := c.Refresh(t.Context(), googlests.RefreshRequest{RefreshToken: secret.New(token)})
				return err
			},
			want: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}},
		},
		"refresh with scopes and the client in the body": {
			style: googlests.Body,
			call: func(c *googlests.Client) error {
				_, err := c.Refresh(t.Context(), googlests.RefreshRequest{RefreshToken: secret.New(token), Scopes: []string{"a", "b&c"}})
				return err
			},
			want: url.Values{
				"grant_type": {"refresh_token"}, "refresh_token": {token}, "scope": {"a b&c"},
				"client_id": {"client.apps"}, "client_secret": {"client-secret"},
			},
		},
		"revoke": {
			call: func(c *googlests.Client) error {
				return c.Revoke(t.Context(), googlests.RevokeRequest{Token: secret.New(token)})
			},
			want: url.Values{"token": {token}},
		},
		"revoke with a hint": {
			call: func(c *googlests.Client) error {
				return c.Revoke(t.Context(), googlests.RevokeRequest{Token: secret.New(token), TypeHint: "refresh_token"})
			},
			want: url.Values{"token": {token}, "token_type_hint": {"refresh_token"}},
		},
		"introspect": {
			call: func(c *googlests.Client) error {
				_, err := c.Introspect(t.Context(), googlests.IntrospectRequest{Token: secret.New(token), TypeHint: accessType})
				return err
			},
			want: url.Values{"token": {token}, "token_type_hint": {accessType}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := userSTS(server(func(r *http.Request) (*http.Response, error) {
				body, _ := io.ReadAll(r.Body)
				form, err := url.ParseQuery(string(body))
				if diff := cmp.Diff(tc.want, form); diff != "" || err != nil {
					t.Errorf("%v, form (-want +got):\n%s", err, diff)
				}
				want := http.Header{
					"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}, "X-Goog-Api-Client": {"gl-go/1"},
				}
				if tc.style == googlests.Basic {
					want.Set("Authorization", "Basic Y2xpZW50LmFwcHM6Y2xpZW50LXNlY3JldA==")
				}
				if diff := cmp.Diff(want, r.Header); diff != "" || r.Method != "POST" {
					t.Errorf("%s, header (-want +got):\n%s", r.Method, diff)
				}
				if r.URL.Path == "/v1/oauthtoken" {
					return response(200, goodRefresh), nil
				}
				return response(200, goodActive), nil
			}))
			c.ClientAuth.Style, c.APIClient = tc.style, "gl-go/1"
			if err := tc.call(c); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOtherEndpointsFollowUniverseAndTheirURL(t *testing.T) {
	t.Parallel()
	for name, issued := range issuedCalls {
		for _, tc := range []struct {
			universe, url, want string
			any                 bool
		}{
			{want: "https://sts.googleapis.com" + issued.path},
			{universe: "example.goog", want: "https://sts.example.goog" + issued.path},
			{url: "https://sts.us-east4.rep.googleapis.com/v1/own", want: "https://sts.us-east4.rep.googleapis.com/v1/own"},
			{url: "http://127.0.0.1:9/own", any: true, want: "http://127.0.0.1:9/own"},
		} {
			called := ""
			c := userSTS(server(func(r *http.Request) (*http.Response, error) {
				called = r.URL.String()
				return response(200, issued.good), nil
			}))
			c.UniverseDomain, c.AllowAnyEndpoint = tc.universe, tc.any
			if err := issued.call(t.Context(), c, tc.url, secret.New("ya29.x")); err != nil || called != tc.want {
				t.Errorf("%s: called %q, want %q: %v", name, called, tc.want, err)
			}
		}
	}
}

func TestATokenIsNotSentWhereOrAsItShouldNotBe(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		url, token string
		auth       googlests.ClientAuth
		code, text string
	}{
		"another host":            {url: "https://sts.evil.com/v1/token", token: "t", auth: userClient, code: "invalid_endpoint", text: `"sts.evil.com"`},
		"http":                    {url: "http://sts.googleapis.com/v1/token", token: "t", auth: userClient, code: "invalid_endpoint", text: `"http"`},
		"another service":         {url: "https://iamcredentials.googleapis.com/v1", token: "t", auth: userClient, code: "invalid_endpoint", text: `"iamcredentials.googleapis.com"`},
		"no token":                {auth: userClient, code: "invalid_request", text: "Token is empty"},
		"a token with a line end": {token: "1//PLANTED\n", auth: userClient, code: "invalid_request", text: "send the token alone"},
		"no client":               {token: "t", code: "invalid_request", text: "ClientAuth is not set"},
		"a client with no secret": {token: "t", auth: googlests.ClientAuth{ID: "id"}, code: "invalid_request", text: "ClientAuth is not set"},
		"a secret with no client": {token: "t", auth: googlests.ClientAuth{Secret: secret.New("s")}, code: "invalid_request", text: "no ID"},
	} {
		for call, issued := range issuedCalls {
			t.Run(call+" "+name, func(t *testing.T) {
				t.Parallel()
				c := userSTS(server(func(*http.Request) (*http.Response, error) {
					t.Error("something was sent")
					return response(200, issued.good), nil
				}))
				c.ClientAuth = tc.auth
				err := issued.call(t.Context(), c, tc.url, secret.New(tc.token))
				e := asError(t, err)
				if e.Code != tc.code || e.Retryable || e.HTTPStatus != 0 || e.Op != call+" token" ||
					!strings.Contains(err.Error(), tc.text) || strings.Contains(err.Error(), "PLANTED") {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// What may pass is tried again and what may not is not, within the bounds of an
// exchange; nothing sleeps outside of the bubble.
func TestOtherCallsAreRepeatedAsExchangesAre(t *testing.T) {
	t.Parallel()
	for name, issued := range issuedCalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				c := userSTS(server(func(r *http.Request) (*http.Response, error) {
					form, _ := io.ReadAll(r.Body)
					if !strings.Contains(string(form), "the-token") {
						t.Errorf("attempt %d sent %s", calls+1, form)
					}
					switch calls++; calls {
					case 1:
						return response(503, ""), nil
					case 2:
						return nil, io.ErrUnexpectedEOF
					case 3:
						<-r.Context().Done()
						return nil, r.Context().Err()
					}
					return response(200, issued.good), nil
				}))
				if err := issued.call(t.Context(), c, "", secret.New("the-token")); err != nil || calls != 4 {
					t.Errorf("%d calls: %v", calls, err)
				}
				calls = 0
				c.HTTPClient.Transport = server(func(*http.Request) (*http.Response, error) {
					calls++
					return response(400, `{"error":"invalid_client"}`), nil
				})
				if err := issued.call(t.Context(), c, "", secret.New("the-token")); err == nil || calls != 1 {
					t.Errorf("a refusal: %d calls, %v", calls, err)
				}
				hang := userSTS(server(func(r *http.Request) (*http.Response, error) {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				err := issued.call(ctx, hang, "", secret.New("the-token"))
				if e := asError(t, err); e.Code != "timeout" || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
					t.Errorf("a hang: %v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// Google answers with each secret of the request in turn.
func TestNoSecretOfTheOtherCallsIsInAnyError(t *testing.T) {
	t.Parallel()
	const token, password = "PLANTED-token-0123456789", "PLANTED-pw"
	const basic = "Y2xpZW50OlBMQU5URUQtcHc=" // client:PLANTED-pw
	bodies := []string{
		`{"error":"invalid_grant","error_description":"%s"}`, `{"error":"%s"}`, `{"error":"x","error_uri":"%s"}`,
		`{"error":{"status":"%s","message":"%[1]s"}}`, `%s`, `<html>%s`, `{"access_token":"%s"}`, `{"access_token":"a","token_type":"%s"}`,
		`{"access_token":"a","expires_in":"%s"}`, `{"access_token":["%s"]}`, `{"active":"%s"}`, `{"active":true,"exp":"%s"}`, `{"active":true,"aud":{"a":"%s"}}`,
	}
	for name, issued := range issuedCalls {
		for _, style := range []googlests.ClientAuthStyle{googlests.Basic, googlests.Body} {
			for _, body := range bodies {
				for _, status := range []int{200, 202, 302, 400, 500} {
					for _, planted := range []string{token, password, "Basic " + basic} {
						c := userSTS(answering(status, fmt.Sprintf(body, planted)))
						c.MaxAttempts = 1
						c.ClientAuth = googlests.ClientAuth{Style: style, ID: "client", Secret: secret.New(password)}
						err := issued.call(t.Context(), c, "", secret.New(token))
						if err == nil && name != "revoking" {
							t.Fatalf("%s: status %d, %s is believed", name, status, body)
						}
						for ; err != nil; err = errors.Unwrap(err) {
							if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, "PLANTED") || style == googlests.Basic && strings.Contains(text, basic) {
								t.Fatalf("%s: status %d, %s: %s", name, status, body, text)
							}
						}
					}
				}
			}
		}
	}
}
