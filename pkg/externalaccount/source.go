package externalaccount

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/jsondoc"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
)

// TokenFileSource is a credential_source with a file.
type TokenFileSource struct {
	// Path is relative to the working directory.
	Path string
	// Format tells how the file holds the token.
	Format subjecttoken.Format
}

// URLSource is a credential_source with a url. Printed, logged or given to
// encoding/json it shows fingerprints in the places of the headers' values and of
// the URL's query, which may hold a key.
type URLSource struct {
	// URL is absolute, http or https.
	URL string
	// Headers are sent along. Their values may be keys.
	Headers map[string]secret.Text
	// Format tells how the answer holds the token.
	Format subjecttoken.Format
}

// ExecutableSource is a credential_source with an executable, or the same as a
// pluggable_source.
type ExecutableSource struct {
	// Command is the program's path and its arguments, see [subjecttoken.Executable].
	Command string
	// Timeout is timeout_millis; zero means 30 s.
	Timeout time.Duration
	// InteractiveTimeout is interactive_timeout_millis, for [Options.Interactive];
	// zero means that the program is not made for it.
	InteractiveTimeout time.Duration
	// OutputFile is output_file, where the program keeps its last answer; it may be
	// empty without an InteractiveTimeout.
	OutputFile string
}

// CertificateSource is a credential_source with a certificate.
type CertificateSource struct {
	// ConfigLocation is certificate_config_location. Either it or UseDefaultConfig is set.
	ConfigLocation string
	// UseDefaultConfig is use_default_certificate_config: gcloud's own file.
	UseDefaultConfig bool
	// TrustChainPath is trust_chain_path, a PEM file; empty means none.
	TrustChainPath string
}

const wantSource = `write where the subject token comes from: {"environment_id": "aws1"} for AWS, else an object with "file", "url", "certificate" or "executable"`

// readSource reads where the subject token comes from, and what has to fit that.
func (f *File) readSource(v jsondoc.Value, o FileOptions) {
	workforce := f.readAudience(v)
	source, kind := sourceOf(v)
	f.readTokenType(v, kind)
	switch kind {
	case "environment_id":
		f.AWS = readAWSSource(source, o)
		if workforce {
			v.Get("audience").Problem("a workforce pool", "write a workload identity pool's provider: workforce pools have none for AWS")
		}
		f.readAWSRole(v)
		return
	case "file":
		f.TokenFile = readTokenFileSource(source)
	case "url":
		f.URL = readURLSource(source)
	case "executable":
		f.Executable = readExecutableSource(source, o)
	case "certificate":
		f.Certificate = readCertificateSource(source)
		f.checkMutualTLS(v)
	case "": // and whatever else there is may fit the source that is meant
		return
	}
	for _, field := range []string{"aws_region", "aws_role_arn", "aws_session_name"} {
		if role := v.Get(field); role.Present() {
			role.Problem("", "remove it: it goes with a credential_source that has an environment_id")
		}
	}
}

// readAudience also reads what goes with a workforce pool's only, and tells
// whether it is one.
func (f *File) readAudience(v jsondoc.Value) (workforce bool) {
	audience := v.Get("audience").Required("write the full resource name of the provider: " + audienceForm)
	f.Audience = audience.Text()
	workforce = checkAudience(audience, f.Audience, f.UniverseDomain)
	userProject := v.Get("workforce_pool_user_project")
	f.WorkforcePoolUserProject = userProject.Text()
	if userProject.Present() && audience.Present() && !workforce {
		userProject.Problem("", "remove it: it goes with the audience of a workforce pool only")
	}
	return workforce
}

// sourceOf is the credential_source or what stands for it, and the field that
// tells its kind: environment_id first, as with Google's libraries, since AWS
// sources have a url too. Kind is empty if there is none, which is reported.
func sourceOf(v jsondoc.Value) (source jsondoc.Value, kind string) {
	source = v.Get("credential_source")
	if pluggable := v.Get("pluggable_source"); pluggable.Present() {
		if source.Present() {
			pluggable.Problem("", "remove it, or the credential_source: there is one source")
		}
		return pluggable, "executable"
	}
	if source = source.Required(wantSource); source.Get("environment_id").Present() {
		return source, "environment_id"
	}
	var kinds []string
	for _, kind := range []string{"executable", "file", "url", "certificate"} {
		if source.Get(kind).Present() {
			kinds = append(kinds, kind)
		}
	}
	switch len(kinds) {
	case 0:
		source.Problem("", wantSource)
		return source, ""
	case 1:
		return source, kinds[0]
	}
	source.Problem(strings.Join(kinds, " and "), "keep one of them: each is a source of its own")
	return source, ""
}

