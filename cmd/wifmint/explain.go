package main

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
)

// fact is one line about a credential file.
type fact struct{ about, what string }

const impersonates = "impersonates"

// explain tells in a few lines who is who in a credential file and what it takes
// to use it. It shows no secret: of URLs nothing but the host, of programs no
// arguments, of headers no values.
func explain(f externalaccount.AnyFile, getenv func(string) string, to io.Writer) {
	facts := factsOf(f)
	if !slices.ContainsFunc(facts, func(f fact) bool { return f.about == impersonates }) {
		facts = append(facts, fact{impersonates, "no one; the tokens are of that identity itself"})
	}
	facts = append(facts, fact{"billed to", billed(f, getenv("GOOGLE_CLOUD_QUOTA_PROJECT"))})
	width := 0
	for _, f := range facts {
		width = max(width, len(f.about))
	}
	for _, f := range facts {
		fmt.Fprintf(to, "  %-*s  %s\n", width, f.about, printable(f.what))
	}
}

func factsOf(f externalaccount.AnyFile) []fact {
	switch f := f.(type) {
	case *externalaccount.File:
		return federation(f)
	case *externalaccount.AuthorizedUserFile:
		return login(f)
	case *externalaccount.ImpersonatedFile:
		return slices.Concat(impersonation(f), factsOf(f.Source))
	}
	return nil
}

func federation(f *externalaccount.File) []fact {
	proof, needs := source(f)
	facts := []fact{
		{"provider", provider(f.Audience)},
		{"proof", proof},
		{"exchanged at", host(f.TokenURL)},
	}
	if f.ClientID != "" {
		facts = append(facts, fact{"client", f.ClientID})
	}
	facts = append(facts, fact{"needs", needs})
	if account := f.ServiceAccount(); account != "" {
		facts = append(facts, fact{impersonates, account + lifetime(f.ServiceAccountTokenLifetimeSeconds)})
	}
	return facts
}

// source tells what proves who one is, and what there has to be for it where the
// file is used.
func source(f *externalaccount.File) (proof, needs string) {
	switch {
	case f.AWS != nil:
		return awsSource(f)
	case f.TokenFile != nil:
		return "the token in the file " + f.TokenFile.Path + field(f.TokenFile.Format),
			"that file, kept fresh by whoever issues the token"
	case f.URL != nil:
		proof = "the token that " + host(f.URL.URL) + " answers with" + field(f.URL.Format)
		if names := headerNames(f.URL); names != "" {
			proof += ", asked with " + names
		}
		return proof, host(f.URL.URL) + ", within reach"
	case f.Executable != nil:
		program := strings.Fields(f.Executable.Command)[0]
		proof = fmt.Sprintf("the token that the program %s prints within %v", program, cmp.Or(f.Executable.Timeout, 30*time.Second))
		if f.Executable.OutputFile != "" {
			proof += ", or has left in " + f.Executable.OutputFile
		}
		return proof, program + ", and GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 in the environment"
	case f.Certificate != nil:
		return certificateSource(f.Certificate)
	}
	return "none", "a credential_source"
}

func awsSource(f *externalaccount.File) (proof, needs string) {
	proof = "a request signed with AWS keys"
	if f.AWSRoleARN != "" {
		proof += " of " + f.AWSRoleARN + ", a role that is assumed"
		needs = " that may assume the role"
	}
	needs = "AWS keys" + needs + ", of the environment, a container endpoint, EC2 or (for wifmint itself) a profile"
	if f.AWSRegion == "" {
		return proof, needs + "; and AWS_REGION"
	}
	return proof + ", for " + f.AWSRegion, needs
}

func certificateSource(s *externalaccount.CertificateSource) (proof, needs string) {
	proof = "an X.509 certificate, shown to Google by whoever has its key"
	if s.TrustChainPath != "" {
		proof += ", and the chain in " + s.TrustChainPath
	}
	config := s.ConfigLocation
	if s.UseDefaultConfig {
		config = "at GOOGLE_API_CERTIFICATE_CONFIG, or certificate_config.json in gcloud's directory"
	}
	return proof, "the certificate configuration " + config + ", and the files that it names"
}

