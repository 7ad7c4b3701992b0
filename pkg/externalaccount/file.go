package externalaccount

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/jsondoc"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// File is a credential configuration file of type external_account. Its fields
// are described in https://google.aip.dev/auth/4117.
type File struct {
	// Type is "external_account".
	Type string
	// Audience is the provider's full resource name, such as
	// "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/POOL/providers/PROVIDER".
	Audience         string
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
	ClientID                 string
	ClientSecret             secret.Text
	QuotaProjectID           string
	WorkforcePoolUserProject string
	// UniverseDomain is filled in with "googleapis.com".
	UniverseDomain string
	// AWSRegion, AWSRoleARN and AWSSessionName are for a role to assume before
	// signing. Google's own libraries do not read them.
	AWSRegion, AWSRoleARN, AWSSessionName string
	// AWS is the credential_source. It is never nil in a File of [ParseFile].
	AWS *AWSSource
}

// AWSSource is a credential_source with an environment_id. What is empty was not in the file.
type AWSSource struct {
	// EnvironmentID is "aws1".
	EnvironmentID string
	// RegionalCredVerificationURL may contain {region}; empty means
	// subjecttoken.DefaultVerificationURL.
	RegionalCredVerificationURL string
	// RegionURL, URL and IMDSv2SessionTokenURL are EC2's metadata service.
	RegionURL             string
	URL                   string
	IMDSv2SessionTokenURL string
}

// FileOptions says what a file may contain.
type FileOptions struct {
	// AllowAnyEndpoint lets its URLs be http and name any host. For tests and
	// local runs: whoever answers there gets a signed AWS identity.
	AllowAnyEndpoint bool
}

// ParseFile reads a credential file, strictly: unknown fields are problems, as
// are URLs that are not Google's or AWS's. It fails with a [jsondoc.Problems],
// which never shows the client secret.
func ParseFile(data []byte, o FileOptions) (*File, error) {
	doc := jsondoc.Parse(data)
	f := ReadFile(doc.Root().Required(wantType), o)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return f, nil
}

const (
	externalAccount = "external_account"
	wantType        = `write the JSON that "gcloud iam workload-identity-pools create-cred-config" makes, of "type": "external_account"`
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

	f.UniverseDomain = googleapi.DefaultUniverse
	if u := v.Get("universe_domain"); u.Present() {
		f.UniverseDomain = u.Matching(isUniverse, `write the domain of the universe's APIs, such as "googleapis.com"`)
	}
	f.TokenURL = "https://sts." + f.UniverseDomain + "/v1/token"
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
	case "service_account":
		return "this is a service account's key file, and wifmint exists so that nobody needs one: " + wantType
	case "impersonated_service_account":
		return "this file impersonates a service account with someone's own credentials; " +
			"name the service account in a target, and here " + wantType
	case "external_account_authorized_user":
		return "this is a person's login through a workforce pool, which ends with the session; " + wantType
	case "authorized_user":
		return "this is a person's login by gcloud, which no function should run on; " + wantType
	}
	return wantType
}

// isUniverse has the endpoint check, which knows domains, look at the host that
// is built from s.
func isUniverse(s string) bool {
	_, err := googleapi.ParseEndpoint("https://sts."+s+"/", "sts", s, false)
	return err == nil
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
	u := v.Get("service_account_impersonation_url")
	f.ServiceAccountImpersonationURL = readEndpoint(u, "iamcredentials", f.UniverseDomain, o)
	if u.Present() && !o.AllowAnyEndpoint && f.ServiceAccount() == "" {
		u.Problem("", wantImpersonation)
	}

	impersonation := v.Get("service_account_impersonation")
	impersonation.Fields("token_lifetime_seconds")
	seconds := impersonation.Get("token_lifetime_seconds")
	f.ServiceAccountTokenLifetimeSeconds = seconds.Int()
	if n := f.ServiceAccountTokenLifetimeSeconds; seconds.Present() && (n < 600 || n > 43200) {
		seconds.Problem("", "write a number of seconds from 600 to 43200")
	}
}

const wantImpersonation = "end it with /v1/projects/-/serviceAccounts/EMAIL:generateAccessToken"

// readSource reads where the subject token comes from, and what has to fit that.
func (f *File) readSource(v jsondoc.Value, o FileOptions) {
	audience := v.Get("audience").Required("write the full resource name of the provider: " + audienceForm)
	f.Audience = audience.Text()
	workforce := checkAudience(audience, f.Audience, f.UniverseDomain)

	tokenType := v.Get("subject_token_type").Required("write " + jsondoc.Quote(subjecttoken.AWSTokenType))
	f.SubjectTokenType = tokenType.Text()

	userProject := v.Get("workforce_pool_user_project")
	f.WorkforcePoolUserProject = userProject.Text()
	if userProject.Present() && !workforce {
		userProject.Problem("", "remove it: it goes with the audience of a workforce pool only")
	}

	source := v.Get("credential_source")
	if at, kind := otherSource(v, source); kind != "" {
		at.Problem(kind, "write an AWS source, as gcloud makes with --aws: others are not supported yet")
		return
	}
	if workforce {
		audience.Problem("a workforce pool", "write a workload identity pool's provider: workforce pools have none for AWS")
	}
	if f.SubjectTokenType != subjecttoken.AWSTokenType {
		tokenType.Problem("", "write "+jsondoc.Quote(subjecttoken.AWSTokenType)+", the one type of an AWS source")
	}
	f.AWS = readAWSSource(source.Required(`write an AWS source, such as {"environment_id": "aws1"}`), o)
	f.readAWSRole(v)
}

