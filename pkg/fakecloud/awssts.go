package fakecloud

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	awsSTSVersion   = "2011-06-15"
	awsSTSNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"
)

// awsSTSActions are the operations of AWS STS that the cloud knows.
var awsSTSActions = map[string]func(*Cloud, *awsSTSCall) (any, *awsError){
	"GetCallerIdentity":   (*Cloud).getCallerIdentity,
	"AssumeRole":          (*Cloud).assumeRole,
	"GetWebIdentityToken": (*Cloud).getWebIdentityToken,
}

// awsSTSCall is a call whose signature has been verified.
type awsSTSCall struct {
	caller AWSKey
	form   url.Values
	host   string
	now    time.Time
}

func identifyAWSSTS(r *http.Request, body []byte) (operation, resource string) {
	form := queryForm(r, body)
	action := form.Get("Action")
	if _, known := awsSTSActions[action]; !known {
		return "", ""
	}
	return action, cmp.Or(form.Get("RoleArn"), form.Get("Audience.member.1"))
}

// queryForm is what the query protocol takes its parameters from: the query
// and, of a POST, the form in the body.
func queryForm(r *http.Request, body []byte) url.Values {
	form := r.URL.Query()
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" {
		return form
	}
	fromBody, _ := url.ParseQuery(string(body))
	for name, values := range fromBody {
		form[name] = append(form[name], values...)
	}
	return form
}

func (c *Cloud) serveAWSSTS(w http.ResponseWriter, r *http.Request, call *Call) {
	requestID := c.drawUUID()
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("X-Amzn-Requestid", requestID)
	result, refused := c.answerAWSSTS(r, call)
	if refused != nil {
		call.Err = refused.code
		w.WriteHeader(refused.status)
		writeXML(w, awsErrorResponse{
			Namespace: awsSTSNamespace, Type: "Sender", Code: refused.code, Message: refused.message, RequestID: requestID,
		})
		return
	}
	writeXML(w, awsResponse{
		XMLName:   xml.Name{Space: awsSTSNamespace, Local: call.Operation + "Response"},
		Result:    result,
		RequestID: requestID,
	})
}

func (c *Cloud) answerAWSSTS(r *http.Request, call *Call) (any, *awsError) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, validationError(err.Error())
	}
	key, refused := c.verifySigV4(r, body, "sts", call.Time)
	if refused != nil {
		return nil, refused
	}
	call.Principal = key.ARN
	form := queryForm(r, body)
	for name, values := range form {
		if len(values) > 1 {
			return nil, &awsError{http.StatusNotFound, "MalformedQueryString", fmt.Sprintf("The parameter %.60q was given twice.", name)}
		}
	}
	action, version := form.Get("Action"), form.Get("Version")
	if action == "" {
		return nil, &awsError{http.StatusBadRequest, "MissingAction", "The request is missing an action or a required parameter."}
	}
	do, known := awsSTSActions[action]
	if !known || version != awsSTSVersion {
		return nil, noSuchAction(action, version)
	}
	return do(c, &awsSTSCall{caller: key, form: form, host: r.Host, now: call.Time})
}

func noSuchAction(action, version string) *awsError {
	return &awsError{http.StatusBadRequest, "InvalidAction", fmt.Sprintf("Could not find operation %.60s for version %.20s", action, version)}
}

func validationError(problem string) *awsError {
	return &awsError{http.StatusBadRequest, "ValidationError", "1 validation error detected: " + problem}
}

type callerIdentity struct {
	XMLName xml.Name `xml:"GetCallerIdentityResult"`
	ARN     string   `xml:"Arn"`
	UserID  string   `xml:"UserId"`
	Account string   `xml:"Account"`
}

func (c *Cloud) getCallerIdentity(call *awsSTSCall) (any, *awsError) {
	return callerIdentity{ARN: call.caller.ARN, UserID: call.caller.UserID, Account: call.caller.Account}, nil
}

type assumedRole struct {
	XMLName         xml.Name `xml:"AssumeRoleResult"`
	AccessKeyID     string   `xml:"Credentials>AccessKeyId"`
	SecretAccessKey string   `xml:"Credentials>SecretAccessKey"`
	SessionToken    string   `xml:"Credentials>SessionToken"`
	Expiration      string   `xml:"Credentials>Expiration"`
	AssumedRoleID   string   `xml:"AssumedRoleUser>AssumedRoleId"`
	ARN             string   `xml:"AssumedRoleUser>Arn"`
}

