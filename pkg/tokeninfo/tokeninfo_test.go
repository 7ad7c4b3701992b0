package tokeninfo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/internal/hostilejson"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokeninfo"
)

const planted = "ya29.planted-token-0123456789"

// google answers every request alike.
type google func(*http.Request) (int, string)

func (g google) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := g(r)
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

func answering(status int, body string) *http.Client {
	return &http.Client{Transport: google(func(*http.Request) (int, string) { return status, body })}
}

func TestWhatGoogleTellsOfAToken(t *testing.T) {
	t.Parallel()
	expiry := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		answer string
		want   tokeninfo.Info
	}{
		"an access token with an email scope": {
			`{"azp":"1001","aud":"1001","sub":"1001","scope":"https://www.googleapis.com/auth/bigquery https://www.googleapis.com/auth/userinfo.email",
			  "exp":"1767323045","expires_in":"3599","email":"a@p.iam.gserviceaccount.com","email_verified":"true","access_type":"online"}`,
			tokeninfo.Info{Expiry: expiry, Email: "a@p.iam.gserviceaccount.com", Subject: "1001", Audience: "1001",
				Scopes: []string{"https://www.googleapis.com/auth/bigquery", "https://www.googleapis.com/auth/userinfo.email"}},
		},
		"an access token without one": {`{"azp":"1001","aud":"1001","scope":"openid","exp":"1767323045","expires_in":"3599","access_type":"online"}`,
			tokeninfo.Info{Expiry: expiry, Audience: "1001", Scopes: []string{"openid"}}},
		"an ID token": {
			`{"iss":"https://accounts.google.com","azp":"1001","aud":"https://api.example.run.app","sub":"1001","email":"a@p.iam.gserviceaccount.com",
			  "email_verified":"true","iat":"1767319445","exp":"1767323045","alg":"RS256","kid":"k","typ":"JWT"}`,
			tokeninfo.Info{Expiry: expiry, Email: "a@p.iam.gserviceaccount.com", Subject: "1001", Audience: "https://api.example.run.app", Scopes: []string{}},
		},
		"numbers that are numbers": {`{"exp":1767323045}`, tokeninfo.Info{Expiry: expiry, Scopes: []string{}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := &tokeninfo.Client{HTTPClient: answering(200, tc.answer)}
			got, err := client.AccessToken(t.Context(), secret.New(planted))
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestTheTokenIsInTheBodyAndNowhereElse(t *testing.T) {
	t.Parallel()
	for field, ask := range map[string]func(*tokeninfo.Client) (tokeninfo.Info, error){
		"access_token": func(c *tokeninfo.Client) (tokeninfo.Info, error) {
			return c.AccessToken(t.Context(), secret.New(planted+"&+="))
		},
		"id_token": func(c *tokeninfo.Client) (tokeninfo.Info, error) {
			return c.IDToken(t.Context(), secret.New(planted+"&+="))
		},
	} {
		client := &tokeninfo.Client{HTTPClient: &http.Client{Transport: google(func(r *http.Request) (int, string) {
			body, _ := io.ReadAll(r.Body)
			form, err := url.ParseQuery(string(body))
			if r.Method != http.MethodPost || r.URL.String() != "https://oauth2.googleapis.com/tokeninfo" || err != nil ||
				len(form) != 1 || !slices.Equal(form[field], []string{planted + "&+="}) {
				t.Errorf("%s: %s %s with %q", field, r.Method, r.URL, body)
			}
			if headers := fmt.Sprint(r.Header); strings.Contains(headers, planted) {
				t.Errorf("%s: the headers show the token: %s", field, headers)
			}
			return 200, `{"exp":"1767323045"}`
		})}}
		if _, err := ask(client); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatFailsIsATypedErrorWithoutTheToken(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		client    tokeninfo.Client
		code      string
		status    int
		retryable bool
	}{
		"a token that Google does not accept": {
			tokeninfo.Client{HTTPClient: answering(400, `{"error":"invalid_token","error_description":"Invalid Value `+planted+`"}`)}, "invalid_token", 400, false},
		"a Google that is down":  {tokeninfo.Client{HTTPClient: answering(503, ""), MaxAttempts: 2}, "http_error", 503, true},
		"an answer without exp":  {tokeninfo.Client{HTTPClient: answering(200, `{"scope":"openid"}`)}, "invalid_response", 200, false},
		"an exp that is none":    {tokeninfo.Client{HTTPClient: answering(200, `{"exp":"`+planted+`"}`)}, "invalid_response", 200, false},
		"an exp beyond all time": {tokeninfo.Client{HTTPClient: answering(200, `{"exp":"999999999999999"}`)}, "invalid_response", 200, false},
		"a page for an answer":   {tokeninfo.Client{HTTPClient: answering(200, `<html>`+planted)}, "invalid_response", 200, false},
		"a wrong type":           {tokeninfo.Client{HTTPClient: answering(200, `{"exp":"1767323045","scope":["`+planted+`"]}`)}, "invalid_response", 200, false},
		"a foreign host":         {tokeninfo.Client{URL: "https://oauth2.example.com/tokeninfo"}, "invalid_endpoint", 0, false},
		"plain http":             {tokeninfo.Client{URL: "http://oauth2.googleapis.com/tokeninfo"}, "invalid_endpoint", 0, false},
		"another universe's host": {
			tokeninfo.Client{URL: "https://oauth2.googleapis.com/tokeninfo", UniverseDomain: "example-universe.com"}, "invalid_endpoint", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, err := tc.client.AccessToken(t.Context(), secret.New(planted))
				e, ok := errors.AsType[*tokeninfo.Error](err)
				if !ok || e.Code != tc.code || e.HTTPStatus != tc.status || e.Retryable != tc.retryable {
					t.Fatalf("got %#v, want code %s, status %d, retryable %v", err, tc.code, tc.status, tc.retryable)
				}
				for ; err != nil; err = errors.Unwrap(err) {
					if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, planted) {
						t.Errorf("the token is in %s", text)
					}
				}
			})
		})
	}
}

