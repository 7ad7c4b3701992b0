package fakecloud

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	grantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeAccessToken    = "urn:ietf:params:oauth:token-type:access_token"
	typeAWSRequest     = "urn:ietf:params:aws:token-type:aws4_request"
	typeJWT            = "urn:ietf:params:oauth:token-type:jwt"
	typeIDToken        = "urn:ietf:params:oauth:token-type:id_token"
)

// oauthError is a refusal of Google STS. The texts are Google's own where they
// are known from public reports, else made up in their manner.
type oauthError struct {
	status      int
	code        string
	description string
}

// errUnavailable is a failure of Google's own, told in the shape of its other
// APIs.
var errUnavailable = &oauthError{status: http.StatusServiceUnavailable, code: "UNAVAILABLE", description: "The service is currently unavailable."}

func invalidRequest(description string) *oauthError {
	return &oauthError{http.StatusBadRequest, "invalid_request", description}
}

func invalidGrant(description string) *oauthError {
	return &oauthError{http.StatusBadRequest, "invalid_grant", description}
}

// federatedToken is the RFC 8693 answer.
type federatedToken struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"`
}

func identifyGoogleSTS(r *http.Request, body []byte) (operation, resource string) {
	if r.URL.Path != "/v1/token" {
		return "", ""
	}
	form, _ := url.ParseQuery(string(body))
	return "token", form.Get("audience")
}

func (c *Cloud) serveGoogleSTS(w http.ResponseWriter, r *http.Request, call *Call) {
	if r.URL.Path != "/v1/token" || r.Method != http.MethodPost {
		errNoMethod.write(w, call)
		return
	}
	answer, refused := c.exchangeToken(r, call.Time)
	writeOAuth(w, call, answer, refused)
}

// writeOAuth writes an answer, which nil leaves empty, or else the refusal.
func writeOAuth(w http.ResponseWriter, call *Call, answer any, refused *oauthError) {
	switch {
	case refused == errUnavailable:
		(&googleError{code: refused.status, status: refused.code, message: refused.description}).write(w, call)
	case refused != nil:
		call.Err = refused.code
		writeJSON(w, refused.status, map[string]string{"error": refused.code, "error_description": refused.description})
	case answer != nil:
		writeJSON(w, http.StatusOK, answer)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

// exchangeToken is RFC 8693's token exchange, as far as Google does it.
func (c *Cloud) exchangeToken(r *http.Request, now time.Time) (federatedToken, *oauthError) {
	form, refused := oauthForm(r)
	if refused != nil {
		return federatedToken{}, refused
	}
	if refused := checkExchange(form); refused != nil {
		return federatedToken{}, refused
	}
	audience := form.Get("audience")
	p, known := c.google.provider(audience)
	if !known {
		return federatedToken{}, &oauthError{http.StatusBadRequest, "invalid_target", "The target service indicated by the \"audience\" parameters is invalid. " +
			"This might either be because the pool or provider is disabled or deleted or because it doesn't exist."}
	}
	if refused := p.checkClient(r, form); refused != nil {
		return federatedToken{}, refused
	}
	id, refused := c.prove(r.Context(), p, form, now)
	if refused != nil {
		return federatedToken{}, refused
	}
	if refused := p.admit(id); refused != nil {
		return federatedToken{}, refused
	}
	lifetime := cmp.Or(p.TokenLifetime, time.Hour)
	issued := IssuedToken{
		Token:        "ya29.d." + c.draw(200, base64URLAlphabet),
		Kind:         FederatedToken,
		Principal:    "principal:" + iamPrefix + p.pool() + "/subject/" + id.subject,
		Scopes:       strings.Fields(form.Get("scope")),
		Audience:     audience,
		IssuedAt:     now,
		Expires:      now.Add(lifetime),
		TargetSigned: id.targetSigned,
		pool:         p.pool(),
		awsRole:      id.role,
	}
	c.google.issue(issued)
	return federatedToken{issued.Token, typeAccessToken, "Bearer", int64(lifetime / time.Second)}, nil
}

// oauthForm reads a form in which no parameter is there twice (RFC 6749, 3.2).
func oauthForm(r *http.Request) (url.Values, *oauthError) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" {
		return nil, invalidRequest("The Content-Type is not application/x-www-form-urlencoded.")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, invalidRequest(err.Error())
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalidRequest("The body is not a form.")
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, invalidRequest(fmt.Sprintf("The parameter %.60q was given twice.", name))
		}
	}
	return form, nil
}

