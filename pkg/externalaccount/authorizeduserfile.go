package externalaccount

import (
	"cmp"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/jsondoc"
	"github.com/wifmint/wifmint/pkg/secret"
)

const (
	workforceUser = "external_account_authorized_user"
	googleUser    = "authorized_user"
)

// AuthorizedUserFile is what gcloud writes when a person has logged in: of type
// external_account_authorized_user through a workforce identity pool, of type
// authorized_user with a Google account. It holds a refresh token, which is a
// secret for as long as the login lasts.
type AuthorizedUserFile struct {
	// Type is one of the two; empty means "external_account_authorized_user".
	Type string
	// Audience is the full resource name of the workforce pool's provider, Account
	// the person's email address. They only tell whose login it is, and mostly one
	// of them is empty.
	Audience, Account string
	// ClientID and ClientSecret are the OAuth client that the login was made with.
	ClientID     string
	ClientSecret secret.Text
	// RefreshToken is what the login gave. Without it Token serves until Expiry.
	RefreshToken secret.Text
	// TokenURL is where Google takes the refresh token. It is required for a
	// workforce pool, and https://oauth2.UNIVERSE/token (in the file token_uri) if
	// a Google account's is empty.
	TokenURL string
	// TokenInfoURL is empty when the file leaves it out.
	TokenInfoURL string
	// RevokeURL is where the login can be ended; empty means
	// https://sts.UNIVERSE/v1/revoke or, for a Google account,
	// https://oauth2.UNIVERSE/revoke.
	RevokeURL string
	// QuotaProjectID is whom requests are billed to; see [Options].Getenv.
	QuotaProjectID string
	// UniverseDomain is filled in with "googleapis.com".
	UniverseDomain string
	// Scopes are what the user agreed to, if the file tells it.
	Scopes []string
	// Token is an access token, which is good until Expiry. Without an Expiry it
	// is not used.
	Token secret.Text
	// Expiry is in UTC, in whole seconds.
	Expiry time.Time
}

var _ AnyFile = (*AuthorizedUserFile)(nil)

const wantLogin = `log in again: "gcloud auth application-default login" (for a workforce pool with --login-config=FILE) writes it`

func readAuthorizedUser(v jsondoc.Value, o FileOptions) *AuthorizedUserFile {
	f := &AuthorizedUserFile{Type: v.Get("type").Text()}
	fields := []string{"type", "account", "client_id", "client_secret", "refresh_token", "quota_project_id", "universe_domain", "scopes", "token", "expiry"}
	f.UniverseDomain = readUniverse(v, googleapi.DefaultUniverse)
	tokenURL := v.Get("token_url")
	if f.Type == googleUser {
		// rapt_token is gcloud's own proof of a reauthentication.
		fields = append(fields, "token_uri", "rapt_token")
		f.TokenURL = defaultUserURL(f.UniverseDomain, "token")
		if u := v.Get("token_uri"); u.Present() {
			f.TokenURL = readEndpoint(u, "oauth2", f.UniverseDomain, o)
		}
	} else {
		fields = append(fields, "audience", "token_url", "token_info_url", "revoke_url")
		f.Audience = v.Get("audience").Text()
		f.TokenURL = readEndpoint(tokenURL, "sts", f.UniverseDomain, o)
		f.TokenInfoURL = readEndpoint(v.Get("token_info_url"), "sts", f.UniverseDomain, o)
		f.RevokeURL = readEndpoint(v.Get("revoke_url"), "sts", f.UniverseDomain, o)
	}
	v.Fields(fields...)
	f.Account = v.Get("account").Text()
	f.ClientID = v.Get("client_id").Text()
	f.ClientSecret = v.Get("client_secret").Secret()
	f.RefreshToken = v.Get("refresh_token").Secret()
	f.QuotaProjectID = v.Get("quota_project_id").Text()
	f.Scopes = readScopes(v.Get("scopes"))
	f.readToken(v)
	if f.Token.IsZero() || f.Expiry.IsZero() {
		for _, missing := range f.missing() {
			v.Get(missing).Required(wantLogin).Problem("an empty text", wantLogin)
		}
	}
	return f
}

// defaultUserURL is Google's OAuth server for its own accounts.
func defaultUserURL(universe, path string) string { return "https://oauth2." + universe + "/" + path }

