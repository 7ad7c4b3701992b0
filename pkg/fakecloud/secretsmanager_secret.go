package fakecloud

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"time"
)

// The staging labels that Secrets Manager itself moves.
const (
	awsCurrent  = "AWSCURRENT"
	awsPrevious = "AWSPREVIOUS"
	awsPending  = "AWSPENDING"
)

// Secrets Manager's quotas, from the user guide's "AWS Secrets Manager quotas"
// and the limits in the API reference.
const (
	maxSecretValue = 65536 // bytes
	keptVersions   = 100   // of one secret: above, the old ones go
	keepVersions   = 24 * time.Hour
	// maxVersions is where a put is refused. AWS calls a put every 10 minutes
	// sustainable, which makes 144 versions that are too young to go, beside
	// at most a few with labels: so it lets more than keptVersions stand.
	maxVersions = 150
	maxLabels   = 20 // over all versions of a secret
	maxTags     = 50
)

// storedSecret is a secret. A label sits on exactly one version since labels
// is a map.
type storedSecret struct {
	arn, name, description string
	kmsKeyID               string // as the caller wrote it; empty for aws/secretsmanager
	tags                   []tag
	created, changed       time.Time
	accessed               time.Time // the day of the last GetSecretValue
	deletion               time.Time // when it will be gone; zero: not scheduled
	versions               []*storedVersion
	labels                 map[string]*storedVersion
	rotation               rotation
}

// storedVersion is a version of a secret.
type storedVersion struct {
	id       string
	value    *secretValue // nil in the version that a rotation starts with
	created  time.Time
	accessed time.Time
	kmsKeyID string
}

// secretValue is either text or binary.
type secretValue struct {
	text   string
	binary []byte // not nil when it is binary
}

func (v *secretValue) equal(w *secretValue) bool {
	return v.text == w.text && (v.binary == nil) == (w.binary == nil) && bytes.Equal(v.binary, w.binary)
}

type tag struct{ Key, Value string }

func (s *storedSecret) version(id string) *storedVersion {
	for _, v := range s.versions {
		if v.id == id {
			return v
		}
	}
	return nil
}

// labelsOf lists a version's labels in alphabetical order.
func (s *storedSecret) labelsOf(v *storedVersion) []string {
	var labels []string
	for _, label := range slices.Sorted(maps.Keys(s.labels)) {
		if s.labels[label] == v {
			labels = append(labels, label)
		}
	}
	return labels
}

// labelled maps the ids of the versions that have labels to those.
func (s *storedSecret) labelled() map[string][]string {
	stages := map[string][]string{}
	for label, v := range s.labels {
		stages[v.id] = append(stages[v.id], label)
	}
	for _, labels := range stages {
		slices.Sort(labels)
	}
	return stages
}

// attach moves labels to a version, wherever they are now. AWSPREVIOUS follows
// AWSCURRENT; a version that stops being current is not pending either.
func (s *storedSecret) attach(v *storedVersion, labels ...string) error {
	all := maps.Clone(s.labels)
	for _, label := range labels {
		all[label] = v
	}
	if old := s.labels[awsCurrent]; all[awsCurrent] != old && old != nil {
		all[awsPrevious] = old
		if all[awsPending] == old {
			delete(all, awsPending)
		}
	}
	if len(all) > maxLabels {
		return refuse("LimitExceededException", "A secret can have up to %d staging labels attached across its versions.", maxLabels)
	}
	s.labels = all
	return nil
}

// withRoom is the versions without the old ones that go when one more comes.
func (s *storedSecret) withRoom(now time.Time) ([]*storedVersion, error) {
	surplus := len(s.versions) + 1 - keptVersions
	kept := slices.DeleteFunc(slices.Clone(s.versions), func(v *storedVersion) bool {
		if surplus <= 0 || len(s.labelsOf(v)) > 0 || now.Sub(v.created) < keepVersions {
			return false
		}
		surplus--
		return true
	})
	if len(kept) >= maxVersions {
		return nil, refuse("LimitExceededException", "The secret has %d versions, and none of them is both without a staging label "+
			"and older than 24 hours.", len(s.versions))
	}
	return kept, nil
}

// put adds a version or fills the empty one that a rotation made, and labels
// it. Nothing is changed when it fails. A nil value makes such an empty version.
func (s *storedSecret) put(id string, value *secretValue, labels []string, now time.Time) (*storedVersion, error) {
	v, versions := s.version(id), s.versions
	if v == nil {
		kept, err := s.withRoom(now)
		if err != nil {
			return nil, err
		}
		if len(kept) == 0 && value != nil {
			labels = append(slices.Clone(labels), awsCurrent) // the first version always is the current one
		}
		v = &storedVersion{id: id, created: now}
		versions = append(kept, v)
	}
	if err := s.attach(v, labels...); err != nil {
		return nil, err
	}
	v.value, v.kmsKeyID = value, s.kmsKeyID
	s.versions, s.changed = versions, now
	return v, nil
}

// discard removes a version and its labels.
func (s *storedSecret) discard(id string) {
	maps.DeleteFunc(s.labels, func(_ string, v *storedVersion) bool { return v.id == id })
	s.versions = slices.DeleteFunc(slices.Clone(s.versions), func(v *storedVersion) bool { return v.id == id })
}

// find looks a secret up by its name, its ARN, or its ARN without the six
// random characters. It also finds secrets that are scheduled for deletion.
func (s *secretStore) find(id string, now time.Time) *storedSecret {
	s.purge(now)
	if !strings.HasPrefix(id, "arn:") {
		return s.byName[id]
	}
	for _, secret := range s.ordered {
		if secret.arn == id {
			return secret
		}
	}
	// A partial ARN whose end looks like "-" and six characters is taken for a
	// complete one, which is why such names are to be avoided.
	if hasSuffixLikeARN(id) {
		return nil
	}
	for _, secret := range s.ordered {
		if secret.arn[:len(secret.arn)-len("-AbCdEf")] == id {
			return secret
		}
	}
	return nil
}

func hasSuffixLikeARN(id string) bool {
	i := strings.LastIndexByte(id, '-')
	return i >= 0 && len(id)-i-1 == 6 && strings.Trim(id[i+1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// purge removes the secrets whose recovery window is over.
func (s *secretStore) purge(now time.Time) {
	for _, secret := range slices.Clone(s.ordered) {
		if !secret.deletion.IsZero() && !now.Before(secret.deletion) {
			s.remove(secret)
		}
	}
}

func (s *secretStore) remove(secret *storedSecret) {
	delete(s.byName, secret.name)
	s.ordered = slices.DeleteFunc(s.ordered, func(other *storedSecret) bool { return other == secret })
}
