package fakecloud

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// serveSTS is Google STS: one path for exchanges of what others issued and of
// Google's own access tokens.
func (c *Cloud) serveSTS(w http.ResponseWriter, r *http.Request, call *Call) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body))
	if r.URL.Path != "/v1/token" || r.Method != http.MethodPost || form.Get("subject_token_type") != typeAccessToken {
		c.serveGoogleSTS(w, r, call)
		return
	}
	answer, refused := c.downscope(r, call.Time)
	writeOAuth(w, call, answer, refused)
}

// downscopedToken is Google's answer, which has no expires_in if the token is
// a user's.
type downscopedToken struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in,omitempty"`
}

func (c *Cloud) downscope(r *http.Request, now time.Time) (downscopedToken, *oauthError) {
	form, refused := oauthForm(r)
	if refused != nil {
		return downscopedToken{}, refused
	}
	switch {
	case form.Get("grant_type") != grantTokenExchange:
		return downscopedToken{}, &oauthError{http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type."}
	case form.Get("requested_token_type") != typeAccessToken:
		return downscopedToken{}, invalidRequest("Invalid requested_token_type.")
	case form.Has("audience"):
		return downscopedToken{}, invalidRequest("The audience and subject token type do not match.")
	}
	source, valid := c.google.lookup(form.Get("subject_token"), now)
	if !valid || source.Kind != AccessToken && source.Kind != UserToken {
		return downscopedToken{}, invalidGrant("Invalid subject_token: it is not an access token to which a boundary can be added.")
	}
	if refused := checkBoundary(form.Get("options")); refused != nil {
		return downscopedToken{}, refused
	}
	issued := IssuedToken{
		Token:     "ya29.d.d." + c.draw(200, base64URLAlphabet),
		Kind:      DownscopedToken,
		Principal: source.Principal,
		IssuedAt:  now,
		Expires:   source.Expires,
	}
	c.google.issue(issued)
	answer := downscopedToken{issued.Token, typeAccessToken, "Bearer", int64(issued.Expires.Sub(now) / time.Second)}
	if source.Kind == UserToken {
		answer.ExpiresIn = 0
	}
	return answer, nil
}

// checkBoundary knows Google's documented limits of options and its boundary.
func checkBoundary(options string) *oauthError {
	invalid := invalidRequest("Invalid value for \"options\".")
	if utf8.RuneCountInString(options) > 4096 {
		return invalid
	}
	var document struct {
		AccessBoundary struct{ AccessBoundaryRules []json.RawMessage }
	}
	if json.Unmarshal([]byte(options), &document) != nil {
		return invalid
	}
	rules := document.AccessBoundary.AccessBoundaryRules
	for _, raw := range rules {
		if !isBoundaryRule(raw) {
			return invalid
		}
	}
	if len(rules) < 1 || len(rules) > 10 {
		return invalid
	}
	return nil
}

func isBoundaryRule(raw json.RawMessage) bool {
	var rule struct {
		AvailableResource     string
		AvailablePermissions  []string
		AvailabilityCondition struct{ Expression string }
	}
	fields, err := strictObject(raw, []string{"availableResource", "availablePermissions"}, "availabilityCondition")
	if err != nil || json.Unmarshal(raw, &rule) != nil {
		return false
	}
	for _, permission := range rule.AvailablePermissions {
		if !strings.HasPrefix(permission, "inRole:") {
			return false
		}
	}
	conditioned := fields["availabilityCondition"] != nil
	return strings.HasPrefix(rule.AvailableResource, "//storage.") && len(rule.AvailablePermissions) > 0 &&
		conditioned == (rule.AvailabilityCondition.Expression != "") && utf8.RuneCountInString(rule.AvailabilityCondition.Expression) <= 2048
}