// readTokenType reads the subject_token_type and compares it with the source.
func (f *File) readTokenType(v jsondoc.Value, kind string) {
	types := []string{subjecttoken.JWTTokenType, subjecttoken.IDTokenType, subjecttoken.SAML2TokenType}
	switch kind {
	case "environment_id":
		types = []string{subjecttoken.AWSTokenType}
	case "certificate":
		types = []string{subjecttoken.MTLSTokenType}
	case "":
		types = append(types, subjecttoken.AWSTokenType, subjecttoken.MTLSTokenType)
	}
	want := "write one of " + strings.Join(types, ", ")
	if len(types) == 1 {
		want = "write " + jsondoc.Quote(types[0]) + ", the one type of this credential_source"
	}
	tokenType := v.Get("subject_token_type").Required(want)
	if f.SubjectTokenType = tokenType.Text(); !slices.Contains(types, f.SubjectTokenType) {
		tokenType.Problem("", want)
	}
}

// readText is a required text that is not empty.
func readText(v jsondoc.Value, want string) string {
	return v.Required(want).Matching(func(s string) bool { return strings.TrimSpace(s) != "" }, want)
}

func readFormat(v jsondoc.Value) subjecttoken.Format {
	v.Fields("type", "subject_token_field_name")
	format := subjecttoken.Format{
		Type:                  v.Get("type").Matching(func(s string) bool { return s == "text" || s == "json" }, `write "text" or "json"`),
		SubjectTokenFieldName: v.Get("subject_token_field_name").Text(),
	}
	if format.Type == "json" {
		readText(v.Get("subject_token_field_name"), "name the field of the JSON object that holds the token")
	}
	return format
}

func readTokenFileSource(v jsondoc.Value) *TokenFileSource {
	v.Fields("file", "format")
	return &TokenFileSource{
		Path:   readText(v.Get("file"), "write the path of the file that holds the token"),
		Format: readFormat(v.Get("format")),
	}
}

func readURLSource(v jsondoc.Value) *URLSource {
	v.Fields("url", "headers", "format")
	at := v.Get("url")
	s := &URLSource{URL: at.Text(), Format: readFormat(v.Get("format"))}
	// Nothing of the URL is shown: its query may hold a key.
	switch u, err := url.Parse(s.URL); {
	case err != nil || !isHTTP(u):
		at.Problem("a text that is no URL", "write http://HOST/… or https://HOST/…")
	case u.User != nil:
		at.Problem("a URL with a user name or password in it", "write them as an Authorization header into headers")
	}
	for name, value := range v.Get("headers").Members() {
		if s.Headers == nil {
			s.Headers = map[string]secret.Text{}
		}
		s.Headers[name] = value.Required("write the header's value, or remove it").Secret()
	}
	return s
}

func readExecutableSource(v jsondoc.Value, o FileOptions) *ExecutableSource {
	v.Fields("executable")
	v = v.Get("executable").Required(`write {"command": "PATH ARGUMENT…"}`)
	if !o.AllowExecutable {
		v.Problem("", "write another source: no program may be run here (in Go, see FileOptions.AllowExecutable)")
	}
	v.Fields("command", "timeout_millis", "interactive_timeout_millis", "output_file")
	s := &ExecutableSource{
		Command:            readText(v.Get("command"), "write the program's path and its arguments"),
		Timeout:            readMillis(v.Get("timeout_millis"), 5000, 120_000),
		InteractiveTimeout: readMillis(v.Get("interactive_timeout_millis"), 30_000, 1_800_000),
		OutputFile:         v.Get("output_file").Text(),
	}
	if s.InteractiveTimeout != 0 {
		v.Get("output_file").Required("write the file in which the program answers when it is interactive")
	}
	return s
}

func readMillis(v jsondoc.Value, least, most int) time.Duration {
	n := v.Int()
	if v.Present() && (n < least || n > most) {
		v.Problem("", "write a number of milliseconds from "+strconv.Itoa(least)+" to "+strconv.Itoa(most))
	}
	return time.Duration(n) * time.Millisecond
}

func readCertificateSource(v jsondoc.Value) *CertificateSource {
	v.Fields("certificate")
	v = v.Get("certificate")
	v.Fields("certificate_config_location", "use_default_certificate_config", "trust_chain_path")
	s := &CertificateSource{
		ConfigLocation:   v.Get("certificate_config_location").Text(),
		UseDefaultConfig: v.Get("use_default_certificate_config").Bool(),
		TrustChainPath:   v.Get("trust_chain_path").Text(),
	}
	switch {
	case s.ConfigLocation != "" && s.UseDefaultConfig:
		v.Get("use_default_certificate_config").Problem("", "remove it, or the certificate_config_location")
	case s.ConfigLocation == "" && !s.UseDefaultConfig:
		v.Problem("no certificate configuration", "write its path into certificate_config_location, or true into use_default_certificate_config")
	}
	return s
}

// checkMutualTLS refuses the endpoint that is known to ask for no certificate.
func (f *File) checkMutualTLS(v jsondoc.Value) {
	if u, err := url.Parse(f.TokenURL); err == nil && u.Hostname() == "sts."+f.UniverseDomain {
		v.Get("token_url").Problem(foundURL(f.TokenURL), "write "+jsondoc.Quote(defaultTokenURL(f.UniverseDomain, true))+", where Google asks for the certificate")
	}
}
