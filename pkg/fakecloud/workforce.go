package fakecloud

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// WorkforceUser is someone who has logged in through a workforce identity pool:
// what gcloud keeps as a file of type external_account_authorized_user.
type WorkforceUser struct {
	// Pool is such as "staff", Subject the user's google.subject.
	Pool, Subject string
	// RefreshToken is what the login gave to the OAuth client.
	RefreshToken string
	// ClientID and ClientSecret are that client, which becomes known.
	ClientID, ClientSecret string
	// Scopes are what the user agreed to; empty means cloud-platform.
	Scopes []string
	// TokenLifetime of the access tokens; zero means one hour.
	TokenLifetime time.Duration
	// Rotate has each refresh give a new refresh token. The one before is void
	// then, and whoever uses it ends the grant (RFC 9700, 4.14.2). It is not
	// known whether Google rotates.
	Rotate bool
}

func (u WorkforceUser) principal() string {
	return "principal:" + iamPrefix + "locations/global/workforcePools/" + u.Pool + "/subject/" + u.Subject
}

// AddWorkforceUser makes a login known to Google STS, beside others of the same
// user. It panics if a field without a default is missing.
func (c *Cloud) AddWorkforceUser(u WorkforceUser) {
	if u.Pool == "" || u.Subject == "" || u.RefreshToken == "" || u.ClientID == "" || u.ClientSecret == "" {
		panic("fakecloud: a WorkforceUser needs Pool, Subject, RefreshToken, ClientID and ClientSecret")
	}
	if len(u.Scopes) == 0 {
		u.Scopes = []string{scopePrefix + "cloud-platform"}
	}
	c.AddOAuthClient(u.ClientID, u.ClientSecret)
	c.workforce.mu.Lock()
	defer c.workforce.mu.Unlock()
	if c.workforce.grants == nil {
		c.workforce.grants = map[string]*workforceGrant{}
	}
	c.workforce.grants[u.RefreshToken] = &workforceGrant{user: u, refreshToken: u.RefreshToken}
}

// AddOAuthClient makes a client known that may introspect tokens of Google STS,
// such as gcloud's own.
func (c *Cloud) AddOAuthClient(id, secret string) {
	c.workforce.mu.Lock()
	defer c.workforce.mu.Unlock()
	if c.workforce.clients == nil {
		c.workforce.clients = map[string]string{}
	}
	c.workforce.clients[id] = secret
}

// workforceState is who has logged in. Its zero value is nobody.
type workforceState struct {
	mu      sync.Mutex
	clients map[string]string          // secret by id
	grants  map[string]*workforceGrant // by every refresh token there ever was
}

// workforceGrant is one login.
type workforceGrant struct {
	user         WorkforceUser
	refreshToken string   // the valid one; empty when the grant has ended
	accessTokens []string // all that were issued
}

func identifySTS(r *http.Request, body []byte) (operation, resource string) {
	switch r.URL.Path {
	case "/v1/oauthtoken", "/v1/revoke", "/v1/introspect":
		return strings.TrimPrefix(r.URL.Path, "/v1/"), ""
	}
	return identifyGoogleSTS(r, body)
}

// serveWorkforce is the part of Google STS that OAuth clients call about tokens
// that it has issued, and hands the rest on.
func (c *Cloud) serveWorkforce(w http.ResponseWriter, r *http.Request, call *Call) {
	var serve func(form url.Values, client string, now time.Time) (any, *oauthError)
	switch r.URL.Path {
	case "/v1/oauthtoken":
		serve = c.refreshToken
	case "/v1/revoke":
		serve = c.revokeToken
	case "/v1/introspect":
		serve = c.introspectToken
	}
	if serve == nil || r.Method != http.MethodPost {
		c.serveSTS(w, r, call)
		return
	}
	form, refused := oauthForm(r)
	var client string
	if refused == nil {
		client, refused = c.workforce.client(r, form)
	}
	var answer any
	if refused == nil {
		answer, refused = serve(form, client, call.Time)
	}
	writeOAuth(w, call, answer, refused)
}

// client authenticates the OAuth client.
func (w *workforceState) client(r *http.Request, form url.Values) (id string, refused *oauthError) {
	id = form.Get("client_id")
	if inHeader, _, ok := r.BasicAuth(); ok {
		id = formDecoded(inHeader)
	}
	w.mu.Lock()
	secret, known := w.clients[id]
	w.mu.Unlock()
	if !known {
		return "", &oauthError{http.StatusUnauthorized, "invalid_client", "The OAuth client was not found."}
	}
	return id, Provider{ClientID: id, ClientSecret: secret}.checkClient(r, form)
}

// refreshedToken is RFC 6749's answer, as Google documents it.
type refreshedToken struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
}

