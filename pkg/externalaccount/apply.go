package externalaccount

import (
	"context"
	"net/http"

	"github.com/wifmint/wifmint/pkg/internal/bearer"
)

// Apply sets the headers that authenticate a request to Google: Authorization,
// and x-goog-user-project if there is a quota project, unless that is set
// already. The token is CachedToken's; fails as that does.
func (h *holder) Apply(ctx context.Context, header http.Header) error {
	token, err := h.CachedToken(ctx)
	if err != nil {
		return err
	}
	header.Set("Authorization", "Bearer "+token.Value.Reveal())
	if project := h.quotaProject; project != "" && header.Get(userProjectHeader) == "" {
		header.Set(userProjectHeader, project)
	}
	return nil
}

const userProjectHeader = "X-Goog-User-Project"

// Transport authenticates the requests of an http.Client as Apply does; base
// makes them, nil means http.DefaultTransport. Use the client for Google's APIs
// only: whoever is called gets the token. A request over plain http is refused,
// unless the credentials' Options.AllowAnyEndpoint, and one that follows a
// redirect to another host, or back from there, gets no token.
func (h *holder) Transport(base http.RoundTripper) http.RoundTripper {
	return &bearer.Transport{Base: base, Apply: h.Apply, AllowHTTP: h.anyEndpoint}
}
