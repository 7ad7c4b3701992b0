package googlests

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
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
	// sent, so it is never later than Google's own idea of it. It is the request's
	// SubjectExpiry if Google told none.
	Expiry time.Time
	// RefreshToken is empty unless the answer had one.
	RefreshToken secret.Text
	// Scopes are what the answer names, or what was requested if it names none
	// (RFC 8693, 2.2.1: then they are the same), in the request's own slice.
	Scopes []string
}

// readToken reads the answer to a request that was sent at one time and
// answered at another. Its errors quote nothing of the answer.
func readToken(answer *googleapi.Answer, req ExchangeRequest, sent, arrived time.Time) (Token, error) {
	told, err := answer.OAuthToken()
	if err != nil {
		return Token{}, err
	}
	wanted := cmp.Or(req.RequestedTokenType, tokenTypeAccessToken)
	if told.IssuedTokenType != "" && told.IssuedTokenType != wanted {
		// RFC 8693 requires the field. An answer without it names no other type, so it is let pass.
		return Token{}, fmt.Errorf("the answer's issued_token_type is not the requested %s", wanted)
	}
	expiry, err := expiryOf(told, req.SubjectExpiry, sent, arrived)
	if err != nil {
		return Token{}, err
	}
	scopes := told.Scopes
	if len(scopes) == 0 {
		scopes = req.Scopes
	}
	return Token{
		AccessToken:     told.AccessToken,
		IssuedTokenType: wanted,
		TokenType:       "Bearer",
		Expiry:          expiry,
		RefreshToken:    told.RefreshToken,
		Scopes:          scopes,
	}, nil
}

// expiryOf is what the answer says or, if it says nothing, what is known of the
// subject token.
func expiryOf(told googleapi.OAuthToken, subject, sent, arrived time.Time) (time.Time, error) {
	if told.Lifetime != 0 || subject.IsZero() {
		return told.Expiry(sent, arrived)
	}
	expiry := subject.UTC().Truncate(time.Second)
	if !expiry.After(arrived) {
		return time.Time{}, errors.New("the answer has no expires_in, and by SubjectExpiry its token had expired when it came")
	}
	return expiry, nil
}
