// Package awsquery reads how AWS refuses in the query protocol, which AWS STS speaks.
package awsquery

import (
	"encoding/xml"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// Refusal is what AWS says when it does not do what was asked.
type Refusal struct {
	// Code is AWS's, such as "AccessDenied"; never empty.
	Code string
	// Message has no signed request in it, but may quote a part of one.
	Message string
	// Retryable is for throttling and the like, which AWS STS answers with 400.
	Retryable bool
}

// ParseRefusal reads the body of an answer whose status is an error. It returns the
// zero Refusal and false if that is none of the protocol's, as a proxy's is not.
func ParseRefusal(body []byte) (Refusal, bool) {
	var doc struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Code    string   `xml:"Error>Code"`
		Message string   `xml:"Error>Message"`
	}
	if xml.Unmarshal(body, &doc) != nil || doc.Code == "" {
		return Refusal{}, false
	}
	_, throttled := retry.DefaultThrottleErrorCodes[doc.Code]
	_, timedOut := retry.DefaultRetryableErrorCodes[doc.Code]
	// SignatureDoesNotMatch goes on with the signed request, session token
	// included, even where a proxy has made one line of it.
	message, _, _ := strings.Cut(doc.Message, "The Canonical String")
	return Refusal{Code: doc.Code, Message: message, Retryable: throttled || timedOut}, true
}
