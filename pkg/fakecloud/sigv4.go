package fakecloud

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

const (
	sigV4Algorithm = "AWS4-HMAC-SHA256"
	sigV4Date      = "20060102T150405Z"
	// sigV4Window is how far a request's date may be from the service's clock,
	// either way; the border itself is still inside.
	sigV4Window = 15 * time.Minute
)

// awsError is a refusal with AWS's own code and, where it is known, AWS's own
// text. It never quotes a signature or a session token, as AWS's sometimes does.
type awsError struct {
	status  int
	code    string // as query services such as STS spell it
	message string
}

func (e *awsError) Error() string { return e.code + ": " + e.message }

// verifySigV4 tells whose key signed a request to a service such as "sts" or
// "secretsmanager". It is written from the IAM user guide ("Create a signed AWS
// API request") and shares nothing with any signer: a path is encoded once
// more than it was sent, the payload's hash is always that of the body, and
// only the Authorization header is looked at (no presigned URLs).
//
// Stricter than AWS where AWS's documentation is: every x-amz-* header that is
// present has to be signed.
func (c *Cloud) verifySigV4(r *http.Request, body []byte, service string, now time.Time) (AWSKey, *awsError) {
	s, refused := parseSigV4(r)
	if refused != nil {
		return AWSKey{}, refused
	}
	if refused := cmp.Or(s.checkScope(r, service), s.checkHeaders(r)); refused != nil {
		return AWSKey{}, refused
	}
	key, known := c.aws.key(s.accessKeyID)
	token := r.Header.Get("X-Amz-Security-Token")
	if !known || subtle.ConstantTimeCompare([]byte(token), []byte(key.SessionToken)) == 0 {
		return AWSKey{}, &awsError{http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid."}
	}
	if refused := s.checkFreshness(now); refused != nil {
		return AWSKey{}, refused
	}
	if subtle.ConstantTimeCompare([]byte(s.signature), []byte(s.sign(r, body, key.SecretAccessKey))) == 0 {
		return AWSKey{}, signatureMismatch("The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	// Last, as only the key's owner may learn that it has expired.
	if !key.Expires.IsZero() && !now.Before(key.Expires) {
		return AWSKey{}, &awsError{http.StatusForbidden, "ExpiredToken", "The security token included in the request is expired"}
	}
	return key, nil
}

func signatureMismatch(message string) *awsError {
	return &awsError{http.StatusForbidden, "SignatureDoesNotMatch", message}
}

func incompleteSignature(message string) *awsError {
	return &awsError{http.StatusBadRequest, "IncompleteSignature", message}
}

// sigV4 is what a request says about its own signature.
type sigV4 struct {
	accessKeyID            string
	day, region, service   string // the credential scope, without its terminator
	signedHeaders          []string
	signature              string
	date                   string // X-Amz-Date as it was sent
	at                     time.Time
	scopeEnd, headersField string
}

// parseSigV4 takes the Authorization and X-Amz-Date headers apart.
func parseSigV4(r *http.Request) (*sigV4, *awsError) {
	header := r.Header.Values("Authorization")
	if len(header) == 0 {
		return nil, &awsError{http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token"}
	}
	if len(header) > 1 {
		return nil, incompleteSignature("The request has more than one Authorization header.")
	}
	algorithm, rest, _ := strings.Cut(header[0], " ")
	if algorithm != sigV4Algorithm {
		return nil, incompleteSignature(fmt.Sprintf("Unsupported AWS 'algorithm': %.20q.", algorithm))
	}
	s := &sigV4{}
	var credential string
	fields := map[string]*string{"Credential": &credential, "SignedHeaders": &s.headersField, "Signature": &s.signature}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, isPair := strings.Cut(strings.TrimSpace(field), "=")
		if !isPair {
			return nil, incompleteSignature("A part of the Authorization header is not a valid key=value pair (missing equal-sign).")
		}
		to := fields[name]
		if to == nil {
			return nil, incompleteSignature("The Authorization header has a parameter twice, or one that it should not have.")
		}
		*to, fields[name] = value, nil
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if fields[name] != nil {
			return nil, incompleteSignature("Authorization header requires '" + name + "' parameter.")
		}
	}
	scope := strings.Split(credential, "/")
	if len(scope) != 5 {
		return nil, incompleteSignature("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term")
	}
	s.accessKeyID, s.day, s.region, s.service, s.scopeEnd = scope[0], scope[1], scope[2], scope[3], scope[4]
	s.signedHeaders = strings.Split(s.headersField, ";")
	return s, s.parseDate(r)
}

func (s *sigV4) parseDate(r *http.Request) *awsError {
	dates := r.Header.Values("X-Amz-Date")
	if len(dates) != 1 {
		return incompleteSignature("Authorization header requires existence of a 'X-Amz-Date' header.")
	}
	at, err := time.Parse(sigV4Date, dates[0])
	if err != nil || at.Format(sigV4Date) != dates[0] { // time.Parse takes fractions of a second
		return incompleteSignature(fmt.Sprintf("Date must be in ISO-8601 'basic format'. Got %.40q.", dates[0]))
	}
	s.date, s.at = dates[0], at
	return nil
}

// checkScope holds the credential scope against the date, the host's region
// and the service.
func (s *sigV4) checkScope(r *http.Request, service string) *awsError {
	switch {
	case s.scopeEnd != "aws4_request":
		return signatureMismatch(fmt.Sprintf("Credential should be scoped with a valid terminator: 'aws4_request', not %.20q.", s.scopeEnd))
	case s.service != service:
		return signatureMismatch("Credential should be scoped to correct service: '" + service + "'.")
	case s.day != s.date[:len("20060102")]:
		return signatureMismatch(fmt.Sprintf("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "+
			"%.20q != '%s', from '%s'.", s.day, s.date[:len("20060102")], s.date))
	}
	if want, told := regionOfHost(r.Host); told && s.region != want || s.region == "" {
		return signatureMismatch(fmt.Sprintf("Credential should be scoped to a valid region, not %.30q.", s.region))
	}
	return nil
}

// regionOfHost tells the region that a host of AWS serves; a host of ours, such
// as 127.0.0.1, tells none.
func regionOfHost(host string) (region string, told bool) {
	name, found := strings.CutSuffix(strings.TrimSuffix(host, ".cn"), ".amazonaws.com")
	if !found {
		return "", false
	}
	if _, region, regional := strings.Cut(name, "."); regional {
		return region, true
	}
	return "us-east-1", true // the global endpoint
}

// checkHeaders makes sure that the list of signed headers is the canonical
// one, covers what has to be covered, and names no header that is absent.
func (s *sigV4) checkHeaders(r *http.Request) *awsError {
	for i, name := range s.signedHeaders {
		if name != strings.ToLower(name) || i > 0 && s.signedHeaders[i-1] >= name {
			return signatureMismatch("SignedHeaders must be lowercase, sorted and without duplicates.")
		}
		if _, present := headerValue(r, name); !present {
			return signatureMismatch(fmt.Sprintf("SignedHeaders names %.60q, which the request does not have.", name))
		}
	}
	if !s.signs("host") {
		return signatureMismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") && !s.signs(name) {
			return signatureMismatch(fmt.Sprintf("There were headers present in the request which were not signed: %.60q.", name))
		}
	}
	return nil
}

// signs reports whether the signature covers a header, named in lower case.
func (s *sigV4) signs(header string) bool { return slices.Contains(s.signedHeaders, header) }

func (s *sigV4) checkFreshness(now time.Time) *awsError {
	now = now.UTC().Truncate(time.Second)
	if oldest := now.Add(-sigV4Window); s.at.Before(oldest) {
		return signatureMismatch(fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - 15 min.)",
			s.date, oldest.Format(sigV4Date), now.Format(sigV4Date)))
	}
	if newest := now.Add(sigV4Window); s.at.After(newest) {
		return signatureMismatch(fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + 15 min.)",
			s.date, newest.Format(sigV4Date), now.Format(sigV4Date)))
	}
	return nil
}

