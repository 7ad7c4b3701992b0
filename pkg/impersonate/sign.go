package impersonate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

// SignBlobRequest asks for a service account's signature of some bytes.
type SignBlobRequest struct {
	// ServiceAccount and Delegates are as in [AccessTokenRequest].
	ServiceAccount string
	Delegates      []string
	// Payload is what is signed, such as the string to sign of a Cloud Storage
	// URL. Required.
	Payload []byte
}

// SignedBlob is a signature with a service account's Google-managed key: RSA
// (PKCS #1 v1.5) with SHA-256.
type SignedBlob struct {
	// KeyID names the key, of which Google publishes the public half for at
	// least 12 hours more.
	KeyID string
	// Signature does not include the payload.
	Signature []byte
}

// SignBlob signs bytes as a service account (signBlob). It fails with an
// *[Error] and retries as [Client.AccessToken] does.
func (c *Client) SignBlob(ctx context.Context, bearer secret.Text, req SignBlobRequest) (SignedBlob, error) {
	call := invocation{failure: failure{Op: "signBlob", Account: req.ServiceAccount}, bearer: bearer}
	if err := req.check(); err != nil {
		return SignedBlob{}, call.because("invalid_request", err)
	}
	payload := base64.StdEncoding.EncodeToString(req.Payload)
	call.hidden = []secret.Text{secret.New(payload), secret.New(string(req.Payload))}
	call.body = struct {
		Delegates []string `json:"delegates,omitempty"`
		Payload   string   `json:"payload"`
	}{resourceNames(req.Delegates), payload}
	return invoke(ctx, c, call, readSignedBlob)
}

func (r SignBlobRequest) check() error {
	if err := checkChain(r.ServiceAccount, r.Delegates); err != nil {
		return err
	}
	if len(r.Payload) == 0 {
		return errors.New("field Payload is empty: give the bytes to sign")
	}
	return nil
}

func readSignedBlob(answer *googleapi.Answer) (SignedBlob, error) {
	var told struct {
		KeyID      string `json:"keyId"`
		SignedBlob []byte `json:"signedBlob"`
	}
	if err := answer.Decode(&told); err != nil {
		return SignedBlob{}, err
	}
	switch {
	case told.KeyID == "":
		return SignedBlob{}, errors.New("the answer has no keyId")
	case len(told.SignedBlob) == 0:
		return SignedBlob{}, errors.New("the answer has no signedBlob")
	}
	return SignedBlob{told.KeyID, told.SignedBlob}, nil
}

// SignJWTRequest asks for a JWT that a service account has signed.
type SignJWTRequest struct {
	// ServiceAccount and Delegates are as in [AccessTokenRequest].
	ServiceAccount string
	Delegates      []string
	// Claims is what encoding/json makes an object of: a map, a struct, a
	// json.RawMessage. Google adds nothing to it and wants its exp, if there is
	// one, to be an integer at most 12 hours away. Required.
	Claims any
}

// SignedJWT is a JWT that a service account has signed with RS256.
type SignedJWT struct {
	// KeyID names the key, as the token's own header does.
	KeyID string
	// Token is the whole JWT, in its compact form.
	Token secret.Text
}

// SignJWT signs claims as a service account (signJwt). It fails with an
// *[Error] and retries as [Client.AccessToken] does.
func (c *Client) SignJWT(ctx context.Context, bearer secret.Text, req SignJWTRequest) (SignedJWT, error) {
	fail := failure{Op: "signJwt", Account: req.ServiceAccount}
	claims, err := marshalClaims(req.Claims)
	if err = cmp.Or(checkChain(req.ServiceAccount, req.Delegates), err); err != nil {
		return SignedJWT{}, fail.because("invalid_request", err)
	}
	return c.signJWT(ctx, fail, bearer, req.Delegates, claims, secret.New(claims))
}

func marshalClaims(claims any) (string, error) {
	text, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("marshalling Claims: %w", err)
	}
	if !bytes.HasPrefix(text, []byte("{")) {
		return "", errors.New("field Claims is not an object in JSON: give a map or a struct")
	}
	return string(text), nil
}

// signJWT signs claims, a JSON object, of which an error quotes nothing hidden.
func (c *Client) signJWT(ctx context.Context, fail failure, bearer secret.Text, delegates []string, claims string, hidden ...secret.Text) (SignedJWT, error) {
	call := invocation{failure: fail, bearer: bearer, hidden: hidden}
	call.body = struct {
		Delegates []string `json:"delegates,omitempty"`
		Payload   string   `json:"payload"`
	}{resourceNames(delegates), claims}
	return invoke(ctx, c, call, readSignedJWT)
}

func readSignedJWT(answer *googleapi.Answer) (SignedJWT, error) {
	var told struct {
		KeyID     string      `json:"keyId"`
		SignedJWT secret.Text `json:"signedJwt"`
	}
	if err := answer.Decode(&told); err != nil {
		return SignedJWT{}, err
	}
	var claims struct{}
	switch {
	case told.KeyID == "":
		return SignedJWT{}, errors.New("the answer has no keyId")
	case told.SignedJWT.IsZero():
		return SignedJWT{}, errors.New("the answer has no signedJwt")
	case !decodeJWT(told.SignedJWT.Reveal(), &claims):
		return SignedJWT{}, errors.New("the answer's signedJwt is not a JWT")
	}
	return SignedJWT{told.KeyID, told.SignedJWT}, nil
}