func (f *AuthorizedUserFile) readToken(v jsondoc.Value) {
	token := v.Get("token")
	if f.Token = token.Secret(); !f.Token.IsZero() && !googleapi.FitsHeader(f.Token.Reveal()) {
		token.Problem("", "write the access token alone, or remove it")
	}
	expiry := v.Get("expiry")
	text := expiry.Text()
	if text == "" {
		return
	}
	at, err := time.Parse(time.RFC3339, text)
	if at = at.UTC().Truncate(time.Second); err != nil || at.Year() < 1970 || at.Year() > 9999 {
		expiry.Problem("", `write a time such as "2026-01-02T03:04:05Z"`)
		return
	}
	f.Expiry = at
}

// readScopes takes a list, and as Google's libraries do a text with spaces.
func readScopes(v jsondoc.Value) []string {
	if v.IsText() {
		return append([]string(nil), strings.Fields(v.Text())...) // nil if there are none
	}
	return readTexts(v, "write a scope in full, such as https://www.googleapis.com/auth/cloud-platform")
}

// readTexts is a list of texts that are not empty.
func readTexts(v jsondoc.Value, want string) (texts []string) {
	for _, element := range v.Elements() {
		texts = append(texts, readText(element, want))
	}
	return texts
}

// missing are the fields that a refresh takes and that are empty.
func (f *AuthorizedUserFile) missing() []string {
	var missing []string
	for _, field := range []struct {
		name  string
		empty bool
	}{
		{"refresh_token", f.RefreshToken.IsZero()},
		{"token_url", f.TokenURL == ""},
		{"client_id", f.ClientID == ""},
		{"client_secret", f.ClientSecret.IsZero()},
	} {
		if field.empty {
			missing = append(missing, field.name)
		}
	}
	return missing
}

// Credentials is [NewAuthorizedUser].
func (f *AuthorizedUserFile) Credentials(o Options) (AnyCredentials, error) {
	u, err := NewAuthorizedUser(f, o)
	if err != nil {
		return nil, err // and not a nil *AuthorizedUser in an interface
	}
	return u, nil
}

// MarshalJSON is the file with the fingerprints of its secrets in their places:
// fit for printing, not for parsing.
func (f *AuthorizedUserFile) MarshalJSON() ([]byte, error) { return f.encode(secret.Text.String) }

// Encode is the file with its secrets, as [ParseAny] reads it back.
func (f *AuthorizedUserFile) Encode() ([]byte, error) { return f.encode(secret.Text.Reveal) }

func (f *AuthorizedUserFile) encode(show func(secret.Text) string) ([]byte, error) {
	doc := authorizedUserJSON{
		Account:        f.Account,
		Audience:       f.Audience,
		ClientID:       f.ClientID,
		ClientSecret:   show(f.ClientSecret),
		Expiry:         f.Expiry,
		QuotaProjectID: f.QuotaProjectID,
		RefreshToken:   show(f.RefreshToken),
		RevokeURL:      f.RevokeURL,
		Scopes:         f.Scopes,
		Token:          show(f.Token),
		TokenInfoURL:   f.TokenInfoURL,
		TokenURL:       f.TokenURL,
		Type:           cmp.Or(f.Type, workforceUser),
		UniverseDomain: f.UniverseDomain,
	}
	if f.Type == googleUser {
		doc.TokenURL, doc.TokenURI = "", f.TokenURL
	}
	return encodeJSON(doc)
}

// authorizedUserJSON has the fields in the order in which gcloud writes them.
type authorizedUserJSON struct {
	Account        string    `json:"account,omitempty"`
	Audience       string    `json:"audience,omitempty"`
	ClientID       string    `json:"client_id,omitempty"`
	ClientSecret   string    `json:"client_secret,omitempty"`
	Expiry         time.Time `json:"expiry,omitzero"`
	QuotaProjectID string    `json:"quota_project_id,omitempty"`
	RefreshToken   string    `json:"refresh_token,omitempty"`
	RevokeURL      string    `json:"revoke_url,omitempty"`
	Scopes         []string  `json:"scopes,omitempty"`
	Token          string    `json:"token,omitempty"`
	TokenInfoURL   string    `json:"token_info_url,omitempty"`
	TokenURI       string    `json:"token_uri,omitempty"`
	TokenURL       string    `json:"token_url,omitempty"`
	Type           string    `json:"type"`
	UniverseDomain string    `json:"universe_domain,omitempty"`
}
