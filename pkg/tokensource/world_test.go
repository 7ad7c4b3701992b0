package tokensource_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	name    = "wifmint/reports"
	planted = "ya29.planted-token"
	scope   = "https://www.googleapis.com/auth/bigquery"
)

// world is an AWS account with one secret. Its time is the process's, or that of
// the synctest bubble it is made in.
type world struct{ cloud *fakecloud.Cloud }

func newWorld() *world {
	return &world{fakecloud.New(fakecloud.Options{Region: "eu-west-1"})}
}

// cachedWorld is a world whose secret holds a token, and a source that has read it.
func cachedWorld(t *testing.T) (*world, tokenstore.Token, *tokensource.Source) {
	t.Helper()
	w := newWorld()
	token := w.minted(1)
	w.holds(token)
	source := w.source()
	wantToken(t, token)(source.Token(t.Context()))
	return w, token, source
}

// store is Secrets Manager as the functions call it.
func (w *world) store() *tokenstore.Store {
	return &tokenstore.Store{Client: tokenstore.NewClient(tokenstore.Options{
		Region:      "eu-west-1",
		Credentials: credentials.NewStaticCredentialsProvider("ASIAIOSFODNN7EXAMPLE", "planted-secret-key", "planted-session-token"),
		HTTPClient:  &http.Client{Transport: w.cloud},
	})}
}

// impatient is Secrets Manager, asked once a read.
func (w *world) impatient() *tokenstore.Store {
	return &tokenstore.Store{Client: secretsmanager.New(secretsmanager.Options{
		Region:      "eu-west-1",
		Credentials: aws.AnonymousCredentials{},
		HTTPClient:  &http.Client{Transport: w.cloud},
		Retryer:     aws.NopRetryer{},
	})}
}

func (w *world) source() *tokensource.Source {
	return &tokensource.Source{Secret: name, Reader: w.store()}
}

// minted is a token for an hour from now, told apart by its number.
func (w *world) minted(number int) tokenstore.Token {
	now := time.Now().UTC().Truncate(time.Second)
	return tokenstore.Token{
		Target: "reports", Kind: tokenstore.AccessToken, TokenType: "Bearer",
		Value:  secret.New(fmt.Sprintf("%s-%d", planted, number)),
		Expiry: now.Add(time.Hour), MintedAt: now,
		Principal: "reports@p.iam.gserviceaccount.com", Scopes: []string{scope},
	}
}

// idToken is minted as an ID token for an audience.
func (w *world) idToken(audience string) tokenstore.Token {
	t := w.minted(1)
	t.Kind, t.Scopes, t.Audience = tokenstore.IDToken, nil, audience
	return t
}

// holds puts a token into the secret, which is no call.
func (w *world) holds(t tokenstore.Token) {
	data, err := t.Encode()
	if err != nil {
		panic(err)
	}
	w.cloud.PutSecret(name, string(data))
}

// reads counts GetSecretValue calls, an SDK's further attempts left out.
func (w *world) reads() int {
	n := 0
	for _, c := range w.cloud.Calls() {
		if c.Operation == "GetSecretValue" && c.Attempt <= 1 {
			n++
		}
	}
	return n
}

// down makes Secrets Manager fail at once.
func (w *world) down() (up func()) {
	return w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Status: http.StatusServiceUnavailable})
}

// slow makes Secrets Manager answer late.
func (w *world) slow(by time.Duration) (quick func()) {
	return w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Latency: by})
}

func wantToken(t *testing.T, want tokenstore.Token) func(tokenstore.Token, error) {
	return func(got tokenstore.Token, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("no token: %v", err)
		} else if !got.Value.Equal(want.Value) || !got.Expiry.Equal(want.Expiry) {
			t.Errorf("got %v until %v, want %v until %v", got.Value, got.Expiry, want.Value, want.Expiry)
		}
	}
}

// wantError checks what every error has to be, and that it says what.
func wantError(t *testing.T, err error, retryable bool, what string) *tokensource.Error {
	t.Helper()
	e, ok := errors.AsType[*tokensource.Error](err)
	if !ok {
		t.Fatalf("got %v, want a *tokensource.Error", err)
	}
	if e.Retryable != retryable {
		t.Errorf("Retryable is %v: %v", e.Retryable, e)
	}
	if !strings.Contains(e.Error(), what) {
		t.Errorf("%q does not say %q", e, what)
	}
	if strings.Contains(fmt.Sprintf("%v %+v", err, e), "planted") {
		t.Errorf("%q shows a secret", e)
	}
	return e
}

// readerFunc is a Reader.
type readerFunc func(ctx context.Context, stage string) (tokenstore.Current, error)

func (f readerFunc) ReadStage(ctx context.Context, _, stage string) (tokenstore.Current, error) {
	return f(ctx, stage)
}
