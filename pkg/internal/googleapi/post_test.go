package googleapi

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

// A request of Post goes out on the wire as one of http.NewRequest does.
func TestPostSendsWhatNewRequestSends(t *testing.T) {
	t.Parallel()
	var got []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _ = httputil.DumpRequest(r, true) }))
	defer server.Close()
	send := func(r *http.Request) string {
		t.Helper()
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return string(got)
	}
	for _, apiClient := range []string{"", "gl-go/1.26"} {
		endpoint, err := url.Parse(server.URL + "/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken?x=1")
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint.String(), bytes.NewReader([]byte("a=b")))
		if err != nil {
			t.Fatal(err)
		}
		theirs.Header.Set("Content-Type", "text/x")
		theirs.Header.Set("Accept", "application/json")
		if apiClient != "" {
			theirs.Header.Set("X-Goog-Api-Client", apiClient)
		}
		want := send(theirs)
		if sent := send(Post(t.Context(), endpoint, "text/x", apiClient, []byte("a=b"))); sent != want {
			t.Errorf("sent\n%s\nwant\n%s", sent, want)
		}
	}
}

func TestPostCanBeSentAgain(t *testing.T) {
	t.Parallel()
	r := Post(t.Context(), &url.URL{Scheme: "https", Host: "sts.googleapis.com"}, "text/x", "", []byte("a=b"))
	for range 2 {
		body, err := r.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(body); string(b) != "a=b" || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
	}
}