// assumeRole makes temporary keys of a role and adds them to the account.
func (c *Cloud) assumeRole(call *awsSTSCall) (any, *awsError) {
	roleARN, session := call.form.Get("RoleArn"), call.form.Get("RoleSessionName")
	if len(session) < 2 || len(session) > 64 || strings.Trim(session, sessionNameAlphabet) != "" {
		return nil, validationError(fmt.Sprintf("Value %.70q at 'roleSessionName' failed to satisfy constraint: "+
			"Member must have length between 2 and 64 and satisfy regular expression pattern: [\\w+=,.@-]*", session))
	}
	role, known := c.aws.role(roleARN)
	if !known || !role.trusts(call.caller) || role.ExternalID != "" && role.ExternalID != call.form.Get("ExternalId") {
		return nil, &awsError{http.StatusForbidden, "AccessDenied", fmt.Sprintf(
			"User: %s is not authorized to perform: sts:AssumeRole on resource: %.200s", call.caller.ARN, roleARN)}
	}
	lifetime, refused := role.sessionLifetime(call)
	if refused != nil {
		return nil, refused
	}
	arn, _ := parseARN(role.ARN)
	key := AWSKey{
		AccessKeyID:     "ASIA" + c.draw(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
		SecretAccessKey: c.draw(40, base64URLAlphabet),
		SessionToken:    "IQoJb3JpZ2luX2VjE" + c.draw(300, base64URLAlphabet) + "==",
		ARN:             arn.ofRole("sts", "assumed-role") + "/" + session,
		Expires:         call.now.Add(lifetime).UTC().Truncate(time.Second),
	}
	c.AddAWSKey(key)
	key, _ = c.aws.key(key.AccessKeyID)
	return assumedRole{
		AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey, SessionToken: key.SessionToken,
		Expiration: key.Expires.Format(time.RFC3339), AssumedRoleID: key.UserID, ARN: key.ARN,
	}, nil
}

const sessionNameAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-"

// sessionLifetime is DurationSeconds within what AWS allows: 15 minutes to the
// role's maximum, and never more than an hour for a role that was assumed with
// another role's keys.
func (role AWSRole) sessionLifetime(call *awsSTSCall) (time.Duration, *awsError) {
	seconds, refused := call.seconds(3600, 900, 43200)
	lifetime := time.Duration(seconds) * time.Second
	caller, _ := parseARN(call.caller.ARN)
	switch {
	case refused != nil:
		return 0, refused
	case caller.kind == "assumed-role" && lifetime > time.Hour:
		return 0, &awsError{http.StatusBadRequest, "ValidationError",
			"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"}
	case lifetime > cmp.Or(role.MaxSession, time.Hour):
		return 0, &awsError{http.StatusBadRequest, "ValidationError",
			"The requested DurationSeconds exceeds the MaxSessionDuration set for this role."}
	}
	return lifetime, nil
}

// seconds reads DurationSeconds.
func (call *awsSTSCall) seconds(unset, least, most int) (int, *awsError) {
	text := call.form.Get("DurationSeconds")
	if text == "" {
		return unset, nil
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < least || seconds > most {
		return 0, validationError(fmt.Sprintf("Value %.20q at 'durationSeconds' failed to satisfy constraint: "+
			"Member must have value between %d and %d", text, least, most))
	}
	return seconds, nil
}

type webIdentityToken struct {
	XMLName    xml.Name `xml:"GetWebIdentityTokenResult"`
	Token      string   `xml:"WebIdentityToken"`
	Expiration string   `xml:"Expiration"`
}

// getWebIdentityToken makes the JWT of AWS's outbound web identity federation.
func (c *Cloud) getWebIdentityToken(call *awsSTSCall) (any, *awsError) {
	if strings.HasPrefix(call.host, "sts.amazonaws.com") {
		return nil, noSuchAction("GetWebIdentityToken", awsSTSVersion) // regional endpoints only
	}
	seconds, refused := call.seconds(300, 60, 3600)
	if refused != nil {
		return nil, refused
	}
	alg, audience := call.form.Get("SigningAlgorithm"), call.members("Audience")
	switch {
	case keyIDs[alg] == "":
		return nil, validationError(fmt.Sprintf("Value %.20q at 'signingAlgorithm' failed to satisfy constraint: "+
			"Member must satisfy enum value set: [RS256, ES384]", alg))
	case len(audience) == 0 || len(audience) > 10 || slices.Contains(audience, ""):
		return nil, validationError("Value at 'audience' failed to satisfy constraint: Member must have length between 1 and 10")
	}
	expires := call.now.Add(time.Duration(seconds) * time.Second).UTC().Truncate(time.Second)
	if end := call.caller.Expires; !end.IsZero() && expires.After(end) {
		return nil, &awsError{http.StatusForbidden, "SessionDurationEscalationException",
			"The requested token duration would extend the session beyond its original expiration time."}
	}
	claims, err := json.Marshal(c.webIdentityClaims(call, audience, expires))
	if err != nil {
		panic(err) // strings and numbers only
	}
	return webIdentityToken{Token: signJWT(alg, claims), Expiration: expires.Format(time.RFC3339)}, nil
}

func (c *Cloud) webIdentityClaims(call *awsSTSCall, audience []string, expires time.Time) map[string]any {
	subject := call.caller.ARN
	if arn, _ := parseARN(subject); arn.kind == "assumed-role" {
		subject = arn.ofRole("iam", "role")
	}
	own := map[string]any{"aws_account": call.caller.Account}
	if region, told := regionOfHost(call.host); told {
		own["source_region"] = region
	}
	claims := map[string]any{
		"iss": awsIssuer, "sub": subject, "aud": audience, "jti": c.drawUUID(),
		"iat": call.now.Unix(), "exp": expires.Unix(), "https://sts.amazonaws.com/": own,
	}
	if len(audience) == 1 {
		claims["aud"] = audience[0]
	}
	return claims
}

// members are a list of the query protocol: NAME.member.1, NAME.member.2, …
func (call *awsSTSCall) members(name string) []string {
	var list []string
	for {
		values, present := call.form[name+".member."+strconv.Itoa(len(list)+1)]
		if !present {
			return list
		}
		list = append(list, values[0])
	}
}

// awsResponse is an answer of the query protocol.
type awsResponse struct {
	XMLName   xml.Name
	Result    any
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

// awsErrorResponse is a refusal of the query protocol.
type awsErrorResponse struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// writeXML cannot fail but for the connection, which is the client's trouble.
func writeXML(w http.ResponseWriter, v any) {
	_ = xml.NewEncoder(w).Encode(v)
}
