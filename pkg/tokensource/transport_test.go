package tokensource_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// api is a Google API: it answers, and remembers what it was sent.
type api struct{ authorization []string }

func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	a.authorization = append(a.authorization, r.Header.Get("Authorization"))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func TestRequestsCarryWhateverTokenTheSecretHolds(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for _, token := range []tokenstore.Token{w.minted(1), w.idToken("https://api.example.run.app")} {
		w.holds(token)
		google := &api{}
		client := &http.Client{Transport: w.source().Transport(google)}
		answer, err := client.Get("https://bigquery.googleapis.com/bigquery/v2/projects")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if len(google.authorization) != 1 || google.authorization[0] != "Bearer "+token.Value.Reveal() {
			t.Errorf("a request with a token of kind %s is not authenticated", token.Kind)
		}
		if _, err := client.Get("http://bigquery.googleapis.com/"); err == nil || len(google.authorization) != 1 {
			t.Errorf("plain http: %v after %d requests", err, len(google.authorization))
		}
	}
}

func TestNoRequestIsMadeWithoutAToken(t *testing.T) {
	t.Parallel()
	google := &api{}
	client := &http.Client{Transport: newWorld().source().Transport(google)}
	_, err := client.Get("https://bigquery.googleapis.com/bigquery/v2/projects")
	wantError(t, err, true, "holds nothing yet")
	if len(google.authorization) > 0 {
		t.Error("it was made all the same")
	}
}

func TestGRPCCallsCarryTheToken(t *testing.T) {
	t.Parallel()
	// What google.golang.org/grpc/credentials asks for.
	type perRPCCredentials interface {
		GetRequestMetadata(ctx context.Context, uri ...string) (map[string]string, error)
		RequireTransportSecurity() bool
	}
	w := newWorld()
	token := w.minted(1)
	w.holds(token)
	var creds perRPCCredentials = tokensource.PerRPC{Source: w.source()}
	header, err := creds.GetRequestMetadata(t.Context(), "https://pubsub.googleapis.com/google.pubsub.v1.Publisher")
	if err != nil || len(header) != 1 || header["authorization"] != "Bearer "+token.Value.Reveal() {
		t.Errorf("%d headers, %v", len(header), err)
	}
	if !creds.RequireTransportSecurity() {
		t.Error("the token may go over the network in the clear")
	}
	_, err = tokensource.PerRPC{Source: newWorld().source()}.GetRequestMetadata(t.Context())
	wantError(t, err, true, "holds nothing yet")
}