// checkExchange checks what needs no provider.
func checkExchange(form url.Values) *oauthError {
	for _, required := range []string{"grant_type", "audience", "scope", "requested_token_type", "subject_token", "subject_token_type"} {
		if form.Get(required) == "" {
			return invalidRequest("Missing required parameter: " + required)
		}
	}
	if form.Get("grant_type") != grantTokenExchange {
		return &oauthError{http.StatusBadRequest, "unsupported_grant_type", fmt.Sprintf("Invalid grant_type: %.100s", form.Get("grant_type"))}
	}
	if form.Get("requested_token_type") != typeAccessToken {
		return invalidRequest(fmt.Sprintf("Invalid requested_token_type: %.100s", form.Get("requested_token_type")))
	}
	if !isProviderName(form.Get("audience")) {
		return invalidRequest("Invalid value for \"audience\". This value should be the full resource name of the Identity Provider. " +
			"See https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list of possible formats.")
	}
	if refused := checkScopes(strings.Fields(form.Get("scope"))); refused != nil {
		return refused
	}
	if options := form.Get("options"); options != "" && json.Unmarshal([]byte(options), &map[string]any{}) != nil {
		return invalidRequest("Invalid value for \"options\". This value should be a serialized JSON object.")
	}
	return nil
}

const scopePrefix = "https://www.googleapis.com/auth/"

// checkScopes knows scopes by their form: Google's own list is long and grows.
func checkScopes(scopes []string) *oauthError {
	for _, scope := range scopes {
		if !isScope(scope) {
			return &oauthError{http.StatusBadRequest, "invalid_scope", fmt.Sprintf("Some requested scopes were invalid. {invalid=[%.100s]}", scope)}
		}
	}
	return nil
}

func isScope(scope string) bool {
	name, found := strings.CutPrefix(scope, scopePrefix)
	return found && name != "" || scope == "openid" || scope == "email" || scope == "profile"
}

// checkClient authenticates the OAuth client, which has to be the provider's
// (RFC 6749, 2.3.1: in the header or in the body, not in both).
func (p Provider) checkClient(r *http.Request, form url.Values) *oauthError {
	id, secret, inHeader := r.BasicAuth()
	inBody := form.Has("client_id") || form.Has("client_secret")
	switch {
	case inHeader && inBody:
		return invalidRequest("The client was authenticated in the header and in the body.")
	case inHeader:
		// The form encoding inside of Basic is RFC 6749's too.
		id, secret = formDecoded(id), formDecoded(secret)
	default:
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	isClient := subtle.ConstantTimeCompare([]byte(id), []byte(p.ClientID)) & subtle.ConstantTimeCompare([]byte(secret), []byte(p.ClientSecret))
	if isClient == 0 || r.Header.Get("Authorization") != "" && !inHeader {
		return &oauthError{http.StatusUnauthorized, "invalid_client", "The OAuth client was not found."}
	}
	return nil
}

func formDecoded(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}

// prove finds out whom the subject token stands for.
func (c *Cloud) prove(ctx context.Context, p Provider, form url.Values, now time.Time) (identity, *oauthError) {
	token := form.Get("subject_token")
	switch kind := form.Get("subject_token_type"); {
	case p.Kind == AWSProvider && kind == typeAWSRequest:
		return c.verifyAWS(ctx, p, token)
	case p.Kind == OIDCProvider && (kind == typeJWT || kind == typeIDToken):
		return c.verifyOIDC(p, token, now)
	}
	return identity{}, invalidRequest("The audience and subject token type do not match.")
}
