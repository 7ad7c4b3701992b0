// Package externalaccount makes Google access tokens of a credential file, such as
// gcloud writes. The file's type decides whose they are:
//
//   - external_account (https://google.aip.dev/auth/4117): [Credentials] of a
//     workload or workforce identity pool, of a file that holds no key. The proof of
//     who one is is found where the file says (AWS, a file, a URL, a program, a
//     certificate) or where the [Options] do (any subjecttoken.Source, any supplier
//     of AWS keys), exchanged at Google STS, and used to impersonate a service
//     account if the file names one.
//   - external_account_authorized_user and authorized_user: an [AuthorizedUser],
//     somebody who has logged in with gcloud.
//   - impersonated_service_account: [Impersonated], a service account by means of
//     any of these.
//
// [ParseAny] and [LoadAny] read a file of any type, strictly, and
// [AnyFile.Credentials] makes the credentials of it:
//
//	file, err := externalaccount.LoadAny(path, externalaccount.FileOptions{})
//	credentials, err := file.Credentials(externalaccount.Options{
//		Scopes: []string{"https://www.googleapis.com/auth/cloud-platform"},
//	})
//	client := &http.Client{Transport: credentials.Transport(nil)}
//
// Who takes files of one type only, as a function does that shall run on no
// person's login, has [ParseFile], [LoadFile] and [New], and links no other. Files
// are also structs that can be put together in Go, and encode to JSON again.
//
// There are two ways to use credentials. [Credentials.Exchange] and
// [Credentials.Token] make a new token at every call, for whoever keeps tokens
// elsewhere, as in package tokenstore. [Credentials.CachedToken] keeps one for as long as it is good, and so
// do [Credentials.Apply] and [Credentials.Transport], which authenticate requests;
// all kinds of credentials have these three.
//
// # Promises
//
// A credential file chooses the cloud, by its universe_domain, and is trusted with
// that: another universe is a feature of Google's files, and which domains are one
// cannot be listed. Within it the hosts are fixed: Google's URLs have to be that
// universe's, all of them, and AWS's have to be AWS's. So whoever writes the file
// chooses who gets the proof of one's identity: read the universe_domain of one from
// elsewhere ("wifmint validate" shows the host). Nothing is run unless it is allowed
// twice ([FileOptions].AllowExecutable and a variable of the environment).
//
// A file or options that cannot work are a [*ConfigError], before anything is sent.
// What fails later, fails with a [*RefreshError] that tells which part of the way it
// was, and whether to try again. No error and no text of this package shows a
// secret, but for the Encode of a file, which is there to. No goroutine outlives
// its callers, but for the refresh of a login, which ends within 10 s: see
// [AuthorizedUser].
//
// Do not use it for a service account's key: such a file is refused, with what to
// do instead.
package externalaccount

import (
	"errors"
	"net/url"
	"strings"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/jsondoc"
	"github.com/wifmint/wifmint/pkg/secret"
)

// File is a credential configuration file of type external_account. Its fields
// are described in https://google.aip.dev/auth/4117.
type File struct {
	// Type is "external_account".
	Type string
	// Audience is the provider's full resource name, such as
	// "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/POOL/providers/PROVIDER".
	Audience string
	// SubjectTokenType is one of package subjecttoken's constants, the one that goes
	// with the source.
	SubjectTokenType string
	// TokenURL is filled in when the file leaves it out: Google STS of its universe.
	TokenURL string
	// TokenInfoURL is empty when the file leaves it out.
	TokenInfoURL string
	// ServiceAccountImpersonationURL is empty when the file impersonates no one.
	ServiceAccountImpersonationURL string
	// ServiceAccountTokenLifetimeSeconds is service_account_impersonation.token_lifetime_seconds,
	// 600 to 43200; 0 means unset.
	ServiceAccountTokenLifetimeSeconds int
	// ClientID and ClientSecret authenticate an OAuth client to Google STS; mostly empty.
	ClientID     string
	ClientSecret secret.Text
	// QuotaProjectID is whom requests are billed to; see [Options].Getenv.
	QuotaProjectID string
	// WorkforcePoolUserProject is the number or id of the project that exchanges are
	// billed to; for a workforce pool only, and of no effect with a ClientID.
	WorkforcePoolUserProject string
	// UniverseDomain is filled in with "googleapis.com".
	UniverseDomain string
	// AWSRegion, AWSRoleARN and AWSSessionName are for a role to assume before
	// signing. Google's own libraries do not read them.
	AWSRegion, AWSRoleARN, AWSSessionName string
	// The credential_source. One of these is set in a File of [ParseFile]; in one
	// that is made otherwise none needs to be, if [Options] have a Source or a Supplier.
	AWS         *AWSSource
	TokenFile   *TokenFileSource
	URL         *URLSource
	Executable  *ExecutableSource
	Certificate *CertificateSource
}

