package googleapi

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
)

// OAuthToken is what an OAuth token endpoint answers (RFC 6749, 5.1, and RFC
// 8693, 2.2.1), checked: it is a bearer token that fits a header.
type OAuthToken struct {
	AccessToken secret.Text
	// IssuedTokenType is empty if the answer has none.
	IssuedTokenType string
	// Lifetime is in whole seconds; zero if the answer has no expires_in.
	Lifetime time.Duration
	// RefreshToken is empty if the answer has none.
	RefreshToken secret.Text
	// Scopes are empty if the answer names none.
	Scopes []string
}

// longestLifetime is the longest that an organization policy can give a token. A
// longer one would be kept past its end.
const longestLifetime = 12 * time.Hour

// OAuthToken reads a token endpoint's answer. Its errors quote nothing of it.
func (a *Answer) OAuthToken() (OAuthToken, error) {
	o, err := a.object()
	if err != nil {
		return OAuthToken{}, err
	}
	var texts [5]string
	for i, name := range [...]string{"access_token", "token_type", "issued_token_type", "refresh_token", "scope"} {
		if texts[i], err = o.text(name); err != nil {
			return OAuthToken{}, err
		}
	}
	accessToken, tokenType, issuedTokenType, refreshToken, scope := texts[0], texts[1], texts[2], texts[3], texts[4]
	switch {
	case accessToken == "":
		return OAuthToken{}, errors.New("the answer has no access_token")
	case !FitsHeader(accessToken):
		return OAuthToken{}, errors.New("the answer's access_token has characters in it that no header can carry")
	case !strings.EqualFold(tokenType, "Bearer"):
		return OAuthToken{}, errors.New("the answer's token_type is not Bearer")
	}
	lifetime, err := readLifetime(string(o.member("expires_in")))
	if err != nil {
		return OAuthToken{}, err
	}
	return OAuthToken{
		AccessToken:     secret.New(accessToken),
		IssuedTokenType: issuedTokenType,
		Lifetime:        lifetime,
		RefreshToken:    secret.New(refreshToken),
		Scopes:          strings.Fields(scope),
	}, nil
}

// readLifetime reads expires_in: a number, also one in quotes, of which the
// whole seconds count. It is zero if there is none.
func readLifetime(expiresIn string) (time.Duration, error) {
	text := strings.Trim(expiresIn, `"`)
	if text == "" || text == "null" {
		return 0, nil
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

// Expiry is when the token, which was asked for at sent, expires: in UTC, in
// whole seconds, and never later than Google's own idea of it. It is an error
// if the answer did not say, or if the token had expired when it arrived.
func (t OAuthToken) Expiry(sent, arrived time.Time) (time.Time, error) {
	if t.Lifetime == 0 {
		return time.Time{}, errors.New("the answer has no expires_in")
	}
	expiry := sent.Add(t.Lifetime).UTC().Truncate(time.Second)
	if !expiry.After(arrived) {
		return time.Time{}, fmt.Errorf("the answer's token lives for %v and had expired when it came", t.Lifetime)
	}
	return expiry, nil
}
