package googlests_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/secret"
)

func TestEveryFieldIsSentAndEmptyOnesAreLeftOut(t *testing.T) {
	t.Parallel()
	usual := url.Values{
		"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"audience":             {audience},
		"scope":                {"https://www.googleapis.com/auth/cloud-platform"},
		"requested_token_type": {accessType},
		"subject_token":        {subjectText},
		"subject_token_type":   {awsType},
	}
	for name, tc := range map[string]struct {
		client  googlests.Client
		change  func(*googlests.ExchangeRequest)
		want    url.Values          // beside, or instead of, the usual ones
		headers map[string][]string // likewise
	}{
		"usual": {},
		"nothing but the subject token": {
			change: func(r *googlests.ExchangeRequest) { r.Audience, r.Scopes = "", nil },
			want:   url.Values{"audience": nil, "scope": nil},
		},
		"everything": {
			change: func(r *googlests.ExchangeRequest) {
				r.GrantType, r.RequestedTokenType = "urn:g", accessType
				r.Scopes = []string{"a", "b c&d"}
				r.Resource, r.ActorToken, r.ActorTokenType = "https://r/?x=y&z", secret.New("actor=&"), "urn:a"
				r.Options = map[string]any{"userProject": "123", "n": 1}
			},
			want: url.Values{
				"grant_type": {"urn:g"}, "scope": {"a b c&d"}, "resource": {"https://r/?x=y&z"},
				"actor_token": {"actor=&"}, "actor_token_type": {"urn:a"}, "options": {`{"n":1,"userProject":"123"}`},
			},
		},
		"client in the header": {
			client:  googlests.Client{ClientAuth: googlests.ClientAuth{ID: "client.id", Secret: secret.New("s+/=:%")}},
			headers: map[string][]string{"Authorization": {"Basic Y2xpZW50LmlkOnMrLz06JQ=="}},
		},
		"client in the body": {
			client: googlests.Client{ClientAuth: googlests.ClientAuth{Style: googlests.Body, ID: "client:id", Secret: secret.New("s+/=:%")}},
			want:   url.Values{"client_id": {"client:id"}, "client_secret": {"s+/=:%"}},
		},
		"client without a secret in the header": {
			client:  googlests.Client{ClientAuth: googlests.ClientAuth{ID: "id"}},
			headers: map[string][]string{"Authorization": {"Basic aWQ6"}},
		},
		"client without a secret in the body": {
			client: googlests.Client{ClientAuth: googlests.ClientAuth{Style: googlests.Body, ID: "id"}},
			want:   url.Values{"client_id": {"id"}},
		},
		"library header": {
			client:  googlests.Client{APIClient: "gl-go/1.26 auth/1"},
			headers: map[string][]string{"X-Goog-Api-Client": {"gl-go/1.26 auth/1"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantHeader := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
			for k, v := range tc.headers {
				wantHeader[k] = v
			}
			wantForm := url.Values{}
			for _, fields := range []url.Values{usual, tc.want} {
				for k, v := range fields {
					wantForm[k] = v
				}
			}
			for k, v := range wantForm {
				if v == nil {
					delete(wantForm, k)
				}
			}
			tc.client.HTTPClient = &http.Client{Transport: server(func(r *http.Request) (*http.Response, error) {
				body, _ := io.ReadAll(r.Body)
				form, err := url.ParseQuery(string(body))
				if err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(wantForm, form); diff != "" {
					t.Errorf("form (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(wantHeader, r.Header); diff != "" {
					t.Errorf("header (-want +got):\n%s", diff)
				}
				if r.Method != "POST" || r.URL.String() != googlests.DefaultTokenURL || r.ContentLength != int64(len(body)) {
					t.Errorf("%s %s, %d bytes", r.Method, r.URL, r.ContentLength)
				}
				return response(200, goodAnswer), nil
			})}
			req := request()
			if tc.change != nil {
				tc.change(&req)
			}
			if _, err := tc.client.Exchange(t.Context(), req); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRetryAsksForAnotherSubjectToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		c := client(func(r *http.Request) (*http.Response, error) {
			if err := r.ParseForm(); err != nil {
				t.Error(err)
			}
			seen = append(seen, r.PostForm.Get("subject_token"))
			switch len(seen) {
			case 1:
				return response(503, ""), nil
			case 2:
				return nil, io.ErrUnexpectedEOF
			}
			return response(200, goodAnswer), nil
		})
		var asked atomic.Int32
		req := request()
		req.SubjectToken = numbered(&asked)
		if _, err := c.Exchange(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if want := []string{"subject-1", "subject-2", "subject-3"}; !slices.Equal(seen, want) {
			t.Errorf("sent %v, want %v", seen, want)
		}
	})
}

func TestErrorOfTheSubjectTokenComesBackAsItIs(t *testing.T) {
	t.Parallel()
	want := errors.New("no credentials")
	c := client(func(*http.Request) (*http.Response, error) {
		t.Error("something was sent")
		return response(200, goodAnswer), nil
	})
	asked := 0
	req := request()
	req.SubjectToken = func(context.Context) (secret.Text, error) { asked++; return secret.Text{}, want }
	if _, err := c.Exchange(t.Context(), req); err != want || asked != 1 {
		t.Errorf("got %v after %d questions", err, asked)
	}
}

func TestWhatCannotBeSentIsRefusedBeforeAnythingIsSigned(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		client googlests.Client
		change func(*googlests.ExchangeRequest)
		code   string
		text   string
	}{
		"no subject token function":    {change: func(r *googlests.ExchangeRequest) { r.SubjectToken = nil }, code: "invalid_request", text: "SubjectToken is nil"},
		"no subject token type":        {change: func(r *googlests.ExchangeRequest) { r.SubjectTokenType = "" }, code: "invalid_request", text: "SubjectTokenType"},
		"actor without type":           {change: func(r *googlests.ExchangeRequest) { r.ActorToken = secret.New("a") }, code: "invalid_request", text: "ActorTokenType"},
		"actor type without actor":     {change: func(r *googlests.ExchangeRequest) { r.ActorTokenType = "a" }, code: "invalid_request", text: "ActorToken"},
		"options that are no JSON":     {change: func(r *googlests.ExchangeRequest) { r.Options = map[string]any{"f": func() {}} }, code: "invalid_request", text: "Options"},
		"client secret without id":     {client: googlests.Client{ClientAuth: googlests.ClientAuth{Secret: secret.New("x")}}, code: "invalid_request", text: "no ID"},
		"colon in a Basic id":          {client: googlests.Client{ClientAuth: googlests.ClientAuth{ID: "a:b"}}, code: "invalid_request", text: "colon"},
		"unknown client style":         {client: googlests.Client{ClientAuth: googlests.ClientAuth{Style: 7}}, code: "invalid_request", text: "Style is 7"},
		"another host":                 {client: googlests.Client{TokenURL: "https://sts.evil.com/v1/token"}, code: "invalid_endpoint", text: `"sts.evil.com"`},
		"http":                         {client: googlests.Client{TokenURL: "http://sts.googleapis.com/v1/token"}, code: "invalid_endpoint", text: `"http"`},
		"another universe's host":      {client: googlests.Client{TokenURL: googlests.DefaultTokenURL, UniverseDomain: "example.goog"}, code: "invalid_endpoint", text: "sts.example.goog"},
		"no URL, though any is wanted": {client: googlests.Client{TokenURL: "x", AllowAnyEndpoint: true}, code: "invalid_endpoint", text: "http://"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.client.HTTPClient = &http.Client{Transport: server(func(*http.Request) (*http.Response, error) {
				t.Error("something was sent")
				return response(200, goodAnswer), nil
			})}
			req := request()
			req.SubjectToken = func(context.Context) (secret.Text, error) {
				t.Error("something was signed")
				return secret.New("x"), nil
			}
			if tc.change != nil {
				tc.change(&req)
			}
			_, err := tc.client.Exchange(t.Context(), req)
			e := asError(t, err)
			if e.Code != tc.code || e.Retryable || e.HTTPStatus != 0 || !strings.Contains(e.Error(), tc.text) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestEmptySubjectTokenIsNotSent(t *testing.T) {
	t.Parallel()
	c := client(func(*http.Request) (*http.Response, error) {
		t.Error("something was sent")
		return response(200, goodAnswer), nil
	})
	req := request()
	req.SubjectToken = func(context.Context) (secret.Text, error) { return secret.Text{}, nil }
	_, err := c.Exchange(t.Context(), req)
	if e := asError(t, err); e.Code != "invalid_request" {
		t.Errorf("got %v", err)
	}
}

func TestEndpointFollowsUniverseAndTokenURL(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		client googlests.Client
		want   string
	}{
		"neither":                 {googlests.Client{}, "https://sts.googleapis.com/v1/token"},
		"a universe":              {googlests.Client{UniverseDomain: "example.goog"}, "https://sts.example.goog/v1/token"},
		"a regional endpoint":     {googlests.Client{TokenURL: "https://sts.us-east4.rep.googleapis.com/v1/token"}, "https://sts.us-east4.rep.googleapis.com/v1/token"},
		"anything, if so allowed": {googlests.Client{TokenURL: "http://127.0.0.1:9/x", AllowAnyEndpoint: true}, "http://127.0.0.1:9/x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			called := ""
			tc.client.HTTPClient = &http.Client{Transport: server(func(r *http.Request) (*http.Response, error) {
				called = r.URL.String()
				return response(200, goodAnswer), nil
			})}
			if _, err := tc.client.Exchange(t.Context(), request()); err != nil || called != tc.want {
				t.Errorf("called %q, want %q: %v", called, tc.want, err)
			}
		})
	}
}

func TestDeadlineAndCancellationAreToldApart(t *testing.T) {
	t.Parallel()
	hang := server(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	})
	for name, tc := range map[string]struct {
		timeout time.Duration
		code    string
		is      error
	}{
		"deadline": {time.Second, "timeout", context.DeadlineExceeded},
		"cancel":   {0, "canceled", context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				if tc.timeout != 0 {
					ctx, cancel = context.WithTimeout(t.Context(), tc.timeout)
				} else {
					time.AfterFunc(time.Second, cancel)
				}
				defer cancel()
				start := time.Now()
				_, err := client(hang).Exchange(ctx, request())
				if e := asError(t, err); e.Code != tc.code || !errors.Is(err, tc.is) || time.Since(start) != time.Second {
					t.Errorf("got %v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// One client, many callers: each gets the token for its own subject.
func TestClientIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var failedOnce sync.Map
	c := client(func(r *http.Request) (*http.Response, error) {
		if err := r.ParseForm(); err != nil {
			return nil, err
		}
		subject := r.PostForm.Get("subject_token")
		if _, failed := failedOnce.LoadOrStore(subject, true); !failed {
			return response(503, ""), nil
		}
		return response(200, strings.Replace(goodAnswer, "ya29.d.token", "for-"+subject, 1)), nil
	})
	c.ClientAuth = googlests.ClientAuth{ID: "id", Secret: secret.New("s")}
	c.APIClient = "gl-go/1"
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				req := request()
				subject := strings.Repeat("s", i+1)
				req.SubjectToken = func(context.Context) (secret.Text, error) { return secret.New(subject), nil }
				token, err := c.Exchange(t.Context(), req)
				if err != nil || token.AccessToken.Reveal() != "for-"+subject {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		wg.Wait()
	})
}

func asError(t *testing.T, err error) *googlests.Error {
	t.Helper()
	e, ok := errors.AsType[*googlests.Error](err)
	if !ok {
		t.Fatalf("got %T %v, want a *googlests.Error", err, err)
	}
	return e
}
