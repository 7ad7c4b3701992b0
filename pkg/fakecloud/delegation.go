package fakecloud

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Delegation lets a service account act for the users of a Google Workspace
// domain (domain-wide delegation).
type Delegation struct {
	// ServiceAccount is the email of an account that [Cloud.AddServiceAccount]
	// made known.
	ServiceAccount string
	// Domain is the users', such as "example.com". Every address in it is a user.
	Domain string
	// Scopes are those that the administrator granted.
	Scopes []string
}

// AddDelegation makes a delegation known to Google's OAuth token endpoint,
// https://oauth2.googleapis.com/token (under a base URL: BASE/oauth2/token),
// beside others of the account. It panics if a field is missing.
//
// The endpoint takes what IAM Credentials' signJwt signed. All accounts share a
// key there, so it does not notice who signed: iss is believed.
func (c *Cloud) AddDelegation(d Delegation) {
	if d.ServiceAccount == "" || d.Domain == "" || len(d.Scopes) == 0 {
		panic("fakecloud: a Delegation needs ServiceAccount, Domain and Scopes")
	}
	c.workspace.mu.Lock()
	defer c.workspace.mu.Unlock()
	c.workspace.delegations = append(c.workspace.delegations, d)
}

// workspaceState is what administrators of domains have granted.
type workspaceState struct {
	mu          sync.Mutex
	delegations []Delegation
}

// grants reports whether an account may act for a user, with all those scopes.
func (w *workspaceState) grants(account, user string, scopes []string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, domain, _ := strings.Cut(user, "@")
	return slices.ContainsFunc(w.delegations, func(d Delegation) bool {
		return d.ServiceAccount == account && d.Domain == domain &&
			!slices.ContainsFunc(scopes, func(scope string) bool { return !slices.Contains(d.Scopes, scope) })
	})
}

const (
	oauthTokenPath = "/token"
	oauthAudience  = "https://oauth2.googleapis.com/token"
	grantJWTBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

// assertion is what a service account has signed to get a token (RFC 7523).
type assertion struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Scope    string `json:"scope"`
	Audience string `json:"aud"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

func identifyOAuth(r *http.Request, body []byte) (operation, resource string) {
	if r.URL.Path != oauthTokenPath {
		return "", ""
	}
	form, _ := url.ParseQuery(string(body))
	claims, _ := readAssertion(form.Get("assertion"))
	return "token", claims.Issuer
}

// readAssertion reads a JWT's claims and verifies nothing.
func readAssertion(token string) (claims assertion, ok bool) {
	parts := strings.Split(token, ".")
	return claims, len(parts) == 3 && decodeSegment(parts[1], &claims)
}

func (c *Cloud) serveOAuth(w http.ResponseWriter, r *http.Request, call *Call) {
	if r.URL.Path != oauthTokenPath || r.Method != http.MethodPost {
		errNoMethod.write(w, call)
		return
	}
	answer, refused := c.redeemAssertion(r, call.Time)
	writeOAuth(w, call, answer, refused)
}

// oauthToken is the token endpoint's answer (RFC 6749, 5.1).
type oauthToken struct {
	AccessToken string `json:"access_token"`
	Scope       string `json:"scope"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
}

// redeemAssertion gives a token of the account that signed, or of the user whom
// it acts for.
func (c *Cloud) redeemAssertion(r *http.Request, now time.Time) (oauthToken, *oauthError) {
	form, refused := oauthForm(r)
	if refused != nil {
		return oauthToken{}, refused
	}
	if grant := form.Get("grant_type"); grant != grantJWTBearer {
		return oauthToken{}, &oauthError{http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: " + grant[:min(len(grant), 100)]}
	}
	claims, refused := c.checkAssertion(form.Get("assertion"), now)
	if refused != nil {
		return oauthToken{}, refused
	}
	issued := IssuedToken{
		Token:     "ya29.a0." + c.draw(200, base64URLAlphabet),
		Kind:      AccessToken,
		Principal: claims.Issuer,
		Scopes:    strings.Fields(claims.Scope),
		IssuedAt:  now,
		Expires:   now.Add(time.Hour),
	}
	if claims.Subject != "" && claims.Subject != claims.Issuer {
		issued.Kind, issued.Principal = UserToken, claims.Subject
		if !c.workspace.grants(claims.Issuer, claims.Subject, issued.Scopes) {
			return oauthToken{}, &oauthError{http.StatusUnauthorized, "unauthorized_client",
				"Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."}
		}
	}
	c.google.issue(issued)
	return oauthToken{issued.Token, strings.Join(issued.Scopes, " "), "Bearer", int64(time.Hour / time.Second)}, nil
}

// checkAssertion checks all of an assertion but who may act for whom.
func (c *Cloud) checkAssertion(token string, now time.Time) (assertion, *oauthError) {
	const slack = 5 * time.Minute
	claims, ok := readAssertion(token)
	if !ok {
		return claims, invalidRequest("Bad Request")
	}
	account, known := c.google.account(claims.Issuer)
	issued, expires := time.Unix(claims.IssuedAt, 0), time.Unix(claims.Expires, 0)
	switch _, err := verifyJWT(token, claims.Issuer, now.Add(-slack)); {
	case !known || account.Email != claims.Issuer || account.Disabled:
		return claims, invalidGrant("Invalid grant: account not found")
	case expires.Sub(issued) > time.Hour || issued.After(now.Add(slack)) || expires.Before(now.Add(-slack)):
		return claims, invalidGrant("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.")
	case err != nil:
		return claims, invalidGrant("Invalid JWT Signature.")
	case claims.Audience != oauthAudience:
		return claims, invalidGrant("Invalid JWT: Failed audience check. The right audience is " + oauthAudience)
	}
	if scopes := strings.Fields(claims.Scope); len(scopes) == 0 || checkScopes(scopes) != nil {
		return claims, &oauthError{http.StatusBadRequest, "invalid_scope", "Invalid OAuth scope or ID token audience provided."}
	}
	return claims, nil
}
