package fakecloud

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// secretStore is the account's Secrets Manager. Its zero value is empty.
type secretStore struct {
	mu      sync.Mutex
	byName  map[string]*storedSecret
	ordered []*storedSecret // by creation
	created int             // counts creations, so that a name created again gets another ARN
	served  int             // counts calls, for their request ids

	access    accessRules
	functions map[string]RotationFunction // by ARN
}

// secretsCall is one call while it is carried out, with the store locked.
type secretsCall struct {
	ctx       context.Context
	cloud     *Cloud
	store     *secretStore
	operation string
	principal string // the ARN of who signed
	now       time.Time
	body      []byte
	// afterwards runs when the store is unlocked and before the answer goes out.
	afterwards func()
}

// identifySecretsManager names the operation by the X-Amz-Target header, and
// the resource by the id or name the caller gave (several of them with commas
// between).
func identifySecretsManager(r *http.Request, body []byte) (operation, resource string) {
	operation, _ = strings.CutPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	var in struct {
		SecretId, Name string
		SecretIdList   []string
	}
	_ = json.Unmarshal(body, &in) // what cannot be read names no resource
	return operation, cmp.Or(in.SecretId, in.Name, strings.Join(in.SecretIdList, ","))
}

func (c *Cloud) serveSecretsManager(w http.ResponseWriter, r *http.Request, call *Call) {
	body, _ := io.ReadAll(r.Body)
	principal, err := c.signerOf(r, body, call.Time)
	call.Principal = principal
	var out any
	if err == nil {
		out, err = c.callSecretsManager(&secretsCall{
			ctx: r.Context(), cloud: c, store: &c.secrets, operation: call.Operation, principal: principal, now: call.Time, body: body,
		})
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", c.secrets.nextRequestID(c.options.Seed))
	if refused := (*awsError)(nil); errors.As(err, &refused) {
		call.Err = refused.code
		w.WriteHeader(refused.status)
		out = map[string]string{"__type": refused.code, "message": refused.message}
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (c *Cloud) callSecretsManager(call *secretsCall) (any, error) {
	operation, err := secretsOperation(call.operation)
	if err != nil {
		return nil, err
	}
	call.store.mu.Lock()
	out, err := operation(call)
	call.store.mu.Unlock()
	if call.afterwards != nil {
		call.afterwards()
	}
	return out, err
}

func (s *secretStore) nextRequestID(seed uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served++
	return derive(seed, "request", s.served).uuid()
}

func secretsOperation(name string) (func(*secretsCall) (any, error), error) {
	switch name {
	case "BatchGetSecretValue":
		return decoded((*secretsCall).batchGetSecretValue), nil
	case "CancelRotateSecret":
		return decoded((*secretsCall).cancelRotateSecret), nil
	case "CreateSecret":
		return decoded((*secretsCall).createSecret), nil
	case "DeleteSecret":
		return decoded((*secretsCall).deleteSecret), nil
	case "DescribeSecret":
		return decoded((*secretsCall).describeSecret), nil
	case "GetSecretValue":
		return decoded((*secretsCall).getSecretValue), nil
	case "ListSecretVersionIds":
		return decoded((*secretsCall).listSecretVersionIDs), nil
	case "ListSecrets":
		return decoded((*secretsCall).listSecrets), nil
	case "PutSecretValue":
		return decoded((*secretsCall).putSecretValue), nil
	case "RestoreSecret":
		return decoded((*secretsCall).restoreSecret), nil
	case "RotateSecret":
		return decoded((*secretsCall).rotateSecret), nil
	case "TagResource":
		return decoded((*secretsCall).tagResource), nil
	case "UntagResource":
		return decoded((*secretsCall).untagResource), nil
	case "UpdateSecret":
		return decoded((*secretsCall).updateSecret), nil
	case "UpdateSecretVersionStage":
		return decoded((*secretsCall).updateSecretVersionStage), nil
	case "DeleteResourcePolicy", "GetRandomPassword", "GetResourcePolicy", "PutResourcePolicy", "RemoveRegionsFromReplication",
		"ReplicateSecretToRegions", "StopReplicationToReplica", "ValidateResourcePolicy":
		return nil, notInFake(name)
	}
	return nil, refuse("UnknownOperationException", "There is no operation %.60q.", name)
}

// decoded makes an operation of its request's type.
func decoded[In any](operation func(*secretsCall, In) (any, error)) func(*secretsCall) (any, error) {
	return func(call *secretsCall) (any, error) {
		var in In
		if err := json.Unmarshal(call.body, &in); err != nil {
			return nil, refuse("SerializationException", "The request's body is not the JSON that %s takes.", call.operation)
		}
		if err := call.throttle(); err != nil {
			return nil, err
		}
		return operation(call, in)
	}
}

// refuse is an error of Secrets Manager; all of its own are HTTP 400.
func refuse(code, format string, args ...any) error {
	return &awsError{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// notInFake answers what the real service has and this one does not, with a
// status that no client retries.
func notInFake(what string) error {
	return &awsError{http.StatusNotImplemented, "NotInFakeCloud", "The fake cloud's Secrets Manager does not have " + what + "."}
}

// checkLength refuses a string of a length that the API reference does not allow.
func checkLength(field, value string, least, most int) error {
	switch n := len(value); {
	case n < least:
		return refuse("ValidationException", "1 validation error detected: Value at '%s' failed to satisfy constraint: "+
			"Member must have length greater than or equal to %d", field, least)
	case n > most:
		return refuse("ValidationException", "1 validation error detected: Value at '%s' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", field, most)
	}
	return nil
}

// epoch is a time as AWS's JSON protocols write it: seconds, with milliseconds
// as a fraction.
type epoch time.Time

func (e epoch) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", float64(time.Time(e).UnixMilli())/1000), nil
}

// epochOf is nil, which leaves the field out, for the zero time.
func epochOf(t time.Time) *epoch {
	if t.IsZero() {
		return nil
	}
	e := epoch(t)
	return &e
}
