package bearer_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/internal/bearer"
)

// network answers every request, with a redirect where it has one for the URL,
// and notes who got which token.
type network struct {
	redirects map[string]string
	forgetful bool // leaves Response.Request out
	seen      []string
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.seen = append(n.seen, strings.TrimSpace(r.URL.String()+" "+r.Header.Get("Authorization")))
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}
	if to := n.redirects[r.URL.String()]; to != "" {
		answer.StatusCode = http.StatusTemporaryRedirect
		answer.Header.Set("Location", to)
	}
	if n.forgetful {
		answer.Request = nil
	}
	return answer, nil
}

func token(_ context.Context, h http.Header) error {
	h.Set("Authorization", "Bearer t")
	return nil
}

func TestTheTokenStaysWithTheHostThatWasAskedFirst(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		redirects map[string]string
		want      []string
	}{
		"no redirect": {nil, []string{"https://a/1 Bearer t"}},
		"on the same host": {
			map[string]string{"https://a/1": "https://a/2"},
			[]string{"https://a/1 Bearer t", "https://a/2 Bearer t"},
		},
		"to another host": {
			map[string]string{"https://a/1": "https://b/1", "https://b/1": "https://b/2"},
			[]string{"https://a/1 Bearer t", "https://b/1", "https://b/2"},
		},
		"to another port": {
			map[string]string{"https://a/1": "https://a:8443/1"},
			[]string{"https://a/1 Bearer t", "https://a:8443/1"},
		},
		"to another host and back": {
			map[string]string{"https://a/1": "https://b/1", "https://b/1": "https://a/delete"},
			[]string{"https://a/1 Bearer t", "https://b/1", "https://a/delete"},
		},
		"to another host without TLS": {
			map[string]string{"https://a/1": "http://b/1"},
			[]string{"https://a/1 Bearer t", "http://b/1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := &network{redirects: tc.redirects}
			client := &http.Client{Transport: &bearer.Transport{Base: n, Apply: token}}
			answer, err := client.Get("https://a/1")
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if !slices.Equal(n.seen, tc.want) {
				t.Errorf("got %q, want %q", n.seen, tc.want)
			}
		})
	}
}

// Then nobody can tell where the request comes from, the same host or another.
func TestARedirectThatDoesNotTellWhenceGetsNoToken(t *testing.T) {
	t.Parallel()
	n := &network{forgetful: true, redirects: map[string]string{"https://a/1": "https://b/1", "https://b/1": "https://a/2"}}
	client := &http.Client{Transport: &bearer.Transport{Base: n, Apply: token}}
	answer, err := client.Get("https://a/1")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if want := []string{"https://a/1 Bearer t", "https://b/1", "https://a/2"}; !slices.Equal(n.seen, want) {
		t.Errorf("got %q, want %q", n.seen, want)
	}
}

func TestNothingIsSentInTheClear(t *testing.T) {
	t.Parallel()
	n := &network{redirects: map[string]string{"https://a/1": "http://a/1"}}
	client := &http.Client{Transport: &bearer.Transport{Base: n, Apply: token}}
	for _, url := range []string{"http://a/1", "https://a/1"} {
		if _, err := client.Get(url); err == nil || !strings.Contains(err.Error(), "not https") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if want := []string{"https://a/1 Bearer t"}; !slices.Equal(n.seen, want) {
		t.Errorf("got %q, want %q", n.seen, want)
	}
	client.Transport = &bearer.Transport{Base: n, Apply: token, AllowHTTP: true}
	answer, err := client.Get("http://a/2")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
}

// body notes that it was closed.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error {
	b.closed = true
	return nil
}

func TestARequestWithoutATokenIsNotMade(t *testing.T) {
	t.Parallel()
	failure := errors.New("no token")
	n := &network{}
	transport := &bearer.Transport{Base: n, Apply: func(context.Context, http.Header) error { return failure }}
	sent := &body{Reader: strings.NewReader("x")}
	r, err := http.NewRequest(http.MethodPost, "https://a/1", sent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := transport.RoundTrip(r); !errors.Is(err, failure) {
		t.Errorf("got %v, want what Apply said", err)
	}
	if !sent.closed || len(n.seen) > 0 {
		t.Errorf("body closed: %v, requests: %q", sent.closed, n.seen)
	}
}

func TestTheCallersRequestIsLeftAlone(t *testing.T) {
	t.Parallel()
	r := &http.Request{Method: http.MethodGet, URL: must(http.NewRequest(http.MethodGet, "https://a/1", nil)).URL}
	answer, err := (&bearer.Transport{Base: &network{}, Apply: token}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if r.Header != nil {
		t.Errorf("it got headers %v", r.Header)
	}
}

func must(r *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return r
}