// sign computes the signature that the request should have.
func (s *sigV4) sign(r *http.Request, body []byte, secret string) string {
	scope := strings.Join([]string{s.day, s.region, s.service, "aws4_request"}, "/")
	request := sha256.Sum256([]byte(s.canonicalRequest(r, body)))
	toSign := strings.Join([]string{sigV4Algorithm, s.date, scope, hex.EncodeToString(request[:])}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.day, s.region, s.service, "aws4_request"} {
		key = hmacSHA256(key, part)
	}
	return hex.EncodeToString(hmacSHA256(key, toSign))
}

func hmacSHA256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func (s *sigV4) canonicalRequest(r *http.Request, body []byte) string {
	// What the client sent, whatever prefix was cut off r.URL.
	sentPath, query, _ := strings.Cut(r.RequestURI, "?")
	payload := sha256.Sum256(body)
	var b strings.Builder
	for _, line := range []string{r.Method, canonicalPath(sentPath), canonicalQuery(query)} {
		b.WriteString(line + "\n")
	}
	for _, name := range s.signedHeaders {
		value, _ := headerValue(r, name)
		b.WriteString(name + ":" + value + "\n")
	}
	b.WriteString("\n" + s.headersField + "\n" + hex.EncodeToString(payload[:]))
	return b.String()
}

// headerValue is a header's canonical value: the values trimmed, inner runs of
// spaces made one, several joined by commas.
func headerValue(r *http.Request, name string) (value string, present bool) {
	if name == "host" {
		return r.Host, r.Host != ""
	}
	values := r.Header.Values(name)
	trimmed := make([]string, len(values))
	for i, v := range values {
		trimmed[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(trimmed, ","), len(values) > 0
}

// canonicalPath normalizes a path as RFC 3986 does and encodes each segment of
// what was sent, which already is encoded, once more (all services but S3).
func canonicalPath(sent string) string {
	clean := path.Clean("/" + sent)
	if clean != "/" && strings.HasSuffix(sent, "/") {
		clean += "/"
	}
	segments := strings.Split(clean, "/")
	for i, segment := range segments {
		segments[i] = uriEncode(segment)
	}
	return strings.Join(segments, "/")
}

// canonicalQuery sorts by encoded name, then by encoded value. Sorting whole
// "name=value" strings would be wrong: "=" sorts after "-".
func canonicalQuery(sent string) string {
	type pair struct{ name, value string }
	var pairs []pair
	for field := range strings.SplitSeq(sent, "&") {
		if field == "" {
			continue
		}
		name, value, _ := strings.Cut(field, "=")
		pairs = append(pairs, pair{reencode(name), reencode(value)})
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
	fields := make([]string, len(pairs))
	for i, p := range pairs {
		fields[i] = p.name + "=" + p.value
	}
	return strings.Join(fields, "&")
}

// reencode puts a part of a query into the one encoding that is signed.
func reencode(sent string) string {
	decoded, err := url.QueryUnescape(sent)
	if err != nil {
		decoded = sent
	}
	return uriEncode(decoded)
}

// uriEncode is AWS's UriEncode: everything but RFC 3986's unreserved
// characters, byte by byte, in upper-case hex.
func uriEncode(s string) string {
	const upperHex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch ch := s[i]; {
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9', ch == '-', ch == '.', ch == '_', ch == '~':
			b.WriteByte(ch)
		default:
			b.Write([]byte{'%', upperHex[ch>>4], upperHex[ch&15]})
		}
	}
	return b.String()
}
