package fakecloud

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

const iamCredentialsHost = "iamcredentials.googleapis.com"

// iamMethod is one method of IAM Service Account Credentials.
type iamMethod struct {
	rpc        string // its name in ErrorInfo
	permission string
	required   []string // the request's fields
	optional   []string
	do         func(*Cloud, *iamCall) (any, *googleError)
}

var iamMethods = map[string]iamMethod{
	"generateAccessToken": {"GenerateAccessToken", "iam.serviceAccounts.getAccessToken", []string{"scope"}, []string{"delegates", "lifetime"}, (*Cloud).generateAccessToken},
	"generateIdToken":     {"GenerateIdToken", "iam.serviceAccounts.getOpenIdToken", []string{"audience"}, []string{"delegates", "includeEmail"}, (*Cloud).generateIDToken},
	"signBlob":            {"SignBlob", "iam.serviceAccounts.signBlob", []string{"payload"}, []string{"delegates"}, (*Cloud).signBlob},
	"signJwt":             {"SignJwt", "iam.serviceAccounts.signJwt", []string{"payload"}, []string{"delegates"}, (*Cloud).signJwt},
}

// iamRequest holds the fields of every method's request.
type iamRequest struct {
	Delegates    []string
	Scope        []string
	Lifetime     string
	Audience     string
	IncludeEmail bool
	Payload      string
}

// iamCall is a call by someone who may make it.
type iamCall struct {
	account ServiceAccount
	request iamRequest
	now     time.Time
}

func identifyIAMCredentials(r *http.Request, _ []byte) (operation, resource string) {
	email, method, ok := parseIAMPath(r.URL.Path)
	if !ok {
		return "", ""
	}
	return method, email
}

// parseIAMPath takes /v1/projects/-/serviceAccounts/EMAIL:METHOD apart. The
// wildcard is required: "replacing it with a project ID is invalid".
func parseIAMPath(path string) (account, method string, ok bool) {
	name, found := strings.CutPrefix(path, "/v1/projects/-/serviceAccounts/")
	account, method, _ = strings.Cut(name, ":")
	_, known := iamMethods[method]
	return account, method, found && known && account != "" && !strings.Contains(account, "/")
}

func (c *Cloud) serveIAMCredentials(w http.ResponseWriter, r *http.Request, call *Call) {
	answer, refused := c.answerIAMCredentials(r, call)
	if refused != nil {
		refused.write(w, call)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (c *Cloud) answerIAMCredentials(r *http.Request, call *Call) (any, *googleError) {
	name, methodName, ok := parseIAMPath(r.URL.Path)
	if !ok || r.Method != http.MethodPost {
		return nil, errNoMethod
	}
	method := iamMethods[methodName]
	caller, refused := c.bearer(r, method, call.Time)
	if refused != nil {
		return nil, refused
	}
	call.Principal = caller.Principal
	request, refused := readIAMRequest(r, method)
	if refused != nil {
		return nil, refused
	}
	account, refused := c.impersonated(caller, name, request.Delegates, method.permission)
	if refused != nil {
		return nil, refused
	}
	return method.do(c, &iamCall{account: account, request: request, now: call.Time})
}

// bearer finds the caller's token and checks that it is good for this API.
func (c *Cloud) bearer(r *http.Request, method iamMethod, now time.Time) (IssuedToken, *googleError) {
	metadata := map[string]string{"service": iamCredentialsHost, "method": "google.iam.credentials.v1.IAMCredentials." + method.rpc}
	const see = "Expected OAuth 2 access token, login cookie or other valid authentication credential. " +
		"See https://developers.google.com/identity/sign-in/web/devconsole-project."
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !isBearer {
		return IssuedToken{}, &googleError{http.StatusUnauthorized, "UNAUTHENTICATED",
			"Request is missing required authentication credential. " + see, "CREDENTIALS_MISSING", "googleapis.com", metadata}
	}
	caller, valid := c.google.lookup(token, now)
	if !valid || caller.Kind == IDToken {
		return IssuedToken{}, &googleError{http.StatusUnauthorized, "UNAUTHENTICATED",
			"Request had invalid authentication credentials. " + see, "ACCESS_TOKEN_TYPE_UNSUPPORTED", "googleapis.com", metadata}
	}
	if !slices.Contains(caller.Scopes, scopePrefix+"cloud-platform") && !slices.Contains(caller.Scopes, scopePrefix+"iam") {
		return IssuedToken{}, &googleError{http.StatusForbidden, "PERMISSION_DENIED",
			"Request had insufficient authentication scopes.", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "googleapis.com", metadata}
	}
	return caller, nil
}

// readIAMRequest reads a method's request, which has no other fields than it
// should.
func readIAMRequest(r *http.Request, method iamMethod) (request iamRequest, _ *googleError) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return request, invalidArgument(err.Error())
	}
	fields, err := strictObject(body, nil, slices.Concat(method.required, method.optional)...)
	if err != nil {
		return request, invalidArgument("Invalid JSON payload received. The request " + err.Error() + ".")
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return request, invalidArgument("Invalid JSON payload received. " + err.Error())
	}
	for _, name := range method.required {
		if text := string(fields[name]); text == "" || text == `""` || text == "[]" || text == "null" {
			return request, invalidArgument("The request's field " + name + " is required.")
		}
	}
	return request, nil
}

