package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
)

const (
	awsSecretKey    = "planted-aws-secret-access-key"
	awsSessionToken = "planted-aws-session-token"
)

// world is an AWS account and the time in it, which only the test moves.
type world struct {
	cloud *fakecloud.Cloud

	mu  sync.Mutex
	now time.Time
}

// newWorld starts now: where the clocks of client and service differ by more than
// four minutes, the SDK tries a refused call again.
func newWorld() *world {
	w := &world{now: time.Now().UTC().Truncate(time.Second)}
	w.cloud = fakecloud.New(fakecloud.Options{Now: w.Now, Region: "eu-west-1"})
	return w
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// newStore is a store as the functions make it, talking to cloud.
func newStore(cloud http.RoundTripper) *Store {
	return &Store{Client: NewClient(Options{
		Region:      "eu-west-1",
		Credentials: credentials.NewStaticCredentialsProvider("ASIAIOSFODNN7EXAMPLE", awsSecretKey, awsSessionToken),
		HTTPClient:  &http.Client{Transport: cloud},
	})}
}

// minted is a token minted now, for an hour, told apart by its number.
func (w *world) minted(number int) Token {
	t := accessToken()
	t.Value = secret.New(fmt.Sprintf("%s-%d", planted, number))
	t.MintedAt = w.Now()
	t.Expiry = t.MintedAt.Add(time.Hour)
	return t
}

// due holds when less than 40 minutes are left, or no token is.
func (w *world) due(c Current) bool {
	return !c.Usable() || c.Token.Expiry.Sub(w.Now()) < 40*time.Minute
}

// holding makes the secret hold a token, which is not counted as a call.
func (w *world) holding(t *testing.T, name string, token Token) {
	t.Helper()
	w.cloud.PutSecret(name, encode(t, token))
}

// dueWorld is a world where the secret s holds a token that is due, a store
// there, and what that reads.
func dueWorld(t *testing.T) (*world, *Store, Current) {
	t.Helper()
	w := newWorld()
	w.holding(t, "s", w.minted(1))
	w.pass(30 * time.Minute)
	store := newStore(w.cloud)
	current := read(t, store, "s")
	w.cloud.ResetCalls()
	return w, store, current
}

// stored is the token that a consumer would read now.
func (w *world) stored(t *testing.T, name string) Token {
	t.Helper()
	s, ok := w.cloud.Secret(name)
	if !ok {
		t.Fatalf("secret %s does not exist", name)
	}
	current, ok := s.Labelled("AWSCURRENT")
	if !ok {
		t.Fatalf("secret %s has no current version", name)
	}
	token, err := Parse([]byte(current.Value))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// calls are the operations asked of Secrets Manager, retries included.
func (w *world) calls() string {
	var operations []string
	for _, c := range w.cloud.Calls() {
		operations = append(operations, c.Operation)
	}
	return strings.Join(operations, " ")
}

func (w *world) wantCalls(t *testing.T, want string) {
	t.Helper()
	if got := w.calls(); got != want {
		t.Errorf("calls: %s, want %s", got, want)
	}
}

func read(t *testing.T, s *Store, name string) Current {
	t.Helper()
	current, err := s.Read(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return current
}

// wantError checks an *Error's code and retryability, and that no secret is in
// anything that can be printed of it.
func wantError(t *testing.T, err error, code string, retryable bool) *Error {
	t.Helper()
	wantNoSecret(t, err)
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got %T %v, want an *Error", err, err)
	}
	if e.Code != code || e.Retryable != retryable || e.Op == "" || e.Message == "" {
		t.Errorf("got %#v, want code %s, retryable %v", e, code, retryable)
	}
	return e
}

func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		printed := fmt.Sprintf("%v %+v %#v", e, e, e)
		for _, leak := range []string{planted, awsSecretKey, awsSessionToken, "Signature="} {
			if strings.Contains(printed, leak) {
				t.Errorf("%s is in %s", leak, printed)
			}
		}
	}
}

// consoleUser does what a person does with the AWS console.
func consoleUser(cloud *fakecloud.Cloud) *secretsmanager.Client { return newStore(cloud).Client }

// moveLabelBack makes the version before the current one current again.
func moveLabelBack(t *testing.T, w *world, name string) {
	t.Helper()
	s, _ := w.cloud.Secret(name)
	current, _ := s.Labelled("AWSCURRENT")
	previous, _ := s.Labelled("AWSPREVIOUS")
	_, err := consoleUser(w.cloud).UpdateSecretVersionStage(context.Background(), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &name, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: &previous.ID, RemoveFromVersionId: &current.ID,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// createEmpty makes a secret without a value, as CloudFormation does.
func createEmpty(t *testing.T, w *world, name string) {
	t.Helper()
	if _, err := consoleUser(w.cloud).CreateSecret(context.Background(), &secretsmanager.CreateSecretInput{Name: &name}); err != nil {
		t.Fatal(err)
	}
}

func scheduleDeletion(t *testing.T, w *world, name string) {
	t.Helper()
	if _, err := consoleUser(w.cloud).DeleteSecret(context.Background(), &secretsmanager.DeleteSecretInput{SecretId: &name}); err != nil {
		t.Fatal(err)
	}
}

func versionIDs(t *testing.T, w *world, name string) []string {
	t.Helper()
	s, ok := w.cloud.Secret(name)
	if !ok {
		t.Fatalf("secret %s does not exist", name)
	}
	var ids []string
	for _, v := range s.Versions {
		ids = append(ids, v.ID)
	}
	slices.Sort(ids)
	return ids
}
