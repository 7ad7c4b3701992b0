package externalaccount

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestTheHeadersOfARequest(t *testing.T) {
	t.Parallel()
	w := newWire()
	c := w.scoped(t)
	header := http.Header{"Authorization": {"Basic other"}}
	if err := c.Apply(t.Context(), header); err != nil {
		t.Fatal(err)
	}
	if got := header.Values("Authorization"); len(got) != 1 || got[0] != "Bearer "+cached(t, c).Value.Reveal() || header.Get("X-Goog-User-Project") != "" {
		t.Errorf("%d headers Authorization, billed to %q", len(got), header.Get("X-Goog-User-Project"))
	}
	billed := c.WithQuotaProject("quota")
	if err := billed.Apply(t.Context(), header); err != nil || header.Get("X-Goog-User-Project") != "quota" {
		t.Errorf("billed to %q, %v", header.Get("X-Goog-User-Project"), err)
	}
	header.Set("X-Goog-User-Project", "own")
	if err := billed.Apply(t.Context(), header); err != nil || header.Get("X-Goog-User-Project") != "own" {
		t.Errorf("billed to %q, %v", header.Get("X-Goog-User-Project"), err)
	}
}

func TestNoHeaderIsSetWithoutAToken(t *testing.T) {
	t.Parallel()
	header := http.Header{}
	err := newWire().credentials(t, nil, Options{}).WithQuotaProject("quota").Apply(t.Context(), header)
	expectRefreshError(t, err, LegConfig, false, func(error) bool { return true })
	if len(header) > 0 {
		t.Errorf("headers %v", header)
	}
}

// api is where requests go; it redirects those for /away and /near.
type api struct{ seen []*http.Request }

func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	a.seen = append(a.seen, r)
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}
	if to := map[string]string{"/away": "https://example.com/x", "/near": "https://storage.googleapis.com/x"}[r.URL.Path]; to != "" {
		answer.StatusCode = http.StatusFound
		answer.Header.Set("Location", to)
	}
	return answer, nil
}

func TestATransportAuthenticatesRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, url string
		want      []bool // which of the requests carry the token
	}{
		{"a request", "https://storage.googleapis.com/b", []bool{true}},
		{"a redirect on the same host", "https://storage.googleapis.com/near", []bool{true, true}},
		{"a redirect to another host", "https://storage.googleapis.com/away", []bool{true, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWire()
			c := w.scoped(t).WithQuotaProject("quota")
			base := &api{}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tt.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			client := http.Client{Transport: c.Transport(base)}
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if len(base.seen) != len(tt.want) {
				t.Fatalf("%d requests, want %d", len(base.seen), len(tt.want))
			}
			for i, seen := range base.seen {
				carries := seen.Header.Get("Authorization") == "Bearer "+cached(t, c).Value.Reveal() && seen.Header.Get("X-Goog-User-Project") == "quota"
				if carries != tt.want[i] || !tt.want[i] && len(seen.Header.Values("Authorization")) > 0 {
					t.Errorf("request %d to %s carries the token: %t", i, seen.URL, carries)
				}
			}
			if len(r.Header) > 0 {
				t.Errorf("the caller's request was changed: %v", r.Header)
			}
		})
	}
}

// watched tells whether it was closed.
type watched struct {
	io.Reader
	closed bool
}

func (w *watched) Close() error {
	w.closed = true
	return nil
}

func TestATransportFailsWithoutAToken(t *testing.T) {
	t.Parallel()
	w := newWire()
	for _, tt := range []struct {
		name, url   string
		credentials *Credentials
		is          func(error) bool
	}{
		{"for want of scopes", "https://storage.googleapis.com/", w.credentials(t, nil, Options{}), isA[*RefreshError]},
		{"over plain http", "http://storage.googleapis.com/", w.scoped(t), func(err error) bool { return strings.Contains(err.Error(), "is not https") }},
	} {
		base := &api{}
		body := &watched{Reader: strings.NewReader("x")}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tt.url, body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := tt.credentials.Transport(base).RoundTrip(r)
		if answer != nil || err == nil || !tt.is(err) || len(base.seen) > 0 || !body.closed {
			t.Errorf("%s: %v, %v after %d requests, body closed: %t", tt.name, answer, err, len(base.seen), body.closed)
		}
	}
}

func TestPlainHTTPIsAuthenticatedWhereThatIsAllowed(t *testing.T) {
	t.Parallel()
	w := newWire()
	base := &api{}
	client := http.Client{Transport: w.credentials(t, nil, Options{Scopes: []string{bigquery}, AllowAnyEndpoint: true}).Transport(base)}
	answer, err := client.Get("http://127.0.0.1:8080/")
	if err != nil {
		t.Fatal(errors.Unwrap(err))
	}
	answer.Body.Close()
	if base.seen[0].Header.Get("Authorization") == "" {
		t.Error("the request carries no token")
	}
}
