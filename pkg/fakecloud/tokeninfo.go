package fakecloud

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func identifyTokenInfo(r *http.Request, _ []byte) (operation, resource string) {
	if r.URL.Path != "/tokeninfo" {
		return "", ""
	}
	return "tokeninfo", ""
}

// TokensInURLs counts the calls of tokeninfo that had a token in their URL.
// Google takes it there, but a URL ends up in logs: a client should send a form.
func (c *Cloud) TokensInURLs() int {
	c.google.mu.Lock()
	defer c.google.mu.Unlock()
	return c.google.inURLs
}

func (c *Cloud) serveTokenInfo(w http.ResponseWriter, r *http.Request, call *Call) {
	if r.URL.Path != "/tokeninfo" || r.Method != http.MethodPost && r.Method != http.MethodGet {
		errNoMethod.write(w, call)
		return
	}
	access, id := c.tokensOf(r)
	var info map[string]string
	var valid bool
	switch {
	case access != "":
		info, valid = c.accessTokenInfo(access, call.Time)
	case id != "":
		info, valid = idTokenInfo(id, call.Time)
	}
	if !valid {
		writeOAuth(w, call, nil, &oauthError{http.StatusBadRequest, "invalid_token", "Invalid Value"})
		return
	}
	writeJSON(w, http.StatusOK, info)
}

// tokensOf finds the tokens in the form or the URL.
func (c *Cloud) tokensOf(r *http.Request) (access, id string) {
	query := r.URL.Query()
	if query.Has("access_token") || query.Has("id_token") {
		c.google.mu.Lock()
		c.google.inURLs++
		c.google.mu.Unlock()
	}
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	if form.Has("access_token") || form.Has("id_token") {
		return form.Get("access_token"), form.Get("id_token")
	}
	return query.Get("access_token"), query.Get("id_token")
}

// accessTokenInfo describes a service account's access token. Federated tokens
// are not Google account tokens: tokeninfo does not know them. The email is only
// told to tokens with the scope for it.
func (c *Cloud) accessTokenInfo(token string, now time.Time) (map[string]string, bool) {
	t, valid := c.google.lookup(token, now)
	account, known := c.google.account(t.Principal)
	if !valid || !known || t.Kind != AccessToken {
		return nil, false
	}
	info := map[string]string{
		"azp":         account.UniqueID,
		"aud":         account.UniqueID,
		"sub":         account.UniqueID,
		"scope":       strings.Join(t.Scopes, " "),
		"exp":         strconv.FormatInt(t.Expires.Unix(), 10),
		"expires_in":  strconv.FormatInt(int64(t.Expires.Sub(now)/time.Second), 10),
		"access_type": "online",
	}
	if slices.Contains(t.Scopes, "email") || slices.Contains(t.Scopes, scopePrefix+"userinfo.email") {
		info["email"], info["email_verified"] = account.Email, "true"
	}
	return info, true
}

// idTokenInfo is an ID token's claims, with numbers and booleans as strings.
func idTokenInfo(token string, now time.Time) (map[string]string, bool) {
	verified, err := verifyJWT(token, googleIssuer, now)
	if err != nil {
		return nil, false
	}
	info := map[string]string{"alg": verified.alg, "kid": verified.kid, "typ": "JWT"}
	for name, claim := range verified.claims {
		switch claim := claim.(type) {
		case string:
			info[name] = claim
		case json.Number:
			info[name] = claim.String()
		case bool:
			info[name] = strconv.FormatBool(claim)
		}
	}
	return info, true
}