// otherSource tells where the subject token comes from if not from AWS, in the
// order in which Google's libraries look.
func otherSource(v, source jsondoc.Value) (at jsondoc.Value, kind string) {
	if executable := v.Get("pluggable_source"); executable.Present() {
		return executable, "an executable source"
	}
	if source.Get("environment_id").Present() {
		return source, ""
	}
	for _, other := range []struct{ field, kind string }{
		{"file", "a file source"}, {"url", "a URL source"}, {"executable", "an executable source"}, {"certificate", "an X.509 source"},
	} {
		if source.Get(other.field).Present() {
			return source, other.kind
		}
	}
	return source, ""
}

func readAWSSource(v jsondoc.Value, o FileOptions) *AWSSource {
	// cred_verification_url is one that Google's Go library knows and never uses.
	v.Fields("environment_id", "regional_cred_verification_url", "region_url", "url", "imdsv2_session_token_url", "cred_verification_url")
	const wantID = `write "aws1", the one version there is`
	metadata := func(field string) string {
		return v.Get(field).Matching(func(s string) bool { return isMetadataURL(s, o) },
			"write a URL of EC2's metadata service, on http://169.254.169.254 or http://[fd00:ec2::254]")
	}
	return &AWSSource{
		EnvironmentID: v.Get("environment_id").Required(wantID).Matching(func(s string) bool { return s == "aws1" }, wantID),
		RegionalCredVerificationURL: v.Get("regional_cred_verification_url").Matching(func(s string) bool { return isVerificationURL(s, o) },
			"write "+strconv.Quote(subjecttoken.DefaultVerificationURL)),
		RegionURL:             metadata("region_url"),
		URL:                   metadata("url"),
		IMDSv2SessionTokenURL: metadata("imdsv2_session_token_url"),
	}
}

func (f *File) readAWSRole(v jsondoc.Value) {
	f.AWSRegion = v.Get("aws_region").Matching(supplier.ValidRegion, `write an AWS region, such as "eu-west-1"`)
	role := v.Get("aws_role_arn")
	f.AWSRoleARN = role.Matching(supplier.ValidRoleARN, `write the ARN of a role, such as "arn:aws:iam::123456789012:role/NAME"`)
	session := v.Get("aws_session_name")
	f.AWSSessionName = session.Matching(supplier.ValidSessionName, "write 2 to 64 letters, digits or characters of _+=,.@-")
	if session.Present() {
		role.Required("write the ARN of the role that aws_session_name is for")
	}
}

// isMetadataURL reports whether s is EC2's metadata service, by address: a name
// could lead anywhere, and what answers is believed to be AWS.
func isMetadataURL(s string, o FileOptions) bool {
	u, err := url.Parse(s)
	if err != nil || !isHTTP(u) {
		return false
	}
	host, err := netip.ParseAddr(u.Hostname())
	known := err == nil && (host == netip.AddrFrom4([4]byte{169, 254, 169, 254}) || host == netip.MustParseAddr("fd00:ec2::254"))
	return known || o.AllowAnyEndpoint
}

// isVerificationURL reports whether s is GetCallerIdentity at AWS STS, on the
// host of a region ({region} stands for one) or the global one.
func isVerificationURL(s string, o FileOptions) bool {
	const anyRegion = "us-east-1"
	u, err := url.Parse(strings.ReplaceAll(s, "{region}", anyRegion))
	if err != nil || !isHTTP(u) {
		return false
	}
	path := u.Path == "" || u.Path == "/"
	query := u.Query().Encode() == "Action=GetCallerIdentity&Version=2011-06-15"
	google := u.Scheme == "https" && u.User == nil && u.Fragment == "" && path && query && isAWSSTS(u.Host)
	return google || o.AllowAnyEndpoint
}

// isAWSSTS knows sts and sts-fips, with and without a region, in AWS's domains.
func isAWSSTS(host string) bool {
	service, rest, _ := strings.Cut(host, ".")
	if service != "sts" && service != "sts-fips" {
		return false
	}
	for _, domain := range []string{"amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws"} {
		region, regional := strings.CutSuffix(rest, "."+domain)
		if rest == domain || regional && supplier.ValidRegion(region) {
			return true
		}
	}
	return false
}

func isHTTP(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// consistsOf reports whether s is not empty and has only characters of set.
func consistsOf(s, set string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(set, r) }) < 0
}
