package tokenstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
)

func TestErrorsSayWhatHappenedAndWhatToDo(t *testing.T) {
	t.Parallel()
	answer := func(status int, code, message string) fakecloud.Fault {
		return fakecloud.Fault{Status: status, Body: `{"__type":"` + code + `","message":"` + message + `"}`}
	}
	// What AWS answers to a bad signature.
	canonical := "The request signature we calculated does not match. The Canonical String for this request should have been " +
		"'POST x-amz-security-token:" + awsSessionToken + "'"
	for name, tc := range map[string]struct {
		fault     fakecloud.Fault
		code      string
		retryable bool
		status    int
		want      string
	}{
		"denied":                 {answer(400, "AccessDeniedException", "User: x is not authorized"), "AccessDeniedException", false, 400, "User: x is not authorized; allow the role secretsmanager:PutSecretValue on this secret, and kms:GenerateDataKey"},
		"a key not allowed":      {answer(400, "EncryptionFailure", ""), "EncryptionFailure", false, 400, "kms:GenerateDataKey and kms:Decrypt"},
		"a key not for reading":  {answer(400, "DecryptionFailure", ""), "DecryptionFailure", false, 400, "kms:Decrypt"},
		"too many versions":      {answer(400, "LimitExceededException", "too many"), "LimitExceededException", false, 400, "10 minutes"},
		"a bad parameter":        {answer(400, "InvalidParameterException", "Invalid name."), "InvalidParameterException", false, 400, "Invalid name."},
		"throttled":              {answer(400, "ThrottlingException", "Rate exceeded"), "ThrottlingException", true, 400, "Rate exceeded"},
		"AWS's own fault":        {answer(500, "InternalServiceError", "oops"), "InternalServiceError", true, 500, "oops"},
		"an unknown refusal":     {answer(400, "SomethingNew", planted), "SomethingNew", false, 400, "refused without a reason that may be shown"},
		"an unknown fault":       {answer(503, "SomethingNew", planted), "SomethingNew", true, 503, "refused without"},
		"expired credentials":    {answer(400, "ExpiredTokenException", awsSessionToken), "ExpiredTokenException", false, 400, "get new ones"},
		"a bad signature":        {answer(400, "InvalidSignatureException", canonical), "InvalidSignatureException", false, 400, "the clock"},
		"an unavailable gateway": {fakecloud.Fault{Status: 503, Body: "<html>" + planted}, "InvalidResponse", true, 503, "any proxy"},
		"a proxy that refuses":   {fakecloud.Fault{Status: 403, Body: "<html>" + planted}, "InvalidResponse", false, 403, "any proxy"},
		"a page for an answer":   {fakecloud.Fault{Status: 200, Body: "<html>" + planted}, "InvalidResponse", true, 200, "any proxy"},
		"an answer of another":   {fakecloud.Fault{Status: 200, Body: `{"token":"` + planted + `"}`}, "InvalidResponse", true, 200, "names no version"},
		"a status without body":  {fakecloud.Fault{Status: 502}, "UnknownError", true, 502, "refused without"},
		"a reset":                {fakecloud.Fault{Reset: true}, "Unreachable", true, 0, "Unreachable: read tcp: read: connection reset by peer; check the region"},
		"a hang":                 {fakecloud.Fault{Hang: true}, "Timeout", true, 0, "no answer in time"},
		"half an answer":         {fakecloud.Fault{TruncateBody: 5}, "InvalidResponse", true, 200, "not one of Secrets Manager"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.holding(t, "wifmint/s", w.minted(1))
				store := newStore(w.cloud)
				current := read(t, store, "wifmint/s")
				w.pass(time.Minute)
				w.cloud.Fault(tc.fault)

				_, err := store.Write(t.Context(), current, w.minted(2), w.due)
				e := wantError(t, err, tc.code, tc.retryable)
				if e.HTTPStatus != tc.status || e.Op != "PutSecretValue" || e.SecretID != "wifmint/s" {
					t.Errorf("got %#v, want status %d of PutSecretValue for wifmint/s", e, tc.status)
				}
				prefix := `writing secret "wifmint/s" with PutSecretValue: ` + tc.code + ": "
				if !strings.HasPrefix(e.Error(), prefix) || !strings.Contains(e.Error(), tc.want) {
					t.Errorf("got %q, want %q and %q", e, prefix, tc.want)
				}

				_, err = store.Read(t.Context(), "wifmint/s")
				if e := wantError(t, err, tc.code, tc.retryable); !strings.HasPrefix(e.Error(), `reading secret "wifmint/s" with GetSecretValue: `) {
					t.Errorf("got %q", e)
				}
			})
		})
	}
}