func TestAUniverseHasItsOwnEndpoint(t *testing.T) {
	t.Parallel()
	var asked string
	client := &tokeninfo.Client{UniverseDomain: "example-universe.com", HTTPClient: &http.Client{Transport: google(func(r *http.Request) (int, string) {
		asked = r.URL.String()
		return 200, `{"exp":"1767323045"}`
	})}}
	if _, err := client.IDToken(t.Context(), secret.New(planted)); err != nil || asked != "https://oauth2.example-universe.com/tokeninfo" {
		t.Errorf("asked %s, %v", asked, err)
	}
}

func TestAGoogleThatComesBackIsAskedAgainWithinTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		client := &tokeninfo.Client{HTTPClient: &http.Client{Transport: google(func(*http.Request) (int, string) {
			if calls++; calls < 3 {
				return 503, ""
			}
			return 200, `{"exp":"1767323045"}`
		})}}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, err := client.AccessToken(ctx, secret.New(planted)); err != nil || calls != 3 {
			t.Errorf("%d calls, %v", calls, err)
		}
	})
}

func FuzzAnAnswerIsReadOrRefused(f *testing.F) {
	for _, seed := range []string{
		`{"exp":"1767323045","scope":"openid","email":"a@b"}`, `{"exp":1767323045}`, `{"exp":"-1"}`, `{"exp":1e9}`, `null`, `[]`, `{"exp":`, ``,
	} {
		f.Add(seed)
	}
	for _, seed := range hostilejson.Seeds(`{"exp":"1767323045","scope":"openid","email":"a@b"}`) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		client := &tokeninfo.Client{HTTPClient: answering(200, answer), MaxAttempts: 1}
		info, err := client.AccessToken(t.Context(), secret.New(planted))
		if err == nil && (info.Expiry.Year() < 1970 || info.Expiry.Year() > 9999) {
			t.Errorf("%q is read as a token until %v", answer, info.Expiry)
		}
		if err != nil && !errors.As(err, new(*tokeninfo.Error)) {
			t.Errorf("%q: got %T", answer, err)
		}
	})
}
