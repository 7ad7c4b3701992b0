package googlests

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/secret"
)

// issuedCall is a call about a token that Google STS has issued, by an OAuth
// client that authenticates itself.
type issuedCall struct {
	op string
	// url is the endpoint; empty means this path of the universe's STS.
	url, path string
	// field is how the request calls the token.
	field string
	token secret.Text
	// form is what is sent, the client excepted.
	form form
	// read takes the answer to what was sent at a time; its error quotes nothing of it.
	read func(answer *googleapi.Answer, sent time.Time) error
}

// callAbout makes the call, with an exchange's bounds and retries. It fails
// with an *[Error].
func (c *Client) callAbout(ctx context.Context, i issuedCall) error {
	fail := failure{op: i.op}
	endpoint, err := c.endpoint(cmp.Or(i.url, "https://sts."+cmp.Or(c.UniverseDomain, googleapi.DefaultUniverse)+i.path))
	if err != nil {
		return fail.because("invalid_endpoint", err)
	}
	fail.host = endpoint.Host
	if err := cmp.Or(i.check(), c.ClientAuth.check(), c.ClientAuth.checkComplete()); err != nil {
		return fail.because("invalid_request", err)
	}
	c.ClientAuth.addTo(&i.form)
	var sent time.Time
	answer, err := c.caller().Call(ctx, func(ctx context.Context) (googleapi.Request, error) {
		sent = c.now()
		return googleapi.Request{
			Request: c.post(ctx, endpoint, i.form),
			Secrets: []secret.Text{i.token, c.ClientAuth.Secret},
		}, nil
	})
	if err != nil {
		return fail.call(err)
	}
	if err := i.read(answer, sent); err != nil {
		return fail.answer(answer.Status, err)
	}
	return nil
}

// check tells what is wrong with the token. What was read from a file with its
// line end would be another token to Google, which answers the revocation of
// one that it does not know with success.
func (i issuedCall) check() error {
	switch {
	case i.token.IsZero():
		return fmt.Errorf("%s is empty", i.field)
	case !googleapi.FitsHeader(i.token.Reveal()):
		return fmt.Errorf("%s has a space, a line end or another character in it that is in no token: send the token alone", i.field)
	}
	return nil
}

// checkComplete tells what is missing for a call that only a client can make.
func (a ClientAuth) checkComplete() error {
	if a.ID == "" || a.Secret.IsZero() {
		return errors.New("ClientAuth is not set, which Google asks for here: set ID and Secret, a credential file's client_id and client_secret")
	}
	return nil
}
