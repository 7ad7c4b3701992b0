package googlests

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
)

// Token is Google's answer, checked: AccessToken is not empty, TokenType is
// Bearer, Expiry was in the future when it came.
type Token struct {
	// AccessToken is fit for a header: visible ASCII only.
	AccessToken secret.Text
	// IssuedTokenType is the type that was requested.
	IssuedTokenType string
	// TokenType is "Bearer", however the answer spelled it.
	TokenType string
	// Expiry is in UTC, in whole seconds, and counts from when the request was
	// sent, so it is never later than Google's own idea of it.
	Expiry time.Time
	// RefreshToken is empty unless the answer had one.
	RefreshToken secret.Text
	// Scopes are what the answer names, or what was requested if it names none
	// (RFC 8693, 2.2.1: then they are the same).
	Scopes []string
}

// longestLifetime is more than any token has, and little enough to be added to a time.
const longestLifetime = 10 * 365 * 24 * time.Hour

// readToken reads the answer to a request that was sent at one time and
// answered at another. Its errors quote nothing of the answer: where a field
// is wrong, the token may well stand in it.
func readToken(body []byte, req ExchangeRequest, sent, arrived time.Time) (Token, error) {
	var answer struct {
		AccessToken     secret.Text     `json:"access_token"`
		IssuedTokenType string          `json:"issued_token_type"`
		TokenType       string          `json:"token_type"`
		ExpiresIn       json.RawMessage `json:"expires_in"`
		RefreshToken    secret.Text     `json:"refresh_token"`
		Scope           string          `json:"scope"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return Token{}, notAnAnswer(err)
	}
	wanted := cmp.Or(req.RequestedTokenType, tokenTypeAccessToken)
	switch {
	case answer.AccessToken.IsZero():
		return Token{}, errors.New("the answer has no access_token")
	case !visibleASCII(answer.AccessToken.Reveal()):
		return Token{}, errors.New("the answer's access_token has characters in it that no header can carry")
	case !strings.EqualFold(answer.TokenType, "Bearer"):
		return Token{}, errors.New("the answer's token_type is not Bearer")
	case answer.IssuedTokenType != "" && answer.IssuedTokenType != wanted:
		// RFC 8693 requires the field. An answer without it names no other type, so it is let pass.
		return Token{}, fmt.Errorf("the answer's issued_token_type is not the requested %s", wanted)
	}
	lifetime, err := readLifetime(answer.ExpiresIn)
	if err != nil {
		return Token{}, err
	}
	expiry := sent.Add(lifetime).UTC().Truncate(time.Second)
	if !expiry.After(arrived) {
		return Token{}, fmt.Errorf("the answer's token lives for %v and had expired when it came", lifetime)
	}
	scopes := strings.Fields(answer.Scope)
	if len(scopes) == 0 {
		scopes = slices.Clone(req.Scopes)
	}
	return Token{
		AccessToken:     answer.AccessToken,
		IssuedTokenType: wanted,
		TokenType:       "Bearer",
		Expiry:          expiry,
		RefreshToken:    answer.RefreshToken,
		Scopes:          scopes,
	}, nil
}

// readLifetime reads expires_in: a number, also one in quotes, of which the
// whole seconds count.
func readLifetime(expiresIn json.RawMessage) (time.Duration, error) {
	text := strings.Trim(string(expiresIn), `"`)
	if text == "" || text == "null" {
		// Google leaves it out when the subject token is one of its own access
		// tokens, whose expiry the caller knows. A federated token always has one.
		return 0, errors.New("the answer has no expires_in")
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		return 0, errors.New("the answer's expires_in is not a number")
	}
	if !(seconds >= 1 && seconds <= longestLifetime.Seconds()) { // neither are NaN and the infinities
		return 0, fmt.Errorf("the answer's expires_in is %g: want between 1 and %.0f seconds", seconds, longestLifetime.Seconds())
	}
	return time.Duration(seconds) * time.Second, nil
}

// notAnAnswer says why the body could not be decoded, naming a field at most:
// the decoder's own text quotes values.
func notAnAnswer(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return fmt.Errorf("the answer's %s has the wrong JSON type", wrong.Field)
	}
	return errors.New("the answer is not a JSON object as RFC 8693 has it")
}

func visibleASCII(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
