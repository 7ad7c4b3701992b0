package fakecloud

import (
	"net/http"
	"slices"
	"time"
)

// accessRules is who may not do what. secretStore.mu guards it.
type accessRules struct {
	denials   []*denial
	deniedKMS map[string]bool
	writes    int         // a second; 0 for no limit
	recent    []time.Time // writes of the last second
}

type denial struct{ operation, secret string }

// Deny has Secrets Manager refuse an operation on a secret with
// AccessDeniedException, whoever asks, and returns what takes the rule back.
// operation is such as "PutSecretValue", and secret a name or ARN; "" is any.
// Reading with BatchGetSecretValue also needs GetSecretValue for each secret.
func (c *Cloud) Deny(operation, secret string) (allow func()) {
	s := &c.secrets
	s.mu.Lock()
	defer s.mu.Unlock()
	rule := &denial{operation, secret}
	s.access.denials = append(s.access.denials, rule)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.access.denials = slices.DeleteFunc(s.access.denials, func(other *denial) bool { return other == rule })
	}
}

// DenyKMS has Secrets Manager answer that access to KMS is not allowed when a
// value is to be encrypted or decrypted with a key, and returns what takes the
// rule back. keyID is compared with the KmsKeyId that the secret was given; ""
// is AWS's own key, which secrets without one use.
func (c *Cloud) DenyKMS(keyID string) (allow func()) {
	s := &c.secrets
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.access.deniedKMS == nil {
		s.access.deniedKMS = map[string]bool{}
	}
	s.access.deniedKMS[keyID] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.access.deniedKMS, keyID)
	}
}

// LimitWrites has Secrets Manager refuse more than so many PutSecretValue,
// UpdateSecret and UpdateSecretVersionStage calls a second, together, with
// ThrottlingException. 0 means no limit, which is how a Cloud starts; AWS's
// quota is 50.
func (c *Cloud) LimitWrites(perSecond int) {
	c.secrets.mu.Lock()
	defer c.secrets.mu.Unlock()
	c.secrets.access.writes = perSecond
}

// throttle applies LimitWrites.
func (call *secretsCall) throttle() error {
	rules, now := &call.store.access, call.cloud.now()
	if rules.writes == 0 || !slices.Contains([]string{"PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage"}, call.operation) {
		return nil
	}
	rules.recent = slices.DeleteFunc(rules.recent, func(at time.Time) bool { return now.Sub(at) >= time.Second })
	if len(rules.recent) >= rules.writes {
		return refuse("ThrottlingException", "Rate exceeded")
	}
	rules.recent = append(rules.recent, now)
	return nil
}

// authorize refuses an action that a rule denies on a resource by any of its names.
func (call *secretsCall) authorize(action string, names ...string) error {
	for _, rule := range call.store.access.denials {
		if matches(rule.operation, action) && (rule.secret == "" || slices.Contains(names, rule.secret)) {
			return refuse("AccessDeniedException", "User: %s is not authorized to perform: secretsmanager:%s on resource: %s "+
				"because no identity-based policy allows the secretsmanager:%s action", call.principal, action, names[0], action)
		}
	}
	return nil
}

func (rules *accessRules) useKMS(keyID string) error {
	if rules.deniedKMS[keyID] {
		return refuse("AccessDeniedException", "Access to KMS is not allowed")
	}
	return nil
}

// signerOf tells who signed a request: the ARN of a key's owner, or anyone at
// all as long as the account knows no keys.
func (c *Cloud) signerOf(r *http.Request, body []byte, now time.Time) (arn string, err error) {
	if !c.aws.hasKeys() {
		return "arn:aws:sts::" + c.options.AccountID + ":assumed-role/anyone/fakecloud", nil
	}
	key, refused := c.verifySigV4(r, body, "secretsmanager", now)
	if refused == nil {
		return key.ARN, nil
	}
	// JSON services spell the codes differently from query services, and
	// refuse with 400 throughout.
	code := refused.code
	switch code {
	case "InvalidClientTokenId":
		code = "UnrecognizedClientException"
	case "SignatureDoesNotMatch":
		code = "InvalidSignatureException"
	case "IncompleteSignature", "MissingAuthenticationToken", "ExpiredToken":
		code += "Exception"
	}
	return "", refuse(code, "%s", refused.message)
}

// hasKeys reports whether a key was ever made known.
func (a *awsState) hasKeys() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.keys != nil
}