// refreshToken is the refresh grant (RFC 6749, 6). Scopes are not looked at:
// Google's documentation says that it does not support them.
func (c *Cloud) refreshToken(form url.Values, client string, now time.Time) (any, *oauthError) {
	if form.Get("grant_type") != "refresh_token" {
		return nil, &oauthError{http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type."}
	}
	c.workforce.mu.Lock()
	defer c.workforce.mu.Unlock()
	sent := form.Get("refresh_token")
	grant, known := c.workforce.grants[sent]
	switch {
	case !known || grant.user.ClientID != client:
		return nil, invalidGrant("The refresh token is invalid.")
	case grant.refreshToken != sent:
		c.endGrant(grant, now)
		return nil, invalidGrant("The refresh token is expired or revoked.")
	}
	u := grant.user
	issued := IssuedToken{
		Token:     "ya29.w." + c.draw(200, base64URLAlphabet),
		Kind:      WorkforceToken,
		Principal: u.principal(),
		Scopes:    u.Scopes,
		IssuedAt:  now,
		Expires:   now.Add(cmp.Or(u.TokenLifetime, time.Hour)),
	}
	c.google.issue(issued)
	grant.accessTokens = append(grant.accessTokens, issued.Token)
	answer := refreshedToken{
		AccessToken: issued.Token, TokenType: "Bearer",
		ExpiresIn: int64(issued.Expires.Sub(now) / time.Second), Scope: strings.Join(u.Scopes, " "),
	}
	if u.Rotate {
		answer.RefreshToken = "1//" + c.draw(100, base64URLAlphabet)
		grant.refreshToken = answer.RefreshToken
		c.workforce.grants[answer.RefreshToken] = grant
	}
	return answer, nil
}

// revokeToken is RFC 7009: what is not known needs no revocation, and with a
// refresh token the access tokens go. A client may revoke its own.
func (c *Cloud) revokeToken(form url.Values, client string, now time.Time) (any, *oauthError) {
	token := form.Get("token")
	if token == "" {
		return nil, invalidRequest("Missing required parameter: token")
	}
	c.workforce.mu.Lock()
	defer c.workforce.mu.Unlock()
	if grant, known := c.workforce.grants[token]; known {
		if grant.user.ClientID != client {
			return nil, invalidGrant("The token was not issued to this client.")
		}
		c.endGrant(grant, now)
		return nil, nil
	}
	if _, valid := c.google.lookup(token, now); !valid {
		return nil, nil
	}
	if c.workforce.clientOf(token) != client {
		return nil, invalidGrant("The token was not issued to this client.")
	}
	c.google.expire(token, now)
	return nil, nil
}

// endGrant voids a grant's tokens; the caller holds the lock.
func (c *Cloud) endGrant(grant *workforceGrant, now time.Time) {
	grant.refreshToken = ""
	for _, token := range grant.accessTokens {
		c.google.expire(token, now)
	}
}

// clientOf is the client that an access token was issued to; empty for a
// federated token. The caller holds the lock.
func (w *workforceState) clientOf(accessToken string) string {
	for _, grant := range w.grants {
		for _, issued := range grant.accessTokens {
			if issued == accessToken {
				return grant.user.ClientID
			}
		}
	}
	return ""
}

// expire has a token end now, unless it has already.
func (g *googleState) expire(token string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t, known := g.tokens[token]; known && now.Before(t.Expires) {
		t.Expires = now
		g.tokens[token] = t
	}
}

// introspection is RFC 7662's answer with the members that Google documents.
// Google's JSON has 64-bit numbers in quotes and leaves out what is empty.
type introspection struct {
	Active   bool   `json:"active"`
	ClientID string `json:"client_id,omitempty"`
	Expires  string `json:"exp,omitempty"`
	IssuedAt string `json:"iat,omitempty"`
	Issuer   string `json:"iss,omitempty"`
	Scope    string `json:"scope,omitempty"`
	Subject  string `json:"sub,omitempty"`
	Username string `json:"username,omitempty"`
}

// introspectToken knows access tokens of Google STS, whatever their client.
func (c *Cloud) introspectToken(form url.Values, _ string, now time.Time) (any, *oauthError) {
	token := form.Get("token")
	switch hint := form.Get("token_type_hint"); {
	case token == "":
		return nil, invalidRequest("Missing required parameter: token")
	case hint != "" && hint != "access_token" && hint != typeAccessToken:
		return nil, &oauthError{http.StatusBadRequest, "unsupported_token_type", "Invalid token_type_hint."}
	}
	t, valid := c.google.lookup(token, now)
	if !valid || t.Kind != FederatedToken && t.Kind != WorkforceToken {
		return introspection{}, nil
	}
	c.workforce.mu.Lock()
	defer c.workforce.mu.Unlock()
	return introspection{
		Active:   true,
		ClientID: c.workforce.clientOf(token),
		Expires:  strconv.FormatInt(t.Expires.Unix(), 10),
		IssuedAt: strconv.FormatInt(t.IssuedAt.Unix(), 10),
		Issuer:   "https://sts.googleapis.com/",
		Scope:    strings.Join(t.Scopes, " "),
		Subject:  strings.TrimPrefix(t.Principal, "principal:"+iamPrefix),
		Username: t.Principal,
	}, nil
}
