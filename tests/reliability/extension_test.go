package reliability_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/pkg/tokensource"
)

// extensionTTL is SECRETS_MANAGER_TTL unless it is set, and the most that it can be.
const extensionTTL = 300 * time.Second

// extension reads as a function does that has the AWS Parameters and Secrets
// extension, in one execution environment.
func (w *world) extension() tokensource.Reader {
	x := &fakeExtension{client: w.store().Client, copies: map[string]copied{}}
	return tokensource.Extension{Getenv: w.getenv, HTTPClient: &http.Client{Transport: x}}
}

// fakeExtension repeats what it read for extensionTTL. Failures it does not keep.
type fakeExtension struct {
	client *secretsmanager.Client

	mu     sync.Mutex
	copies map[string]copied
}

type copied struct {
	body  []byte
	until time.Time
}

func (x *fakeExtension) RoundTrip(r *http.Request) (*http.Response, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	asked := r.URL.RawQuery
	if c := x.copies[asked]; time.Now().Before(c.until) {
		return respond(http.StatusOK, c.body), nil
	}
	id, stage := r.FormValue("secretId"), r.FormValue("versionStage")
	value, err := x.client.GetSecretValue(r.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id, VersionStage: &stage})
	if err != nil {
		return respond(http.StatusBadRequest, []byte("an unexpected error occurred while executing request")), nil
	}
	body, err := json.Marshal(map[string]any{"ARN": value.ARN, "VersionId": value.VersionId, "SecretString": value.SecretString})
	if err != nil {
		return nil, err
	}
	x.copies[asked] = copied{body, time.Now().Add(extensionTTL)}
	return respond(http.StatusOK, body), nil
}

func respond(status int, body []byte) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}
}