func login(f *externalaccount.AuthorizedUserFile) []fact {
	who := "a person's Google account"
	if f.Type != googleUser {
		who = "a person, logged in through " + provider(f.Audience)
	}
	if f.Account != "" {
		who += ": " + f.Account
	}
	scopes := "those of the login, which the file does not tell"
	if len(f.Scopes) > 0 {
		scopes = strings.Join(f.Scopes, " ")
	}
	facts := []fact{{"who", who}}
	if f.RefreshToken.IsZero() {
		return append(facts,
			fact{"proof", "an access token, good until " + f.Expiry.Format(time.RFC3339)},
			fact{"scopes", scopes},
			fact{"needs", "nothing; when it has expired, log in again"})
	}
	return append(facts,
		fact{"proof", "a refresh token, good until the login ends"},
		fact{"refreshed at", host(f.TokenURL)},
		fact{"client", f.ClientID},
		fact{"scopes", scopes},
		fact{"needs", "the file to be writable, as Google may replace the refresh token"})
}

func impersonation(f *externalaccount.ImpersonatedFile) []fact {
	facts := []fact{{impersonates, f.ServiceAccount() + lifetime(f.ServiceAccountTokenLifetimeSeconds)}}
	if len(f.Delegates) > 0 {
		facts = append(facts, fact{"by way of", strings.Join(f.Delegates, ", then ")})
	}
	if len(f.Scopes) > 0 {
		facts = append(facts, fact{"scopes", strings.Join(f.Scopes, " ")})
	}
	return append(facts, fact{"by means of", "credentials of type " + typeOf(f.Source)})
}

func typeOf(f externalaccount.AnyFile) string {
	switch f := f.(type) {
	case *externalaccount.File:
		return f.Type
	case *externalaccount.AuthorizedUserFile:
		return f.Type
	case *externalaccount.ImpersonatedFile:
		return f.Type
	}
	return ""
}

// billed tells the project that requests are billed to. A variable wins over the
// file, as in Google's libraries.
func billed(f externalaccount.AnyFile, variable string) string {
	var project, exchange string
	switch f := f.(type) {
	case *externalaccount.File:
		project, exchange = f.QuotaProjectID, f.WorkforcePoolUserProject
	case *externalaccount.AuthorizedUserFile:
		project = f.QuotaProjectID
	case *externalaccount.ImpersonatedFile:
		project = f.QuotaProjectID
	}
	switch {
	case variable != "":
		project = variable + ", by GOOGLE_CLOUD_QUOTA_PROJECT"
	case project == "" && typeOf(f) == googleUser:
		project = "no project of the file's, without which some APIs refuse a person; see gcloud auth application-default set-quota-project"
	case project == "":
		project = "the project of whatever is called"
	}
	if exchange != "" {
		project += "; the exchange itself to " + exchange
	}
	return project
}

// provider puts the name of a pool's provider into words.
func provider(audience string) string {
	p := strings.Split(strings.TrimPrefix(audience, "//"), "/")
	switch {
	case len(p) == 9 && p[5] == "workloadIdentityPools":
		return fmt.Sprintf("%s of the workload identity pool %s in project %s", p[8], p[6], p[2])
	case len(p) == 7 && p[3] == "workforcePools":
		return fmt.Sprintf("%s of the workforce pool %s", p[6], p[4])
	}
	return cmp.Or(audience, "a workforce pool that the file does not tell")
}

func lifetime(seconds int) string {
	if seconds == 0 {
		return ", for an hour"
	}
	life := ", for " + (time.Duration(seconds) * time.Second).String()
	if seconds > 3600 {
		life += ", which takes the organisation policy iam.allowServiceAccountCredentialLifetimeExtension"
	}
	return life
}

// host is all that is told of a URL, whose rest may hold a key.
func host(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "a URL"
	}
	return u.Host
}

func field(f subjecttoken.Format) string {
	if f.Type != "json" {
		return ""
	}
	return ", in the field " + f.SubjectTokenFieldName
}

func headerNames(s *externalaccount.URLSource) string {
	names := make([]string, 0, len(s.Headers))
	for name := range s.Headers {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// printable has a question mark for what could move a terminal's cursor: the file
// may be anybody's.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
