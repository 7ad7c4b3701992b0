package impersonate

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

// IDTokenRequest asks for an ID token of a service account.
type IDTokenRequest struct {
	// ServiceAccount and Delegates are as in [AccessTokenRequest].
	ServiceAccount string
	Delegates      []string
	// Audience is whom the token is for, such as a Cloud Run service's URL. Required.
	Audience string
	// IncludeEmail has the token say the account's email, which some receivers
	// look for, and not only its number.
	IncludeEmail bool
}

// IDToken makes an ID token of a service account (generateIdToken). Its Expiry
// is the token's own exp, which Google sets as it likes. It fails with an
// *[Error] and retries as [Client.AccessToken] does.
//
// That the token is a JWT for the audience, which has not expired, is checked
// against mistakes: one is noticed here rather than at every receiver. Its
// signature is not checked. The answer came by TLS from the host that was
// checked, and so would the keys to check it with; the receiver is who has to.
func (c *Client) IDToken(ctx context.Context, bearer secret.Text, req IDTokenRequest) (Token, error) {
	call := invocation{failure: failure{Op: "generateIdToken", Account: req.ServiceAccount}, bearer: bearer}
	if err := req.check(); err != nil {
		return Token{}, call.because("invalid_request", err)
	}
	call.body = struct {
		Delegates    []string `json:"delegates,omitempty"`
		Audience     string   `json:"audience"`
		IncludeEmail bool     `json:"includeEmail,omitempty"`
	}{resourceNames(req.Delegates), req.Audience, req.IncludeEmail}
	return invoke(ctx, c, call, func(answer *googleapi.Answer) (Token, error) { return readIDToken(answer, req.Audience, c.now()) })
}

func (r IDTokenRequest) check() error {
	if err := checkChain(r.ServiceAccount, r.Delegates); err != nil {
		return err
	}
	if r.Audience == "" {
		return errors.New("field Audience is empty: write whom the token is for, such as https://service.example.run.app")
	}
	return nil
}

// readIDToken reads generateIdToken's answer. Its errors quote nothing of it
// but times.
func readIDToken(answer *googleapi.Answer, audience string, now time.Time) (Token, error) {
	var told struct {
		Token secret.Text `json:"token"`
	}
	if err := answer.Decode(&told); err != nil {
		return Token{}, err
	}
	if told.Token.IsZero() {
		return Token{}, errors.New("the answer has no token")
	}
	var claims struct {
		Audience json.RawMessage `json:"aud"`
		Expires  *float64        `json:"exp"` // RFC 7519, 2: a number that may have a fraction
	}
	if !decodeJWT(told.Token.Reveal(), &claims) {
		return Token{}, errors.New("the answer's token is not a JWT")
	}
	if !isAudience(claims.Audience, audience) {
		return Token{}, errors.New("the answer's token is for another audience than the requested one")
	}
	// What a Duration cannot hold must not be made a time: such a time may be any.
	if claims.Expires == nil || !(*claims.Expires >= 0 && *claims.Expires < 1<<40) {
		return Token{}, errors.New("the answer's token has no exp that is a time")
	}
	expiry := time.Unix(int64(*claims.Expires), 0).UTC()
	return Token{told.Token, expiry}, checkExpiry("the exp of the answer's token", expiry, now)
}

// isAudience reports whether a token with that aud is for the audience and
// nobody else: aud is a string or a list (RFC 7519, 4.1.3).
func isAudience(aud json.RawMessage, audience string) bool {
	var one string
	if json.Unmarshal(aud, &one) == nil {
		return one == audience
	}
	var list []string
	return json.Unmarshal(aud, &list) == nil && len(list) == 1 && list[0] == audience
}

// decodeJWT reads the claims of a JWT in its compact form (RFC 7515, 3.1). It
// reports false for what is none. It does not verify the signature.
func decodeJWT(token string, claims any) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || !googleapi.FitsHeader(token) { // the decoder below would skip line breaks
		return false
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	return err == nil && len(signature) > 0 && decodePart(parts[0], &header) && header.Algorithm != "" && decodePart(parts[1], claims)
}

func decodePart(part string, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, into) == nil
}