// Secrets Manager may quote the value that it refuses, and so may whatever stands
// before it. The token is one that no looks give away.
func TestAStoreThatQuotesTheRequestShowsNoToken(t *testing.T) {
	t.Parallel()
	const opaque = "PLANTED-0123456789-PLANTED-9876543210"
	codes := []string{
		notFoundCode, limitExceededCode, "AccessDeniedException", "DecryptionFailure", "EncryptionFailure", "InvalidParameterException",
		"InvalidRequestException", "InternalServiceError", "ThrottlingException", "ValidationException", "SerializationException", "SomethingNew",
	}
	echo := func(operation, code string) *Store {
		return newStore(roundTripFunc(func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			if asked := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager."); asked != operation {
				return answer(400, notFoundCode, "Secrets Manager can't find the specified secret."), nil
			}
			return answer(400, code, "1 validation error detected: Value '"+string(body)+"' at 'secretString' failed to satisfy constraint"), nil
		}))
	}
	for _, value := range []string{opaque, planted} {
		next := change(accessToken(), func(t *Token) { t.Value = secret.New(value) })
		always := func(Current) bool { return true }
		for operation, write := range map[string]func(context.Context, *Store) error{
			"PutSecretValue": func(ctx context.Context, s *Store) error {
				_, err := s.Write(ctx, Current{SecretID: "s", VersionID: "v"}, next, always)
				return err
			},
			"CreateSecret": func(ctx context.Context, s *Store) error {
				s.Create = true
				_, err := s.Write(ctx, Current{SecretID: "s"}, next, always)
				return err
			},
			"PutSecretValue of a rotation": func(ctx context.Context, s *Store) error {
				_, err := s.PutPending(ctx, "s", "0123456789abcdef0123456789abcdef", next)
				return err
			},
		} {
			for _, code := range codes {
				t.Run(operation+" "+code, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						err := write(t.Context(), echo(strings.Fields(operation)[0], code))
						if err == nil {
							t.Fatal("no error")
						}
						for ; err != nil; err = errors.Unwrap(err) {
							if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, value) {
								t.Error(text)
							}
						}
					})
				})
			}
		}
	}
}

func answer(status int, code, message string) *http.Response {
	body, err := json.Marshal(map[string]string{"__type": code, "message": message})
	if err != nil {
		panic(err)
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}

func TestErrorsNameWhatTheRoleLacks(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.holding(t, "s", w.minted(1))
	store := newStore(w.cloud)
	store.Create = true
	current := read(t, store, "s")
	w.cloud.Deny("", "")

	_, err := store.Read(t.Context(), "s")
	if e := wantError(t, err, "AccessDeniedException", false); !strings.Contains(e.Error(), "allow the role secretsmanager:GetSecretValue on this secret, and kms:Decrypt") {
		t.Errorf("got %v", e)
	}
	w.pass(time.Minute)
	_, err = store.Write(t.Context(), current, w.minted(2), w.due)
	if e := wantError(t, err, "AccessDeniedException", false); !strings.Contains(e.Error(), "allow the role secretsmanager:PutSecretValue") {
		t.Errorf("got %v", e)
	}

	w = newWorld()
	w.cloud.Deny("CreateSecret", "")
	store = newStore(w.cloud)
	store.Create = true
	_, err = store.Write(t.Context(), Current{SecretID: "s"}, w.minted(1), w.due)
	e := wantError(t, err, "AccessDeniedException", false)
	if !strings.HasPrefix(e.Error(), `creating secret "s" with CreateSecret: `) || !strings.Contains(e.Error(), "allow the role secretsmanager:CreateSecret") {
		t.Errorf("got %v", e)
	}
}

func TestAReReadThatFailsIsTheWritesError(t *testing.T) {
	t.Parallel()
	w, store, current := dueWorld(t)
	if _, err := store.Write(t.Context(), current, w.minted(2), w.due); err != nil {
		t.Fatal(err)
	}
	w.cloud.Deny("GetSecretValue", "s")
	_, err := store.Write(t.Context(), current, w.minted(3), w.due)
	if e := wantError(t, err, "AccessDeniedException", false); e.Op != "GetSecretValue" {
		t.Errorf("got %#v", e)
	}
}

func TestACallerThatGaveUpIsToldSo(t *testing.T) {
	t.Parallel()
	w := newWorld()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newStore(w.cloud).Read(ctx, "s")
	if wantError(t, err, "Canceled", true); !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}

	ctx, cancel = context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	_, err = newStore(w.cloud).Read(ctx, "s")
	if wantError(t, err, "Timeout", true); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v is not context.DeadlineExceeded", err)
	}
}

func TestWithoutCredentialsNothingIsSent(t *testing.T) {
	t.Parallel()
	w := newWorld()
	store := &Store{Client: NewClient(Options{
		Region:     "eu-west-1",
		HTTPClient: &http.Client{Transport: w.cloud},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("AWS_ACCESS_KEY_ID is not set")
		}),
	})}
	_, err := store.Read(t.Context(), "s")
	if e := wantError(t, err, "NotSent", false); !strings.Contains(e.Error(), "AWS_ACCESS_KEY_ID is not set") {
		t.Errorf("got %v", e)
	}
	w.wantCalls(t, "")
}