// FileOptions says what a file may contain.
type FileOptions struct {
	// AllowExecutable takes files that have a program run. It is off since a
	// credential file may come from anywhere, and the programs that read one where
	// nothing is to be run are the more. The variable
	// GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES has to be "1" besides.
	AllowExecutable bool
	// AllowAnyEndpoint lets its URLs be http and name any host. For tests and
	// local runs: whoever answers there gets a signed AWS identity.
	AllowAnyEndpoint bool
}

// ParseFile reads a credential file, strictly: unknown fields are problems, as
// are URLs that are not those of its universe's Google, or AWS's. It fails with a
// *[ConfigError] around a [jsondoc.Problems], which never shows the client secret.
func ParseFile(data []byte, o FileOptions) (*File, error) {
	doc := jsondoc.Parse(data)
	f := ReadFile(doc.Root().Required(wantType), o)
	if err := doc.Err(); err != nil {
		return nil, &ConfigError{Err: err}
	}
	return f, nil
}

const (
	externalAccount   = "external_account"
	serviceAccountKey = "service_account"
	wantType          = `write the JSON that "gcloud iam workload-identity-pools create-cred-config" makes, of "type": "external_account"`
)

// ReadFile reads the credential file that stands at v of a larger document and
// reports its problems there. The File is of use only if there are none.
func ReadFile(v jsondoc.Value, o FileOptions) *File {
	f := &File{}
	typ := v.Get("type").Required(wantType)
	if f.Type = typ.Text(); f.Type != externalAccount {
		typ.Problem("", aboutType(f.Type))
		return f
	}
	v.Fields("type", "audience", "subject_token_type", "token_url", "token_info_url", "universe_domain",
		"service_account_impersonation_url", "service_account_impersonation", "client_id", "client_secret",
		"quota_project_id", "workforce_pool_user_project", "credential_source", "pluggable_source",
		"aws_region", "aws_role_arn", "aws_session_name")

	f.UniverseDomain = readUniverse(v, googleapi.DefaultUniverse)
	f.TokenURL = defaultTokenURL(f.UniverseDomain, v.Get("credential_source").Get("certificate").Present())
	if u := v.Get("token_url"); u.Present() {
		f.TokenURL = readEndpoint(u, "sts", f.UniverseDomain, o)
	}
	f.TokenInfoURL = readEndpoint(v.Get("token_info_url"), "sts", f.UniverseDomain, o)
	f.QuotaProjectID = v.Get("quota_project_id").Text()
	f.readClient(v)
	f.readImpersonation(v, o)
	f.readSource(v, o)
	return f
}

// aboutType tells what kind of credential file it is that is not taken.
func aboutType(typ string) string {
	switch typ {
	case serviceAccountKey:
		return "this is a service account's key file, and wifmint exists so that nobody needs one: " + wantType
	case impersonatedServiceAccount:
		return "this file impersonates a service account with someone's own credentials; " +
			"name the service account in a target, and here " + wantType
	case workforceUser:
		return "this is a person's login through a workforce pool, which ends with the session; " + wantType
	case googleUser:
		return "this is a person's login by gcloud, which no function should run on; " + wantType
	}
	return wantType
}

