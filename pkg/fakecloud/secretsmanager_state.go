package fakecloud

import (
	"fmt"
	"slices"
	"time"
)

// Secret is a secret as a test looks at it. It is a copy.
type Secret struct {
	ARN, Name, Description string
	// KMSKeyID is as it was given; empty for AWS's own key.
	KMSKeyID string
	Tags     map[string]string
	// Versions are the oldest first.
	Versions []SecretVersion
	// Deletion is when it will be gone; zero when that is not planned.
	Deletion time.Time
	// RotationEnabled and RotationLambdaARN are what RotateSecret configured.
	RotationEnabled   bool
	RotationLambdaARN string
}

// SecretVersion is one version of a Secret.
type SecretVersion struct {
	// ID is the ClientRequestToken that it was put with.
	ID string
	// Labels are its staging labels in alphabetical order.
	Labels []string
	// Value is the SecretString or the SecretBinary. A version that a rotation
	// has not yet put anything into has none: it is empty.
	Value   string
	Created time.Time
}

// Labelled returns the version with a staging label, such as "AWSCURRENT".
func (s Secret) Labelled(label string) (SecretVersion, bool) {
	for _, v := range s.Versions {
		if slices.Contains(v.Labels, label) {
			return v, true
		}
	}
	return SecretVersion{}, false
}

// Secret returns the secret with a name or ARN.
func (c *Cloud) Secret(id string) (Secret, bool) {
	s := &c.secrets
	s.mu.Lock()
	defer s.mu.Unlock()
	secret := s.find(id, c.now())
	if secret == nil {
		return Secret{}, false
	}
	return secret.snapshot(), true
}

// Secrets returns all secrets in the order of their creation.
func (c *Cloud) Secrets() []Secret {
	s := &c.secrets
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purge(c.now())
	var all []Secret
	for _, secret := range s.ordered {
		all = append(all, secret.snapshot())
	}
	return all
}

func (s *storedSecret) snapshot() Secret {
	out := Secret{
		ARN: s.arn, Name: s.name, Description: s.description, KMSKeyID: s.kmsKeyID, Tags: map[string]string{}, Deletion: s.deletion,
		RotationEnabled: s.rotation.enabled != nil && *s.rotation.enabled, RotationLambdaARN: s.rotation.functionARN,
	}
	for _, t := range s.tags {
		out.Tags[t.Key] = t.Value
	}
	for _, v := range s.versions {
		version := SecretVersion{ID: v.id, Labels: s.labelsOf(v), Created: v.created}
		if v.value != nil {
			version.Value = v.value.text + string(v.value.binary)
		}
		out.Versions = append(out.Versions, version)
	}
	return out
}

// PutSecret makes value the current one of a secret, which it creates if need
// be: how a test prepares the account. It is no call, so no rule, fault or
// signature matters, and panics where the service would refuse.
func (c *Cloud) PutSecret(name, value string) Secret {
	s := &c.secrets
	s.mu.Lock()
	defer s.mu.Unlock()
	call := &secretsCall{cloud: c, store: s, now: c.now()}
	in := createSecretInput{Name: name}
	if _, err := in.check(); err != nil {
		panic(fmt.Sprintf("fakecloud: PutSecret(%q): %v", name, err))
	}
	secret := s.find(name, call.now)
	if secret == nil {
		secret = call.newSecret(in)
		s.add(secret)
	}
	id := derive(c.options.Seed, "version", secret.arn, len(secret.versions), call.now.UnixNano()).uuid()
	if _, err := secret.put(id, &secretValue{text: value}, []string{awsCurrent}, call.now); err != nil {
		panic(fmt.Sprintf("fakecloud: PutSecret(%q): %v", name, err))
	}
	return secret.snapshot()
}
