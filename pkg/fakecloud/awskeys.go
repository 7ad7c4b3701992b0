package fakecloud

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"time"
)

// AWSKey is an AWS access key and who signs with it. Its String shows neither
// the secret nor the session token.
type AWSKey struct {
	// AccessKeyID and SecretAccessKey are required.
	AccessKeyID     string
	SecretAccessKey string
	// SessionToken goes with temporary keys; empty means that none may be sent.
	SessionToken string
	// ARN is who the key's owner is, such as
	// "arn:aws:sts::123456789012:assumed-role/minter/session" or
	// "arn:aws:iam::123456789012:user/alice"; required.
	ARN string
	// Account zero means the ARN's.
	Account string
	// UserID is what GetCallerIdentity tells beside the ARN; zero means one
	// made from it.
	UserID string
	// Expires is when the key stops working; zero means never.
	Expires time.Time
}

func (k AWSKey) String() string { return k.AccessKeyID + " of " + k.ARN }

// AWSRole is a role that [AWSKey] owners can assume.
type AWSRole struct {
	// ARN is such as "arn:aws:iam::123456789012:role/minter"; required.
	ARN string
	// TrustedARNs may assume it: users, roles (that is, all sessions of
	// theirs), sessions, or "arn:aws:iam::ACCOUNT:root" for a whole account.
	// Empty means everyone in the role's own account.
	TrustedARNs []string
	// ExternalID has to be given by whoever assumes the role; empty means none
	// is asked for.
	ExternalID string
	// MaxSession bounds DurationSeconds; zero means one hour, as in AWS.
	MaxSession time.Duration
}

// awsState is the AWS account. Its zero value is empty.
type awsState struct {
	mu    sync.Mutex
	keys  map[string]AWSKey  // by access key id
	roles map[string]AWSRole // by ARN
	drawn uint64             // see Cloud.draw
}

// AddAWSKey makes a key known to every AWS service of the cloud, or replaces
// the one with the same id. It panics if a required field is missing.
func (c *Cloud) AddAWSKey(k AWSKey) {
	arn, isARN := parseARN(k.ARN)
	if k.AccessKeyID == "" || k.SecretAccessKey == "" || !isARN {
		panic("fakecloud: an AWSKey needs AccessKeyID, SecretAccessKey and ARN")
	}
	if k.Account == "" {
		k.Account = arn.account
	}
	if k.UserID == "" {
		k.UserID = arn.userID()
	}
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	if c.aws.keys == nil {
		c.aws.keys = map[string]AWSKey{}
	}
	c.aws.keys[k.AccessKeyID] = k
}

// RevokeAWSKey makes a key unknown, as AWS does with a deleted one.
func (c *Cloud) RevokeAWSKey(accessKeyID string) {
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	delete(c.aws.keys, accessKeyID)
}

// AddRole makes a role known, or replaces the one with the same ARN. It panics
// if the ARN is not a role's.
func (c *Cloud) AddRole(role AWSRole) {
	if arn, isARN := parseARN(role.ARN); !isARN || arn.service != "iam" || arn.kind != "role" {
		panic("fakecloud: an AWSRole needs the ARN of a role, such as arn:aws:iam::123456789012:role/name")
	}
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	if c.aws.roles == nil {
		c.aws.roles = map[string]AWSRole{}
	}
	c.aws.roles[role.ARN] = role
}

func (a *awsState) key(id string) (AWSKey, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k, known := a.keys[id]
	return k, known
}

func (a *awsState) role(arn string) (AWSRole, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	role, known := a.roles[arn]
	return role, known
}

// trusts reports whether the role's trust policy names the caller.
func (role AWSRole) trusts(caller AWSKey) bool {
	owner, _ := parseARN(role.ARN)
	if len(role.TrustedARNs) == 0 {
		return caller.Account == owner.account
	}
	who, _ := parseARN(caller.ARN)
	for _, trusted := range role.TrustedARNs {
		t, _ := parseARN(trusted)
		switch {
		case trusted == caller.ARN,
			t.kind == "root" && t.account == caller.Account,
			t.kind == "role" && who.kind == "assumed-role" && t.account == who.account && t.name() == who.name():
			return true
		}
	}
	return false
}

// awsARN is an IAM or STS ARN taken apart:
// arn:PARTITION:SERVICE::ACCOUNT:KIND/PATH.
type awsARN struct {
	partition, service, account, kind string
	path                              []string // what follows kind, split at "/"
}

func parseARN(s string) (a awsARN, ok bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[4] == "" {
		return awsARN{}, false
	}
	resource := strings.Split(parts[5], "/")
	a = awsARN{partition: parts[1], service: parts[2], account: parts[4], kind: resource[0], path: resource[1:]}
	return a, a.kind == "root" || len(a.path) > 0
}

// name is the role's or user's name: the last part of the path, but of a
// session's ARN, which has no path, the first.
func (a awsARN) name() string {
	switch {
	case len(a.path) == 0:
		return ""
	case a.kind == "assumed-role":
		return a.path[0]
	}
	return a.path[len(a.path)-1]
}

// ofRole is the ARN of a session's role, which is written in two ways: as
// "iam", "role" in policies, as "sts", "assumed-role" in Google's attribute.aws_role.
func (a awsARN) ofRole(service, kind string) string {
	return strings.Join([]string{"arn", a.partition, service, "", a.account, kind + "/" + a.name()}, ":")
}

// userID is made up as AWS makes it: AIDA… for a user, AROA…:session for a
// session; the same name always yields the same one.
func (a awsARN) userID() string {
	sum := sha256.Sum256([]byte(a.account + "/" + a.name()))
	id := strings.ToUpper(hex.EncodeToString(sum[:]))[:17]
	switch a.kind {
	case "assumed-role":
		return "AROA" + id + ":" + a.path[len(a.path)-1]
	case "root":
		return a.account
	}
	return "AIDA" + id
}

const base64URLAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// draw returns n characters of an alphabet that look random and are decided by
// Options.Seed and the number of draws before, so that a failing test fails
// the same way again. Nothing of a fake cloud has to be hard to guess.
func (c *Cloud) draw(n int, alphabet string) string {
	number := c.nextDraw()
	text := make([]byte, 0, n)
	for block := 0; len(text) < n; block++ {
		for _, b := range derive(c.options.Seed, "draw", number, block) {
			if len(text) < n {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(text)
}

func (c *Cloud) drawUUID() string { return derive(c.options.Seed, "uuid", c.nextDraw()).uuid() }

func (c *Cloud) nextDraw() uint64 {
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	c.aws.drawn++
	return c.aws.drawn
}
