package externalaccount

import (
	"cmp"
	"net/http"
	"os"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// Options are what a credential file does not say. The zero value works.
type Options struct {
	// Source makes the subject tokens in place of the file's credential_source: a
	// function of your own (subjecttoken.Func, which is told the file's audience and
	// token type unless it names others), AWS's web identity, any implementation.
	Source subjecttoken.Source
	// Supplier yields the AWS credentials in place of the sources that the
	// file names. The file's aws_role_arn is assumed on top of it. Without effect
	// if there is a Source.
	Supplier supplier.AwsSecurityCredentialsSupplier
	// Scopes are what [Credentials.CachedToken] is for. If there are none it is
	// DefaultScopes, which are for a library to set that its user may overrule. A
	// user's tokens have the scopes of the login, whatever stands here.
	Scopes, DefaultScopes []string
	// OnRefreshToken is called with each refresh token that Google puts in place of
	// a user's last one, which may be void at once, before the access token that came
	// with it is returned: keep it where the file is. Info has it by then, and
	// Encode makes the new file of that; the function calls nothing else of these
	// credentials. It may be called after those who wanted the access token have
	// given up, see [AuthorizedUser]. It runs in a goroutine of its own, as Source
	// and Supplier may: a panic there ends the process.
	OnRefreshToken func(secret.Text)
	// Interactive lets the program of an executable source ask the user.
	Interactive bool
	// HTTPClient calls Google, the server of a URL source, and AWS STS if there is
	// a role to assume. Nil means a shared transport for Google and a new connection
	// for the others. With a certificate source its Transport is an *http.Transport,
	// which is copied and presents the certificate, or nil; any other is used as it
	// is, and has to present the certificate itself.
	HTTPClient *http.Client
	// AllowAnyEndpoint lets Google's URLs be http and name any host.
	AllowAnyEndpoint bool
	// Getenv looks up the environment, of which GOOGLE_CLOUD_QUOTA_PROJECT wins over
	// the file's quota_project_id; nil means os.Getenv.
	Getenv func(string) string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// filled has the environment that the zero value means.
func (o Options) filled() Options {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	return o
}

// quotaProject is the environment's, which wins as in Google's libraries, or the file's.
func (o Options) quotaProject(ofFile string) string {
	return cmp.Or(o.Getenv("GOOGLE_CLOUD_QUOTA_PROJECT"), ofFile)
}
