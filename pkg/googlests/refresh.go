package googlests

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

// RefreshRequest is the RFC 6749 request (section 6).
type RefreshRequest struct {
	// RefreshToken is what a login through a workforce identity pool gave, as in
	// gcloud's files of type external_account_authorized_user. Required.
	RefreshToken secret.Text
	// Scopes narrow the access token down. Empty means those of the login, which
	// is all that Google supports today.
	// https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/oauthtoken
	Scopes []string
}

// refreshing is [Error.Op] of a refresh.
const refreshing = "refreshing token"

// Refresh gets an access token for a refresh token from TokenURL, which is such
// a file's token_url; zero means https://sts.UNIVERSE/v1/oauthtoken. ClientAuth
// is the client that the user logged in with, and required. It fails with an
// *[Error].
//
// Google may rotate refresh tokens: if the Token has a RefreshToken, keep that
// and forget the one that was sent, before anything else is done. An
// "invalid_response" comes with a Token that has nothing else in it, if that
// was there to be saved.
//
// It retries as [Client.Exchange] does, although an attempt whose answer got lost
// may have rotated the token. Then the sent one is void, the new one is known to
// nobody, and only the same request again can help: where Google has not
// rotated, or allows for this. At worst Google takes it for a stolen token and
// ends a login that was lost already. That is what an "invalid_grant" after
// several Attempts may mean; the user has to log in again. Two refreshes of one
// token at a time are another matter: do not let that happen.
func (c *Client) Refresh(ctx context.Context, req RefreshRequest) (Token, error) {
	f := make(form, 0, 512)
	f.add("grant_type", "refresh_token")
	f.add("refresh_token", req.RefreshToken.Reveal())
	f.add("scope", strings.Join(req.Scopes, " "))
	var token Token
	err := c.callAbout(ctx, issuedCall{
		op:  refreshing,
		url: c.TokenURL, path: "/v1/oauthtoken",
		field: "RefreshToken", token: req.RefreshToken,
		form: f,
		read: func(answer *googleapi.Answer, sent time.Time) (err error) {
			token, err = readRefreshed(answer, req, sent, c.now())
			return err
		},
	})
	return token, err
}

// readRefreshed reads the answer to a request that was sent at one time and
// answered at another. With an error it returns a rotated refresh token alone.
func readRefreshed(answer *googleapi.Answer, req RefreshRequest, sent, arrived time.Time) (Token, error) {
	var told struct {
		RefreshToken string `json:"refresh_token"`
	}
	err := answer.Decode(&told)
	saved := Token{RefreshToken: secret.New(told.RefreshToken)}
	if err != nil {
		return saved, err
	}
	t, err := bearerByDefault(answer).OAuthToken()
	if err != nil {
		return saved, err
	}
	expiry, err := t.Expiry(sent, arrived)
	if err != nil {
		return saved, err
	}
	scopes := t.Scopes
	if len(scopes) == 0 {
		scopes = req.Scopes
	}
	return Token{
		AccessToken:     t.AccessToken,
		IssuedTokenType: tokenTypeAccessToken,
		TokenType:       "Bearer",
		Expiry:          expiry,
		RefreshToken:    t.RefreshToken,
		Scopes:          scopes,
	}, nil
}

// bearerByDefault writes token_type into an answer that has none: Google
// documents it here as a field that is there for the RFC, and none of its
// libraries looks at it.
func bearerByDefault(answer *googleapi.Answer) *googleapi.Answer {
	var members map[string]json.RawMessage
	if err := answer.Decode(&members); err != nil || members == nil {
		return answer // for the reader to refuse
	}
	if kind := string(members["token_type"]); kind != "" && kind != "null" && kind != `""` {
		return answer
	}
	members["token_type"] = json.RawMessage(`"Bearer"`)
	body, err := json.Marshal(members)
	if err != nil {
		return answer
	}
	return &googleapi.Answer{Status: answer.Status, Header: answer.Header, Body: body}
}
