package fakecloud

import (
	"sync"
	"time"
)

// TokenKind is what an [IssuedToken] is.
type TokenKind string

const (
	// FederatedToken comes from Google STS.
	FederatedToken TokenKind = "federated"
	// AccessToken is a service account's, from generateAccessToken.
	AccessToken TokenKind = "access_token"
	// IDToken is a service account's, from generateIdToken.
	IDToken TokenKind = "id_token"
	// UserToken is a user's access token, from the OAuth token endpoint by
	// domain-wide delegation.
	UserToken TokenKind = "user"
	// WorkforceToken is a workforce user's access token, from Google STS for a
	// refresh token.
	WorkforceToken TokenKind = "workforce"
	// DownscopedToken is a token that Google STS has bounded by a Credential Access
	// Boundary. It has no Scopes: no service of the cloud takes one, and of Google's
	// only Cloud Storage does.
	DownscopedToken TokenKind = "downscoped"
)

// IssuedToken is a token that the cloud's Google side has given out. Its String
// does not show the token.
type IssuedToken struct {
	// Token is the token itself, in the clear.
	Token string
	Kind  TokenKind
	// Principal is whose token it is: a service account's email, or, for a
	// federated token, "principal://iam.googleapis.com/POOL/subject/SUBJECT".
	Principal string
	// Scopes are an access token's.
	Scopes []string
	// Audience is an ID token's audience, or the provider that vouched for a
	// federated token.
	Audience string
	// IssuedAt and Expires are by the cloud's clock.
	IssuedAt, Expires time.Time
	// TargetSigned tells of a federated token whether the signature of the AWS
	// request covered x-goog-cloud-target-resource.
	TargetSigned bool

	pool, awsRole string // a federated token's, for principalSet members
}

func (t IssuedToken) String() string { return string(t.Kind) + " token of " + t.Principal }

// googleState is the Google project. Its zero value is empty.
type googleState struct {
	mu        sync.Mutex
	providers map[string]Provider       // by audience
	accounts  map[string]ServiceAccount // by email
	tokens    map[string]IssuedToken    // by token
	issued    []string                  // the tokens in order of issue
	inURLs    int                       // see Cloud.TokensInURLs
}

// LookupToken finds a token that the cloud has issued, access and ID tokens
// alike, for whoever checks bearer tokens in a test. It reports false for a token that
// is unknown or, by the cloud's clock, expired; of the latter it returns what is
// known about it nonetheless.
func (c *Cloud) LookupToken(token string) (IssuedToken, bool) {
	return c.google.lookup(token, c.now())
}

// IssuedTokens returns every token that was issued, in order of issue, such as
// for searching logs for them.
func (c *Cloud) IssuedTokens() []IssuedToken {
	c.google.mu.Lock()
	defer c.google.mu.Unlock()
	all := make([]IssuedToken, len(c.google.issued))
	for i, token := range c.google.issued {
		all[i] = c.google.tokens[token]
	}
	return all
}

func (g *googleState) lookup(token string, now time.Time) (IssuedToken, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, known := g.tokens[token]
	return t, known && now.Before(t.Expires)
}

func (g *googleState) issue(t IssuedToken) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tokens == nil {
		g.tokens = map[string]IssuedToken{}
	}
	g.tokens[t.Token] = t
	g.issued = append(g.issued, t.Token)
}

// isMember reports whether a member of an IAM policy means the token's
// principal: itself, its service account, or a set that it is in.
func (t IssuedToken) isMember(member string) bool {
	pool := "principalSet:" + iamPrefix + t.pool
	switch member {
	case t.Principal, "serviceAccount:" + t.Principal:
		return true
	case pool + "/*":
		return t.Kind == FederatedToken
	case pool + "/attribute.aws_role/" + t.awsRole:
		return t.awsRole != ""
	}
	return false
}
