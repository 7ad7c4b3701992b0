package fakecloud

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const targetHeader = "X-Goog-Cloud-Target-Resource"

// verifyAWS proves an AWS subject token: it unpacks the signed request and has
// the cloud's own AWS STS answer it, as Google does.
func (c *Cloud) verifyAWS(ctx context.Context, p Provider, token string) (identity, *oauthError) {
	r, err := parseAWSSubjectToken(token)
	if err != nil {
		return identity{}, badAWSRequest("%s", err)
	}
	if target := r.Header.Get(targetHeader); target != p.Audience {
		return identity{}, badAWSRequest("the header x-goog-cloud-target-resource is %.200q, not the audience", target)
	}
	var signed bool
	if s, refused := parseSigV4(r); refused == nil {
		signed = s.signs(strings.ToLower(targetHeader))
	}
	if p.RequireSignedTarget && !signed {
		return identity{}, badAWSRequest("the provider requires that x-goog-cloud-target-resource is signed")
	}
	caller, refused := c.askAWS(r.WithContext(ctx))
	if refused != nil {
		return identity{}, refused
	}
	if caller.Account != p.AWSAccount {
		return identity{}, invalidGrant("The AWS account " + caller.Account + " of the given credential is not the account of the provider.")
	}
	id := identity{subject: caller.ARN, targetSigned: signed}
	if arn, _ := parseARN(caller.ARN); arn.kind == "assumed-role" {
		id.role = arn.ofRole("sts", "assumed-role")
	}
	return id, nil
}

// badAWSRequest adds to Google's text, in parentheses, the reason that Google
// keeps to itself.
func badAWSRequest(format string, args ...any) *oauthError {
	return invalidGrant("AWS request has invalid format. (" + fmt.Sprintf(format, args...) + ")")
}

// askAWS hands the signed request to AWS STS, where faults may strike it and
// from where it is on record like any other call.
func (c *Cloud) askAWS(r *http.Request) (callerIdentity, *oauthError) {
	response, err := c.RoundTrip(r)
	if err != nil {
		return callerIdentity{}, errUnavailable
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return callerIdentity{}, errUnavailable
	}
	var answer struct {
		Identity struct {
			ARN     string `xml:"Arn"`
			Account string
		} `xml:"GetCallerIdentityResult"`
		Error struct{ Code, Message string }
	}
	err = xml.Unmarshal(body, &answer)
	switch {
	case err == nil && response.StatusCode == http.StatusOK && answer.Identity.ARN != "":
		return callerIdentity{ARN: answer.Identity.ARN, Account: answer.Identity.Account}, nil
	case err == nil && answer.Error.Code != "":
		return callerIdentity{}, invalidGrant(fmt.Sprintf("Received invalid AWS response of type %s with error message: %s", answer.Error.Code, answer.Error.Message))
	}
	return callerIdentity{}, errUnavailable
}

// parseAWSSubjectToken makes the request again that a subject token describes:
// URL-quoted JSON {"url","method","headers":[{"key","value"}…],"body"?}. It is
// strict, so that a client which Google would merely tolerate is found out. Its
// errors quote names and URLs, never a header's value.
func parseAWSSubjectToken(token string) (*http.Request, error) {
	document, err := url.QueryUnescape(token)
	if err != nil {
		return nil, errors.New("the subject token is not URL-quoted")
	}
	fields, err := strictObject([]byte(document), []string{"url", "method", "headers"}, "body")
	if err != nil {
		return nil, fmt.Errorf("the subject token %w", err)
	}
	var target, method, body string
	var list []json.RawMessage
	if json.Unmarshal(fields["url"], &target) != nil || json.Unmarshal(fields["method"], &method) != nil ||
		json.Unmarshal(fields["headers"], &list) != nil || fields["body"] != nil && json.Unmarshal(fields["body"], &body) != nil {
		return nil, errors.New("url, method and body have to be strings, headers an array")
	}
	if method != http.MethodPost {
		return nil, fmt.Errorf("the method is %.20q, not POST", method)
	}
	if err := checkVerificationURL(target); err != nil {
		return nil, err
	}
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	return r, readHeaders(r, list)
}

// checkVerificationURL allows GetCallerIdentity of AWS STS and nothing else:
// Google must not be made to send a signed request anywhere a client likes.
func checkVerificationURL(target string) error {
	u, err := url.Parse(target)
	if err != nil {
		return errors.New("the url cannot be parsed")
	}
	if u.Scheme != "https" || u.User != nil || !isSTSHost(u.Host) || u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return fmt.Errorf("the url %.200q is not https://sts.REGION.amazonaws.com", target)
	}
	if u.Query().Encode() != "Action=GetCallerIdentity&Version="+awsSTSVersion {
		return errors.New("the url's query is not Action=GetCallerIdentity&Version=" + awsSTSVersion)
	}
	return nil
}

// isSTSHost knows sts.amazonaws.com, sts.REGION.amazonaws.com and the FIPS and
// Chinese forms of the latter.
func isSTSHost(host string) bool {
	name, found := strings.CutSuffix(strings.TrimSuffix(host, ".cn"), ".amazonaws.com")
	service, region, regional := strings.Cut(name, ".")
	if !found || service != "sts" && service != "sts-fips" {
		return false
	}
	isRegion := region != "" && strings.Trim(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	return isRegion || !regional && host == "sts.amazonaws.com"
}

// readHeaders puts the token's headers into the request.
func readHeaders(r *http.Request, list []json.RawMessage) error {
	for _, raw := range list {
		fields, err := strictObject(raw, []string{"key", "value"})
		if err != nil {
			return fmt.Errorf("a header %w", err)
		}
		var key, value string
		if json.Unmarshal(fields["key"], &key) != nil || json.Unmarshal(fields["value"], &value) != nil {
			return errors.New("a header's key and value have to be strings")
		}
		if r.Header.Values(key) != nil {
			return fmt.Errorf("the header %.60q is there twice", key)
		}
		r.Header.Set(key, value)
	}
	for _, required := range []string{"authorization", "host", "x-amz-date", "x-goog-cloud-target-resource"} {
		if r.Header.Get(required) == "" {
			return fmt.Errorf("the header %q is missing", required)
		}
	}
	if r.Header.Get("Host") != r.URL.Host {
		return errors.New("the header \"host\" is not the url's host")
	}
	r.Header.Del("Host") // http.Request carries it as Host, which NewRequest has set
	return nil
}

// strictObject reads a JSON object that has each required key once, perhaps
// some optional ones, and nothing else: encoding/json by itself takes duplicate
// keys and keys in another case.
func strictObject(raw []byte, required []string, optional ...string) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("is not a JSON object")
	}
	fields := map[string]json.RawMessage{}
	for decoder.More() {
		token, err := decoder.Token()
		key, isString := token.(string)
		if err != nil || !isString {
			return nil, errors.New("is not JSON")
		}
		if fields[key] != nil || !slices.Contains(required, key) && !slices.Contains(optional, key) {
			return nil, fmt.Errorf("has the key %.60q, which is unknown or there twice", key)
		}
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return nil, errors.New("is not JSON")
		}
		fields[key] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errors.New("is not JSON")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("has something after it")
	}
	for _, key := range required {
		if fields[key] == nil {
			return nil, fmt.Errorf("has no key %q", key)
		}
	}
	return fields, nil
}