// accessToken is generateAccessToken's answer.
type accessToken struct {
	AccessToken string `json:"accessToken"`
	ExpireTime  string `json:"expireTime"`
}

func (c *Cloud) generateAccessToken(call *iamCall) (any, *googleError) {
	lifetime, refused := call.account.lifetime(call.request.Lifetime)
	if refused != nil {
		return nil, refused
	}
	if i := slices.IndexFunc(call.request.Scope, func(s string) bool { return !isScope(s) }); i >= 0 {
		return nil, invalidArgument(fmt.Sprintf("Invalid scope: %.100q", call.request.Scope[i]))
	}
	issued := IssuedToken{
		Token:     "ya29.c." + c.draw(300, base64URLAlphabet),
		Kind:      AccessToken,
		Principal: call.account.Email,
		Scopes:    call.request.Scope,
		IssuedAt:  call.now,
		Expires:   call.now.Add(lifetime),
	}
	layout := time.RFC3339
	if call.account.FractionalExpiry {
		layout = "2006-01-02T15:04:05.000000000Z07:00"
	} else {
		issued.Expires = issued.Expires.Truncate(time.Second)
	}
	c.google.issue(issued)
	return accessToken{issued.Token, issued.Expires.UTC().Format(layout)}, nil
}

func (c *Cloud) generateIDToken(call *iamCall) (any, *googleError) {
	expires := call.now.Add(cmp.Or(call.account.IDTokenLifetime, time.Hour))
	claims := map[string]any{
		"iss": googleIssuer, "aud": call.request.Audience, "azp": call.account.UniqueID, "sub": call.account.UniqueID,
		"iat": call.now.Unix(), "exp": expires.Unix(),
	}
	if call.request.IncludeEmail {
		claims["email"], claims["email_verified"] = call.account.Email, true
	}
	document, err := json.Marshal(claims)
	if err != nil {
		panic(err) // strings, numbers and a bool only
	}
	issued := IssuedToken{
		Token:     signJWT("RS256", document),
		Kind:      IDToken,
		Principal: call.account.Email,
		Audience:  call.request.Audience,
		IssuedAt:  call.now,
		Expires:   time.Unix(expires.Unix(), 0),
	}
	c.google.issue(issued)
	return map[string]string{"token": issued.Token}, nil
}

// signBlob signs with the account's Google-managed key, RSA with SHA-256.
func (c *Cloud) signBlob(call *iamCall) (any, *googleError) {
	payload, err := base64.StdEncoding.DecodeString(call.request.Payload)
	if err != nil {
		return nil, invalidArgument("Invalid value at 'payload' (TYPE_BYTES), Base64 decoding failed.")
	}
	return map[string]string{"keyId": keyIDs["RS256"], "signedBlob": base64.StdEncoding.EncodeToString(signRS256(payload))}, nil
}

// signJwt signs a claims set as it is; its exp may be at most 12 hours away.
func (c *Cloud) signJwt(call *iamCall) (any, *googleError) {
	var claims struct{ Exp *int64 }
	if err := json.Unmarshal([]byte(call.request.Payload), &claims); err != nil || !strings.HasPrefix(strings.TrimSpace(call.request.Payload), "{") {
		return nil, invalidArgument("The payload is not a JSON object, or its exp is not an integer.")
	}
	if claims.Exp != nil && time.Unix(*claims.Exp, 0).After(call.now.Add(12*time.Hour)) {
		return nil, invalidArgument("The payload's exp is more than 12 hours in the future.")
	}
	return map[string]string{"keyId": keyIDs["RS256"], "signedJwt": signJWT("RS256", []byte(call.request.Payload))}, nil
}