// readUniverse reads universe_domain, whose absence means another.
func readUniverse(v jsondoc.Value, absent string) string {
	u := v.Get("universe_domain")
	if !u.Present() {
		return absent
	}
	return readURL(u, isUniverse, `write the domain of the universe's APIs, such as "googleapis.com"`)
}

// isUniverse has the endpoint check, which knows domains, look at the host that
// is built from s.
func isUniverse(s string) bool {
	_, err := googleapi.ParseEndpoint("https://sts."+s+"/", "sts", s, false)
	return err == nil
}

// defaultTokenURL is Google STS of a universe, for a certificate the one that
// asks for it.
func defaultTokenURL(universe string, certificate bool) string {
	host := "sts."
	if certificate {
		host = "sts.mtls."
	}
	return "https://" + host + universe + "/v1/token"
}

// readURL is the text of a URL that ok accepts. It is [jsondoc.Value.Matching] that
// shows no password.
func readURL(v jsondoc.Value, ok func(string) bool, want string) string {
	s := v.Matching(nil, want)
	if v.Present() && !ok(s) {
		v.Problem(foundURL(s), want)
		return ""
	}
	return s
}

// foundURL is what a problem tells to have found: the URL itself, for which empty
// stands, unless there may be a password in it. An @ is enough for that in a text that
// is no good as a URL, but for the one of a service account's email.
func foundURL(s string) string {
	before, _, _ := strings.Cut(s, "/serviceAccounts/")
	if u, err := url.Parse(s); strings.Contains(s, "@") && (err != nil || u.User != nil || strings.Contains(before, "@")) {
		return "a URL with an @, and perhaps a password, in it"
	}
	return ""
}

func readEndpoint(v jsondoc.Value, service, universe string, o FileOptions) string {
	s := v.Text()
	if !v.Present() || universe == "" { // then the host cannot be judged
		return s
	}
	var bad *googleapi.EndpointError
	if _, err := googleapi.ParseEndpoint(s, service, universe, o.AllowAnyEndpoint); errors.As(err, &bad) {
		v.Problem(bad.Found, "want "+bad.Want)
	}
	return s
}

func (f *File) readClient(v jsondoc.Value) {
	f.ClientID = v.Get("client_id").Text()
	clientSecret := v.Get("client_secret")
	f.ClientSecret = clientSecret.Secret()
	if clientSecret.Present() {
		v.Get("client_id").Required("write the id of the client that the client_secret is of")
	}
}

func (f *File) readImpersonation(v jsondoc.Value, o FileOptions) {
	f.ServiceAccountImpersonationURL = readImpersonationURL(v.Get("service_account_impersonation_url"), f.UniverseDomain, o)
	f.ServiceAccountTokenLifetimeSeconds = readLifetime(v.Get("service_account_impersonation"))
}

func readImpersonationURL(v jsondoc.Value, universe string, o FileOptions) string {
	s := readEndpoint(v, "iamcredentials", universe, o)
	if _, email := splitImpersonationURL(s); v.Present() && !o.AllowAnyEndpoint && email == "" {
		v.Problem(foundURL(s), wantImpersonation)
	}
	return s
}

func readLifetime(v jsondoc.Value) int {
	v.Fields("token_lifetime_seconds")
	seconds := v.Get("token_lifetime_seconds")
	n := seconds.Int()
	if seconds.Present() && (n < 600 || n > 43200) {
		seconds.Problem("", "write a number of seconds from 600 to 43200")
	}
	return n
}

const wantImpersonation = "end it with /v1/projects/-/serviceAccounts/EMAIL:generateAccessToken"

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// consistsOf reports whether s is not empty and has only characters of set.
func consistsOf(s, set string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(set, r) }) < 0
}
