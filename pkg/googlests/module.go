package googlests

import (
	"context"
	"net/http"
)

// ExchangeToken exchanges one subject token at a token endpoint: a [Client]
// with nothing but a TokenURL, for whoever needs no second one. An empty
// tokenURL means [DefaultTokenURL], a nil httpClient a shared transport with
// keep-alive. A universe of one's own, an OAuth client, other timeouts: those
// are a Client's fields.
func ExchangeToken(ctx context.Context, httpClient *http.Client, tokenURL string, req ExchangeRequest) (Token, error) {
	c := Client{TokenURL: tokenURL, HTTPClient: httpClient}
	return c.Exchange(ctx, req)
}
