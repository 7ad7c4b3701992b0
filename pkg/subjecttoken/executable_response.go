package subjecttoken

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

// response is what a program answers.
type response struct {
	success bool
	// code and message are those of a failure, fit to be shown.
	code, message string

	tokenType             string
	idToken, samlResponse secret.Text
	expires               time.Time // zero if it was not told
}

// latestExpiry is the year 5138. A time beyond it is one in milliseconds, and
// a token that never seems to expire is never replaced.
const latestExpiry = 100_000_000_000

// readResponse reads an answer of version 1, the only one there is. If its form
// is wrong, flaw is what to say of it, such as "is empty"; no token is quoted.
func readResponse(content []byte) (_ response, flaw string) {
	var doc struct {
		Version      *float64    `json:"version"`
		Success      *bool       `json:"success"`
		TokenType    string      `json:"token_type"`
		IDToken      secret.Text `json:"id_token"`
		SAMLResponse secret.Text `json:"saml_response"`
		Expiration   *float64    `json:"expiration_time"`
		Code         looseText   `json:"code"`
		Message      looseText   `json:"message"`
	}
	switch err := json.Unmarshal(content, &doc); {
	case len(content) == 0:
		return response{}, "is empty"
	case err != nil:
		return response{}, jsonFlaw(err)
	case doc.Version == nil:
		return response{}, "has no version"
	case *doc.Version != 1:
		return response{}, fmt.Sprintf("is of version %v; only version 1 is known", *doc.Version)
	case doc.Success == nil:
		return response{}, "has no success"
	case !*doc.Success && (doc.Code == "" || doc.Message == ""):
		return response{}, "tells a failure without code and message"
	case !*doc.Success:
		return response{code: googleapi.Quote(string(doc.Code)), message: googleapi.Quote(string(doc.Message))}, ""
	}
	answer := response{success: true, tokenType: doc.TokenType, idToken: doc.IDToken, samlResponse: doc.SAMLResponse}
	if doc.Expiration != nil {
		if *doc.Expiration <= 0 || *doc.Expiration >= latestExpiry {
			return response{}, "has an expiration_time that is no number of seconds since 1970"
		}
		answer.expires = time.Unix(int64(*doc.Expiration), 0)
	}
	return answer, ""
}

// token is the token of a success; if there is none, flaw says so. The answer
// to a revocation has none.
func (r response) token() (token secret.Text, flaw string) {
	field := "id_token"
	switch r.tokenType {
	case JWTTokenType, IDTokenType:
		token = r.idToken
	case SAML2TokenType:
		field, token = "saml_response", r.samlResponse
	case "":
		return secret.Text{}, "has no token_type"
	default:
		return secret.Text{}, fmt.Sprintf("has the token_type %q; known are %s, %s and %s", googleapi.Quote(r.tokenType), JWTTokenType, IDTokenType, SAML2TokenType)
	}
	if flaw := tokenFlaw(token.Reveal()); flaw != "" {
		return secret.Text{}, "has a field " + field + " that " + flaw
	}
	return token, ""
}

// jsonFlaw says what is wrong with a document and quotes nothing of it but the
// name of a field that is known.
func jsonFlaw(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return "has a wrong JSON type in its field " + wrong.Field
	}
	return "is not one JSON object"
}

func (r response) expired(now func() time.Time) bool {
	if now == nil {
		now = time.Now
	}
	return !r.expires.IsZero() && !r.expires.After(now())
}

// refusal is the error of a failure that the program told.
func (r response) refusal() *Error {
	return &Error{Source: sourceExecutable, Reason: "the program failed", Code: r.code, Message: r.message}
}

// looseText is a JSON string or number: a code of 401 counts as "401".
type looseText string

func (t *looseText) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*t = looseText(text)
		return nil
	}
	var number json.Number
	err := json.Unmarshal(b, &number)
	*t = looseText(number)
	return err
}
