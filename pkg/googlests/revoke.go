package googlests

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

// RevokeRequest is the RFC 7009 request.
type RevokeRequest struct {
	// URL is a credential file's revoke_url; zero means
	// https://sts.UNIVERSE/v1/revoke.
	URL string
	// Token is a refresh token, whose access tokens go with it, or an access
	// token. Required.
	Token secret.Text
	// TypeHint is "refresh_token", "access_token" or empty.
	TypeHint string
}

// Revoke makes a token void before it expires, as the client it was issued to:
// ClientAuth is required. A token that is unknown or void already is a success,
// so a revocation may be repeated, and is, as [Client.Exchange] is. It fails
// with an *[Error].
//
// gcloud writes a revoke_url into its files, but Google documents no such method
// and gcloud itself does not call it: if it answers 404, the access token ends by
// itself, and the refresh token when the pool's session does.
func (c *Client) Revoke(ctx context.Context, req RevokeRequest) error {
	f := make(form, 0, 512)
	f.add("token", req.Token.Reveal())
	f.add("token_type_hint", req.TypeHint)
	err := c.callAbout(ctx, issuedCall{
		op:  "revoking token",
		url: req.URL, path: "/v1/revoke",
		field: "Token", token: req.Token,
		form: f,
		read: func(answer *googleapi.Answer, _ time.Time) error { return readRevoked(answer) },
	})
	if isVoid(err) {
		return nil
	}
	return err
}

// readRevoked goes by the status alone: the body means nothing (RFC 7009, 2.2).
func readRevoked(answer *googleapi.Answer) error {
	if answer.Status != http.StatusOK {
		return fmt.Errorf("the answer's status is %d: a revocation that has happened has 200", answer.Status)
	}
	return nil
}

// isVoid reports whether a revocation was refused because there is nothing left
// to revoke. RFC 7009 has that succeed, but Google's other endpoint of the kind
// answers like this, and a repeated revocation would get it for the first one's success.
func isVoid(err error) bool {
	e, ok := err.(*Error)
	return ok && e.HTTPStatus == http.StatusBadRequest && e.Code == "invalid_token"
}
